//! Lets one of many equal warnings through.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// The SDK warns once for every span that it cannot keep; one line in this time says as much.
const QUIET: Duration = Duration::from_secs(10);

/// When each kind was last let through, and how many were held back since. A kind is a place in a library's source, so
/// there are few.
#[derive(Default)]
pub(super) struct Repeats(Mutex<HashMap<Identifier, (Instant, u64)>>);

impl Repeats {
    /// None when this one is to be held back; else how many were since the last.
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
