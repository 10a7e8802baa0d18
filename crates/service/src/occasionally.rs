//! For what can happen a thousand times a second and must not fill the log.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(10);

/// Counts what happens and says now and then that it is time to log it.
#[derive(Default)]
pub(crate) struct Occasionally {
    logged: Option<Instant>,
    count: u64,
}

impl Occasionally {
    /// It has happened: how often since it was last logged, if it is time to log it again.
    pub(crate) fn now(&mut self) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|logged| logged.elapsed() < PAUSE) {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}
