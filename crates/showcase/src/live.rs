//! When a trace is printed: once it is quiet, and no more of them than a screen can take.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use backend::{Change, Store, TraceId};
use tokio::{
    sync::broadcast::Receiver,
    time::{MissedTickBehavior, interval},
};

use crate::{
    print::{plural, print},
    screen::Screen,
};

/// A trace is quiet when no span has come for so long: services send theirs at different times.
const QUIET: Duration = Duration::from_secs(1);

/// A trace that is never quiet is printed after so long as it is then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Traces printed within a second.
const TRACES_A_SECOND: usize = 5;
const SECOND: Duration = Duration::from_secs(1);

/// Traces that may wait for their spans; and, after that, be remembered, so that late spans are known as such.
const WAITING: usize = 4096;
const REMEMBERED: usize = 4096;

/// Traces that are looked at when changes were missed.
const MISSED: usize = 1024;

/// How often is looked for what is due.
const TICK: Duration = Duration::from_millis(100);

/// Prints what arrives in a store.
pub(crate) struct Live {
    store: Arc<Store>,
    changes: Receiver<Change>,
    screen: Screen,
    queue: Queue,
}

impl Live {
    /// Of what arrives in `store` from now on.
    pub(crate) fn new(store: Arc<Store>, screen: Screen) -> Self {
        let changes = store.subscribe();
        Self {
            store,
            changes,
            screen,
            queue: Queue::new(),
        }
    }

    /// Prints each trace when it is due. Can be dropped at any time; what waits then is left to
    /// [`finish`](Self::finish).
    pub(crate) async fn watch(&mut self) -> Infallible {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(Change::Trace { id, spans }) => self.queue.changed(id, spans, Instant::now()),
                    Ok(_) => {}
                    Err(_) => self.look(), // it has missed some
                },
                _ = tick.tick(), if !self.queue.is_idle() => {
                    let due = self.queue.due(Instant::now());
                    self.show(due).await;
                }
            }
        }
    }

    /// Prints what waits, and what has come since.
    pub(crate) async fn finish(mut self) {
        self.look();
        let last = self.queue.last();
        self.show(last).await;
    }

    /// Catches up with the store.
    fn look(&mut self) {
        for trace in self.store.latest(MISSED) {
            self.queue
                .changed(trace.id, trace.spans.len(), Instant::now());
        }
    }

    async fn show(&mut self, due: Vec<Due>) {
        for due in due {
            let text = match due {
                Due::Trace { id, updated } => match self.store.trace(id) {
                    Some(trace) => print(&trace, updated, self.screen.width(), SystemTime::now()),
                    None => {
                        self.queue.skipped += 1; // so many came that the store has dropped it
                        continue;
                    }
                },
                Due::More(traces) => format!("… and {traces} more {}\n\n", plural(traces, "trace")),
            };
            self.screen.show(text).await;
        }
    }
}

/// Something to print now.
#[derive(Debug, PartialEq)]
enum Due {
    Trace {
        id: TraceId,
        updated: bool,
    },
    /// So many that are not printed.
    More(usize),
}

/// Which traces wait, and which have been printed.
struct Queue {
    waiting: HashMap<TraceId, Waiting>,
    seen: Seen,
    second: Instant,
    shown: usize,
    skipped: usize,
}

struct Waiting {
    since: Instant,
    changed: Instant,
    spans: usize,
}

impl Queue {
    fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            seen: Seen::default(),
            second: Instant::now(),
            shown: 0,
            skipped: 0,
        }
    }

    /// Trace `id` has `spans` spans now, or had: two requests that come at once are announced in either order.
    fn changed(&mut self, id: TraceId, spans: usize, now: Instant) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            if waiting.spans < spans {
                (waiting.spans, waiting.changed) = (spans, now);
            }
        } else if self.seen.get(id).is_some_and(|seen| seen >= spans) {
            // Printed as it is, or skipped.
        } else if self.waiting.len() < WAITING {
            self.waiting.insert(
                id,
                Waiting {
                    since: now,
                    changed: now,
                    spans,
                },
            );
        } else {
            self.skip(id);
        }
    }

    /// Whether nothing is waiting to be printed.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.skipped == 0
    }

    /// What is to be printed now.
    fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        if now.saturating_duration_since(self.second) >= SECOND {
            due.extend(self.more());
            (self.second, self.shown) = (now, 0);
        }
        let since = |then| now.saturating_duration_since(then);
        due.extend(
            self.take(|waiting| {
                since(waiting.changed) >= QUIET || since(waiting.since) >= PATIENCE
            }),
        );
        due
    }

    /// What is left to be printed at the end.
    fn last(&mut self) -> Vec<Due> {
        self.shown = 0;
        let mut due = self.take(|_| true);
        due.extend(self.more());
        due
    }

    /// Takes those that are wanted out of the waiting ones, in the order in which they came.
    fn take(&mut self, wanted: impl Fn(&Waiting) -> bool) -> Vec<Due> {
        let mut taken: Vec<_> = self
            .waiting
            .extract_if(|_, waiting| wanted(waiting))
            .collect();
        taken.sort_by_key(|(id, waiting)| (waiting.since, *id));
        let mut due = Vec::new();
        for (id, Waiting { spans, .. }) in taken {
            if self.shown < TRACES_A_SECOND {
                self.shown += 1;
                let updated = self.seen.get(id).is_some();
                self.seen.put(id, spans);
                due.push(Due::Trace { id, updated });
            } else {
                self.skip(id);
            }
        }
        due
    }

    fn skip(&mut self, id: TraceId) {
        self.skipped += 1;
        self.seen.put(id, usize::MAX);
    }

    fn more(&mut self) -> Option<Due> {
        let skipped = std::mem::take(&mut self.skipped);
        (skipped > 0).then_some(Due::More(skipped))
    }
}

/// The last traces that were printed, with the spans they had.
#[derive(Default)]
struct Seen {
    spans: HashMap<TraceId, usize>,
    order: VecDeque<TraceId>,
}

impl Seen {
    fn get(&self, id: TraceId) -> Option<usize> {
        self.spans.get(&id).copied()
    }

    fn put(&mut self, id: TraceId, spans: usize) {
        if self.spans.insert(id, spans).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED {
            self.order
                .pop_front()
                .and_then(|oldest| self.spans.remove(&oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn id(number: u8) -> TraceId {
        TraceId::try_from([number; 16].as_slice()).unwrap()
    }

    fn ids(number: u128) -> TraceId {
        TraceId::try_from((number + 1).to_be_bytes().as_slice()).unwrap()
    }

    fn new(number: u8) -> Due {
        Due::Trace {
            id: id(number),
            updated: false,
        }
    }

    #[test]
    fn trace_is_printed_once_no_span_has_come_for_a_second() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        assert!(queue.is_idle());
        queue.changed(id(1), 3, start);
        assert!(!queue.is_idle());
        assert_eq!(queue.due(start + 900 * MS), []);
        queue.changed(id(1), 5, start + 900 * MS);
        assert_eq!(queue.due(start + 1800 * MS), []);
        assert_eq!(queue.due(start + 1900 * MS), [new(1)]);
        assert_eq!(queue.due(start + 9000 * MS), []);
        assert!(queue.is_idle());
    }

    #[test]
    fn late_spans_print_the_trace_again_as_updated_and_repeated_ones_do_not() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        queue.changed(id(1), 3, start);
        assert_eq!(queue.due(start + 1000 * MS), [new(1)]);
        queue.changed(id(1), 3, start + 1100 * MS);
        assert!(queue.is_idle());
        queue.changed(id(1), 5, start + 1200 * MS);
        assert_eq!(
            queue.due(start + 2200 * MS),
            [Due::Trace {
                id: id(1),
                updated: true
            }]
        );
    }

    #[test]
    fn news_that_overtake_older_ones_are_no_late_spans() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        for spans in [5, 3] {
            queue.changed(id(1), spans, start);
        }
        assert_eq!(queue.due(start + 1000 * MS), [new(1)]);
        queue.changed(id(1), 5, start + 1100 * MS);
        assert!(queue.is_idle());
    }

    #[test]
    fn trace_that_is_never_quiet_is_printed_after_ten_seconds() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        for spans in 0..100 {
            let now = start + 100 * MS * spans;
            queue.changed(id(1), spans as usize, now);
            assert_eq!(queue.due(now), [], "{spans}");
        }
        assert_eq!(queue.due(start + 10_000 * MS), [new(1)]);
    }

    #[test]
    fn of_many_traces_five_a_second_are_printed_in_their_order_and_the_others_counted() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        for number in 0..100 {
            queue.changed(ids(number), 1, start + MS * number as u32);
        }
        let first: Vec<_> = (0..5)
            .map(|number| Due::Trace {
                id: ids(number),
                updated: false,
            })
            .collect();
        assert_eq!(queue.due(start + 1200 * MS), first);
        assert_eq!(queue.due(start + 1300 * MS), []);
        assert_eq!(queue.due(start + 2200 * MS), [Due::More(95)]);
        assert!(queue.is_idle());
        queue.changed(ids(50), 2, start + 2300 * MS);
        assert!(
            queue.is_idle(),
            "late spans of a trace that was only counted count nothing"
        );
    }

    #[test]
    fn at_the_end_what_waits_is_printed_at_once() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        for number in 1..8 {
            queue.changed(id(number), 1, start);
        }
        assert_eq!(
            queue.last(),
            [new(1), new(2), new(3), new(4), new(5), Due::More(2)]
        );
        assert_eq!(queue.last(), []);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        for number in 0..20_000 {
            queue.changed(ids(number), 1, start);
        }
        assert_eq!(queue.waiting.len(), WAITING);
        let due = queue.due(start + QUIET);
        assert_eq!(due.len(), TRACES_A_SECOND + 1);
        assert_eq!(due[0], Due::More(20_000 - WAITING));
        assert_eq!(
            queue.due(start + QUIET * 2),
            [Due::More(WAITING - TRACES_A_SECOND)]
        );
        assert_eq!(
            (queue.seen.spans.len(), queue.seen.order.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert!(queue.is_idle());
    }
}
