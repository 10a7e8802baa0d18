//! Limits repeated warnings.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// The SDK warns for every span that it cannot keep. One line in this time is enough.
const QUIET: Duration = Duration::from_secs(10);

/// When each kind was last let through, and how many were suppressed since. A kind is a place in the source code of a library,
/// so there are few.
#[derive(Default)]
pub(super) struct Repeats(Mutex<HashMap<Identifier, (Instant, u64)>>);

impl Repeats {
    /// None if this one must be suppressed. Otherwise how many were suppressed since the last.
    pub(super) fn admit(&self, kind: &Identifier) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match kinds.get_mut(kind) {
            Some((told, held_back)) if now.duration_since(*told) < QUIET => {
                *held_back += 1;
                None
            }
            Some((told, held_back)) => {
                *told = now;
                Some(std::mem::take(held_back))
            }
            None => {
                kinds.insert(kind.clone(), (now, 0));
                Some(0)
            }
        }
    }
}
