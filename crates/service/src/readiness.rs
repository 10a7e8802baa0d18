//! Whether new requests are wanted; what `/readyz` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ready from the start, until [`serve`](crate::serve) is told to stop. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// False once the service drains.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
