//! At most one log line in ten seconds for each kind of event.
//!
//! Clients cause these events, a thousand a second if they like. Without the limit they would fill the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);

/// Counts events by kind.
#[derive(Default)]
pub(crate) struct LogLimit(Mutex<HashMap<&'static str, Events>>);

#[derive(Default)]
struct Events {
    logged: Option<Instant>,
    unlogged: usize,
}

impl LogLimit {
    /// Adds `count` events of `kind`. Returns the count since the last log line once another line is due.
    pub(crate) fn add(&self, kind: &'static str, count: usize) -> Option<usize> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let events = kinds.entry(kind).or_default();
        events.unlogged += count;
        if events.logged.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        events.logged = Some(Instant::now());
        Some(std::mem::take(&mut events.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_logged_once_in_a_while_with_its_count() {
        let limit = LogLimit::default();
        assert_eq!(limit.add("a", 2), Some(2));
        assert_eq!(limit.add("a", 1), None);
        assert_eq!(limit.add("a", 4), None);
        assert_eq!(limit.add("b", 1), Some(1), "each kind has its own interval");
        // Ten seconds later:
        let mut kinds = limit.0.lock().unwrap();
        let events = kinds.get_mut("a").unwrap();
        events.logged = events.logged.and_then(|at| at.checked_sub(INTERVAL));
        drop(kinds);
        assert_eq!(limit.add("a", 1), Some(6));
    }
}
