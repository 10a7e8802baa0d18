//! When a trace is printed: once it is quiet, and no more of them than a screen can take.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    time::{Duration, Instant},
};

use backend::{Change, Store, TraceId};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
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

/// Prints what arrives in `store` until `stop`, then what is still waiting. `changes` are of this store.
pub(crate) async fn live(
    store: &Store,
    mut changes: Receiver<Change>,
    screen: &Screen,
    stop: impl Future<Output = ()>,
) {
    let mut live = Live::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        let due = tokio::select! {
            change = changes.recv() => {
                match change {
                    Ok(Change::Trace { id, spans }) => live.changed(id, spans, Instant::now()),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => live.look(store, Instant::now()),
                    Err(RecvError::Closed) => return, // it cannot be: the store is here
                }
                continue;
            }
            _ = tick.tick(), if !live.is_idle() => live.due(Instant::now()),
            () = &mut stop => break,
        };
        show(due, store, screen, &mut live).await;
    }
    live.look(store, Instant::now());
    let last = live.last();
    show(last, store, screen, &mut live).await;
}

async fn show(due: Vec<Due>, store: &Store, screen: &Screen, live: &mut Live) {
    for due in due {
        let text = match due {
            Due::Trace { id, updated } => match store.trace(id) {
                Some(trace) => print(&trace, updated, screen.width()),
                None => {
                    live.skipped += 1; // so many came that the store has dropped it
                    continue;
                }
            },
            Due::More(traces) => format!("… and {traces} more {}\n\n", plural(traces, "trace")),
        };
        screen.show(text).await;
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
struct Live {
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

impl Live {
    fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            seen: Seen::default(),
            second: Instant::now(),
            shown: 0,
            skipped: 0,
        }
    }

    /// Trace `id` has `spans` spans now.
    fn changed(&mut self, id: TraceId, spans: usize, now: Instant) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            if waiting.spans != spans {
                *waiting = Waiting {
                    since: waiting.since,
                    changed: now,
                    spans,
                };
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

    /// Catches up with the store.
    fn look(&mut self, store: &Store, now: Instant) {
        for trace in store.latest(MISSED) {
            self.changed(trace.id, trace.spans.len(), now);
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
        let (mut live, start) = (Live::new(), Instant::now());
        assert!(live.is_idle());
        live.changed(id(1), 3, start);
        assert!(!live.is_idle());
        assert_eq!(live.due(start + 900 * MS), []);
        live.changed(id(1), 5, start + 900 * MS);
        assert_eq!(live.due(start + 1800 * MS), []);
        assert_eq!(live.due(start + 1900 * MS), [new(1)]);
        assert_eq!(live.due(start + 9000 * MS), []);
        assert!(live.is_idle());
    }

    #[test]
    fn late_spans_print_the_trace_again_as_updated_and_repeated_ones_do_not() {
        let (mut live, start) = (Live::new(), Instant::now());
        live.changed(id(1), 3, start);
        assert_eq!(live.due(start + 1000 * MS), [new(1)]);
        live.changed(id(1), 3, start + 1100 * MS);
        assert!(live.is_idle());
        live.changed(id(1), 5, start + 1200 * MS);
        assert_eq!(
            live.due(start + 2200 * MS),
            [Due::Trace {
                id: id(1),
                updated: true
            }]
        );
    }

    #[test]
    fn trace_that_is_never_quiet_is_printed_after_ten_seconds() {
        let (mut live, start) = (Live::new(), Instant::now());
        for spans in 0..100 {
            let now = start + 100 * MS * spans;
            live.changed(id(1), spans as usize, now);
            assert_eq!(live.due(now), [], "{spans}");
        }
        assert_eq!(live.due(start + 10_000 * MS), [new(1)]);
    }

    #[test]
    fn of_many_traces_five_a_second_are_printed_in_their_order_and_the_others_counted() {
        let (mut live, start) = (Live::new(), Instant::now());
        for number in 0..100 {
            live.changed(ids(number), 1, start + MS * number as u32);
        }
        let first: Vec<_> = (0..5)
            .map(|number| Due::Trace {
                id: ids(number),
                updated: false,
            })
            .collect();
        assert_eq!(live.due(start + 1200 * MS), first);
        assert_eq!(live.due(start + 1300 * MS), []);
        assert_eq!(live.due(start + 2200 * MS), [Due::More(95)]);
        assert!(live.is_idle());
        live.changed(ids(50), 2, start + 2300 * MS);
        assert!(
            live.is_idle(),
            "late spans of a trace that was only counted count nothing"
        );
    }

    #[test]
    fn at_the_end_what_waits_is_printed_at_once() {
        let (mut live, start) = (Live::new(), Instant::now());
        for number in 1..8 {
            live.changed(id(number), 1, start);
        }
        assert_eq!(
            live.last(),
            [new(1), new(2), new(3), new(4), new(5), Due::More(2)]
        );
        assert_eq!(live.last(), []);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let (mut live, start) = (Live::new(), Instant::now());
        for number in 0..20_000 {
            live.changed(ids(number), 1, start);
        }
        assert_eq!(live.waiting.len(), WAITING);
        let due = live.due(start + QUIET);
        assert_eq!(due.len(), TRACES_A_SECOND + 1);
        assert_eq!(due[0], Due::More(20_000 - WAITING));
        assert_eq!(
            live.due(start + QUIET * 2),
            [Due::More(WAITING - TRACES_A_SECOND)]
        );
        assert_eq!(
            (live.seen.spans.len(), live.seen.order.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert!(live.is_idle());
    }
}
