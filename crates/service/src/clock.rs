//! A clock that stands still while the process does not run.
//!
//! While a container is paused or a laptop sleeps, the kernel queues what clients send. By the wall clock, all clients would
//! seem silent afterwards, and their connections would be closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How late a task or timer of this process must be to count as a freeze. A busy machine stays below it.
pub(crate) const FREEZE: Duration = Duration::from_secs(1);

/// Milliseconds for which the process has run.
pub(crate) struct Clock {
    start: Instant,
    frozen: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            frozen: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        millis(self.start.elapsed()).saturating_sub(self.frozen.load(Ordering::Relaxed))
    }

    pub(crate) fn since(&self, then: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(then))
    }

    /// Takes the lateness of a periodic task out of the account if it is a freeze.
    pub(crate) fn skip_freeze(&self, lateness: Duration) {
        if lateness >= FREEZE {
            self.frozen.fetch_add(millis(lateness), Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
