//! For what can happen a thousand times a second and must not fill the log.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(10);

/// Counts what happens and says now and then that it is time to log it.
#[derive(Default)]
pub(crate) struct LogLimit {
    logged: Option<Instant>,
    times: usize,
}

impl LogLimit {
    /// It has happened so many times more: how often since it was last logged, if it is time to log it again.
    pub(crate) fn count(&mut self, times: usize) -> Option<usize> {
        self.times += times;
        if self.logged.is_some_and(|logged| logged.elapsed() < PAUSE) {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_logged_once_in_a_while_with_its_count() {
        let mut limit = LogLimit::default();
        assert_eq!(limit.count(2), Some(2));
        assert_eq!(limit.count(1), None);
        assert_eq!(limit.count(4), None);
        // Ten seconds later:
        limit.logged = limit.logged.and_then(|logged| logged.checked_sub(PAUSE));
        assert_eq!(limit.count(1), Some(6));
    }
}
