//! A flag that tasks share.

use std::sync::atomic::{AtomicBool, Ordering};

/// It orders nothing else: what it says is a hint, or concerns one task.
#[derive(Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: bool) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sets it, and returns whether it was not set before.
    pub(crate) fn set_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
