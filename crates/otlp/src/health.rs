//! The health of each pipeline: how many items were exported, lost, and are still queued.
//!
//! Everything is counted at one place on each side of a queue: [`Health::admit`] before it, [`Health::take`] behind it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use crate::attempt::{Extent, Failure};
use crate::{Item, Loss, Reason, budget};

/// The minimum time between two lines about failed exports, so that a collector that is down does not flood the log.
const QUIET: Duration = Duration::from_secs(10);

/// One queue, if there is one, and the exporter behind it.
#[derive(Debug)]
pub struct Health {
    pub(crate) item: Item,
    /// How many items the queue holds at most; none for metrics, which are collected, not queued.
    pub(crate) capacity: Option<usize>,
    pub(crate) exporter: Vec<KeyValue>,
    /// Spans that have started and not ended.
    open: AtomicUsize,
    pub(crate) queued: AtomicUsize,
    pub(crate) processed: AtomicU64,
    /// Dropped, because the queue had as many items as it may.
    queue_full: AtomicU64,
    /// Dropped, because the items of the queue had as many bytes as they may.
    room_full: AtomicU64,
    pub(crate) inflight: AtomicU64,
    pub(crate) exported: AtomicU64,
    /// Requests lock this only when they lose spans, and do not wait for it.
    drops: Mutex<Told>,
    failures: Mutex<Failures>,
    /// When the last line about a receiver's warning was written.
    warnings: Mutex<Told>,
    last_failure: LastFailure,
}

/// Why the last attempt failed, and whether what is under way may have arrived. The exporter sets it while an export is
/// still under way.
pub(crate) type LastFailure = Arc<Mutex<Option<Failure>>>;

#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Items lost, by `error.type`.
    pub(crate) lost: BTreeMap<Cow<'static, str>, u64>,
    /// Those of them that may have arrived.
    unconfirmed: u64,
    last: Option<String>,
    told: Told,
}

/// Limits log lines about one kind of loss: when the last one was written, and how many items were lost since.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    untold: u64,
}

impl Told {
    /// Adds `count`. Returns the number of losses since the last line, once another line is due.
    fn lost(&mut self, count: u64) -> Option<u64> {
        self.untold += count;
        if self.at.is_some_and(|at| at.elapsed() < QUIET) {
            return None;
        }
        self.at = Some(Instant::now());
        Some(std::mem::take(&mut self.untold))
    }
}

impl Health {
    /// `exporter` is the exporter's `otel.component.type`; `server` its `server.address` and `server.port`; `last_failure`
    /// is where it says why an attempt failed.
    pub(crate) fn new(
        item: Item,
        capacity: Option<usize>,
        exporter: &'static str,
        server: Option<(String, u16)>,
        last_failure: LastFailure,
    ) -> Arc<Self> {
        let mut attributes = component(exporter);
        if let Some((address, port)) = server {
            attributes.push(KeyValue::new("server.address", address));
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        Arc::new(Self {
            item,
            capacity,
            exporter: attributes,
            open: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            processed: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            room_full: AtomicU64::new(0),
            inflight: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            drops: Mutex::default(),
            failures: Mutex::default(),
            warnings: Mutex::default(),
            last_failure,
        })
    }

    /// A span has started.
    pub(crate) fn started(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A span has ended.
    pub(crate) fn ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the queue has room for one more item; if not, that item counts as dropped. The caller then enqueues it.
    ///
    /// Items that the export thread has taken out of the buffers count until they are part of a request.
    pub(crate) fn admit(&self) -> bool {
        let capacity = self.capacity.unwrap_or(usize::MAX);
        if self.queued.fetch_add(1, Ordering::Relaxed) < capacity {
            return true;
        }
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.queue_full.fetch_add(1, Ordering::Relaxed);
        self.tell_drop(|| format!("queue of {capacity} is"));
        false
    }

    /// An item came after the end: it waits in no buffer, but counts as not flushed. No queue was full.
    pub(crate) fn late(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// An item that was admitted is dropped, because the queue has no room for its bytes.
    pub(crate) fn retract(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.room_full.fetch_add(1, Ordering::Relaxed);
        self.tell_drop(|| format!("queue's {} MiB are", self.room() >> 20));
    }

    /// How many bytes the queue holds at most.
    fn room(&self) -> usize {
        budget::room(self.capacity.unwrap_or_default())
    }

    /// Skips if another thread is already logging, because this runs on the request path.
    fn tell_drop(&self, bound: impl FnOnce() -> String) {
        let lost = self
            .drops
            .try_lock()
            .ok()
            .and_then(|mut drops| drops.lost(1));
        if let Some(lost) = lost {
            let what = self.item.plural();
            let bound = bound();
            let last = self.failures().last.clone();
            let reason = last
                .as_deref()
                .unwrap_or("the receiver is slower than they come");
            tracing::warn!(
                lost,
                "{what} are dropped, because the {bound} full: {reason}"
            );
        }
    }

    /// How many items are in the queue.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// How many items were dropped before the queue.
    pub(crate) fn dropped(&self) -> u64 {
        self.queue_full.load(Ordering::Relaxed) + self.room_full.load(Ordering::Relaxed)
    }

    /// `count` items leave the queue for the exporter.
    pub(crate) fn take(&self, count: usize) {
        if self.capacity.is_some() {
            self.queued.fetch_sub(count, Ordering::Relaxed);
        }
        self.processed.fetch_add(count as u64, Ordering::Relaxed);
        self.inflight.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The export of `count` items has ended. Returns the result for the SDK: a warning is not a failure.
    pub(crate) fn exported(&self, count: usize, result: Result<(), Failure>) -> OTelSdkResult {
        self.inflight.fetch_sub(count as u64, Ordering::Relaxed);
        match result {
            Ok(()) => {
                self.exported.fetch_add(count as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(failure) => {
                let count = count as u64;
                let lost = match failure.extent {
                    Extent::Items(items) => items.min(count),
                    _ => count,
                };
                self.exported.fetch_add(count - lost, Ordering::Relaxed);
                if failure.extent == Extent::Items(0) {
                    self.warned(&failure.words);
                    return Ok(());
                }
                let words = failure.words.clone();
                self.failed(lost, failure);
                Err(OTelSdkError::InternalFailure(words))
            }
        }
    }

    /// Logs the message of a receiver that took everything.
    fn warned(&self, words: &str) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = warnings.lost(1).is_some();
        drop(warnings);
        if is_due {
            tracing::warn!("{} were exported, but {words}", self.item.plural());
        }
    }

    fn failed(&self, count: u64, failure: Failure) {
        let may_have_arrived = failure.extent == Extent::Unanswered;
        let mut failures = self.failures();
        *failures.lost.entry(failure.kind).or_default() += count;
        if may_have_arrived {
            failures.unconfirmed += count;
        }
        failures.last = Some(failure.words.clone());
        let lost = failures.told.lost(count);
        drop(failures);
        if let Some(lost) = lost {
            let what = self.item.plural();
            let fate = match may_have_arrived {
                true => "may not have arrived",
                false => "were not exported",
            };
            tracing::warn!(lost, "{what} {fate}: {}", failure.words);
        }
    }

    /// What was lost since the start, one entry a reason. Counts what is still queued or on its way as not flushed.
    pub fn losses(&self) -> Vec<Loss> {
        let mut losses = Vec::new();
        let mut lost = |count, reason| {
            if count > 0 {
                losses.push(Loss {
                    item: self.item,
                    count,
                    reason,
                });
            }
        };
        let capacity = self.capacity.unwrap_or_default();
        let dropped = self.queue_full.load(Ordering::Relaxed);
        lost(dropped, Reason::QueueFull { capacity });
        let dropped = self.room_full.load(Ordering::Relaxed);
        let bytes = self.room();
        lost(dropped, Reason::RoomFull { bytes });
        let failures = self.failures();
        let last = failures.last.clone();
        let all: u64 = failures.lost.values().sum();
        let unconfirmed = failures.unconfirmed;
        drop(failures);
        lost(
            all - unconfirmed,
            Reason::NotExported { last: last.clone() },
        );
        lost(unconfirmed, Reason::Unconfirmed { last });
        if self.capacity.is_some() {
            let queued = self.queued.load(Ordering::Relaxed) as u64;
            let inflight = self.inflight.load(Ordering::Relaxed);
            let last = self.last_failure.lock();
            let last = last.unwrap_or_else(PoisonError::into_inner).clone();
            // What is under way is neither answered nor known to be lost, unless the last attempt failed.
            let is_sent = last
                .as_ref()
                .is_none_or(|last| last.extent == Extent::Unanswered);
            let last = last.map(|failure| failure.words);
            let (unsent, sent) = match is_sent {
                true => (queued, inflight),
                false => (queued + inflight, 0),
            };
            lost(unsent, Reason::NotFlushed { last: last.clone() });
            lost(sent, Reason::Unconfirmed { last });
        }
        losses
    }

    /// Spans that have started and not ended, as a loss: nothing exports them any more. None if there are none.
    pub fn open_spans(&self) -> Option<Loss> {
        let count = self.open.load(Ordering::Relaxed) as u64;
        (count > 0).then_some(Loss {
            item: Item::Span,
            count,
            reason: Reason::NotEnded,
        })
    }

    /// What the pipeline carries.
    pub fn item(&self) -> Item {
        self.item
    }

    /// The exporter's `otel.component.type`.
    pub fn exporter(&self) -> String {
        let kind = self.exporter.first();
        kind.map(|kind| kind.value.to_string()).unwrap_or_default()
    }

    pub(crate) fn failures(&self) -> MutexGuard<'_, Failures> {
        // Counters stay true when a thread panicked between two of them.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn component(kind: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("otel.component.type", kind),
        // One of each kind a `Telemetry`.
        KeyValue::new("otel.component.name", format!("{kind}/0")),
    ]
}
