//! What has happened, numbered, for readers that come and go.
//!
//! The last events are kept, and each reader knows the number of the next one it wants. So a reader that reads slowly, or
//! not at all, costs nothing but its place; and one that was away goes on where it was, unless that is no longer kept.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tokio::sync::watch;

/// Events kept at most: of a number, and of bytes together.
const KEPT: usize = 4096;
const BYTES: usize = 2 << 20;

/// One event; `data` is JSON.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) data: String,
}

/// The last events.
pub(crate) struct Events {
    /// Tells the numbers of one start from those of another.
    start: String,
    kept: Mutex<Kept>,
    changes: watch::Sender<()>,
    /// How many readers there have been.
    readers: watch::Sender<u64>,
}

struct Kept {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Number of the next event.
    next: u64,
}

impl Kept {
    fn oldest(&self) -> u64 {
        self.next - self.events.len() as u64
    }
}

/// What a reader finds at a number.
#[derive(Debug)]
pub(crate) enum Found {
    Event(Arc<Event>),
    /// It has not happened yet.
    NotYet,
    /// It is not kept any more.
    Gone,
}

impl Events {
    pub(crate) fn new() -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: format!("{:x}", start.unwrap_or_default().as_nanos()),
            kept: Mutex::new(Kept {
                events: VecDeque::new(),
                bytes: 0,
                next: 1,
            }),
            changes: watch::Sender::new(()),
            readers: watch::Sender::new(0),
        }
    }

    /// Adds an event, and wakes the readers.
    pub(crate) fn push(&self, name: &'static str, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else {
            return; // a map whose keys are no text; there is none
        };
        {
            let mut kept = self.lock();
            kept.bytes += data.len();
            kept.events.push_back(Arc::new(Event { name, data }));
            kept.next += 1;
            while kept.events.len() > KEPT || kept.bytes > BYTES {
                kept.bytes -= kept.events.pop_front().map_or(0, |event| event.data.len());
            }
        }
        self.changes.send_replace(());
    }

    pub(crate) fn find(&self, number: u64) -> Found {
        let kept = self.lock();
        match number.checked_sub(kept.oldest()) {
            None => Found::Gone,
            Some(place) => usize::try_from(place)
                .ok()
                .and_then(|place| kept.events.get(place))
                .map_or(Found::NotYet, |event| Found::Event(event.clone())),
        }
    }

    /// Number of the event that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Counts a reader. Returns its number, from 1, and the numbers of those that come after it.
    pub(crate) fn add_reader(&self) -> (u64, watch::Receiver<u64>) {
        self.readers.send_modify(|readers| *readers += 1);
        let newer = self.readers.subscribe();
        let number = *newer.borrow();
        (number, newer)
    }

    /// The id of event `number`, as it is sent.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.start)
    }

    /// The number of the event after the one with this id, if it was sent since the start and what followed is kept.
    pub(crate) fn after(&self, id: &str) -> Option<u64> {
        let (start, number) = id.rsplit_once('-')?;
        let next = number.parse::<u64>().ok()?.checked_add(1)?;
        let kept = self.lock();
        (start == self.start && (kept.oldest()..=kept.next).contains(&next)).then_some(next)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_up_to_a_number_and_up_to_bytes() {
        let events = Events::new();
        for number in 0..KEPT as u64 + 10 {
            events.push("trace", &number);
        }
        assert!(matches!(events.find(10), Found::Gone));
        let Found::Event(oldest) = events.find(11) else {
            panic!("{:?}", events.find(11))
        };
        assert_eq!(oldest.data, "10");
        assert!(matches!(events.find(KEPT as u64 + 11), Found::NotYet));

        for _ in 0..8 {
            events.push("trace", &"x".repeat(BYTES / 4));
        }
        assert!(events.lock().bytes <= BYTES);
        assert_eq!(events.lock().events.len(), 3);
    }

    #[test]
    fn ids_of_another_start_or_of_no_event_or_of_one_long_gone_lead_nowhere() {
        let events = Events::new();
        for number in 0..3 {
            events.push("trace", &number);
        }
        let id = events.id(2);
        assert_eq!(events.after(&id), Some(3));
        assert_eq!(events.after(&events.id(3)), Some(4), "the last one");
        assert_eq!(events.after(&events.id(4)), None, "not sent yet");
        for id in ["", "2", "-2", "0-2", "x-y", &format!("{id}x")] {
            assert_eq!(events.after(id), None, "{id}");
        }
        for number in 0..KEPT {
            events.push("trace", &number);
        }
        assert_eq!(events.after(&id), None);
        assert_eq!(events.after(&events.id(3)), Some(4));
    }
}
