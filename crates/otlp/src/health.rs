//! The health of each pipeline: how many items were exported, lost, and are still queued.
//!
//! The SDK counts drops too, but by the process's global meter only, and exports not at all. So everything is counted
//! here, at one place on each side of the SDK's queue: [`Health::admit`] before it, [`Health::take`] behind it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use crate::attempt::Failure;
use crate::{Item, Loss, Reason};

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
    pub(crate) dropped: AtomicU64,
    pub(crate) inflight: AtomicU64,
    pub(crate) exported: AtomicU64,
    /// Requests lock this only when they lose spans, and do not wait for it.
    drops: Mutex<Told>,
    failures: Mutex<Failures>,
    /// When the last line about a receiver's warning was written.
    warnings: Mutex<Told>,
    last_words: LastWords,
}

/// Why the last attempt failed. The exporter sets it while an export is still under way.
pub(crate) type LastWords = Arc<Mutex<Option<String>>>;

#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Items lost, by `error.type`.
    pub(crate) lost: BTreeMap<Cow<'static, str>, u64>,
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
    /// `exporter` is the exporter's `otel.component.type`; `server` its `server.address` and `server.port`; `last_words`
    /// is where it says why an attempt failed.
    pub(crate) fn new(
        item: Item,
        capacity: Option<usize>,
        exporter: &'static str,
        server: Option<(String, u16)>,
        last_words: LastWords,
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
            dropped: AtomicU64::new(0),
            inflight: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            drops: Mutex::default(),
            failures: Mutex::default(),
            warnings: Mutex::default(),
            last_words,
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
    /// The count includes items that the SDK has already taken off its queue but not yet handed to the exporter, so
    /// that queue always has room for an item admitted here.
    pub(crate) fn admit(&self) -> bool {
        let capacity = self.capacity.unwrap_or(usize::MAX);
        if self.queued.fetch_add(1, Ordering::Relaxed) < capacity {
            return true;
        }
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.refuse();
        false
    }

    /// An item is dropped before the queue, for want of room.
    pub(crate) fn refuse(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.tell_drop();
    }

    /// Skips if another thread is already logging, because this runs on the request path.
    fn tell_drop(&self) {
        let lost = self
            .drops
            .try_lock()
            .ok()
            .and_then(|mut drops| drops.lost(1));
        if let Some(lost) = lost {
            let what = self.item.plural();
            let queue = self.capacity.unwrap_or_default();
            let last = self.failures().last.clone();
            let reason = last
                .as_deref()
                .unwrap_or("the receiver is slower than they come");
            tracing::warn!(
                lost,
                "{what} are dropped, because the queue of {queue} is full: {reason}"
            );
        }
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
                let lost = failure.items.map_or(count, |items| items.min(count));
                self.exported.fetch_add(count - lost, Ordering::Relaxed);
                if failure.is_warning() {
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
        let mut failures = self.failures();
        *failures.lost.entry(failure.kind).or_default() += count;
        failures.last = Some(failure.words.clone());
        let lost = failures.told.lost(count);
        drop(failures);
        if let Some(lost) = lost {
            let what = self.item.plural();
            tracing::warn!(lost, "{what} were not exported: {}", failure.words);
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
        let dropped = self.dropped.load(Ordering::Relaxed);
        lost(dropped, Reason::QueueFull { capacity });
        let failures = self.failures();
        let last = failures.last.clone();
        lost(failures.lost.values().sum(), Reason::NotExported { last });
        drop(failures);
        if self.capacity.is_some() {
            let held =
                self.queued.load(Ordering::Relaxed) as u64 + self.inflight.load(Ordering::Relaxed);
            let last = self.last_words.lock();
            let last = last.unwrap_or_else(PoisonError::into_inner).clone();
            lost(held, Reason::NotFlushed { last });
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
