//! The store: what has arrived, and who is told of it.
//!
//! Every method takes the one lock briefly, and none waits for a reader.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use tokio::{sync::broadcast, time::timeout};

use crate::{
    contents::Contents,
    finder::Finder,
    id::{SpanId, TraceId},
    log::LogRecord,
    metrics::Latest,
    search::{Operation, Query},
    size::shared,
    span::Span,
    trace::Trace,
};

/// Changes that a reader may be behind before it loses some.
const CHANGES: usize = 1024;

/// Spans that are written or read under the lock before others have their turn.
const AT_ONCE: usize = 512;

/// Something in the store is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Spans of a trace have arrived.
    Trace {
        /// Which.
        id: TraceId,
        /// Spans it has now.
        spans: usize,
    },
    /// Log records have arrived.
    Logs,
    /// Metrics have arrived.
    Metrics,
}

/// A bounded store of traces, and of a little of logs and metrics, for one person's screen and for tests.
pub struct Store {
    limit: usize,
    contents: Mutex<Contents>,
    changes: broadcast::Sender<Change>,
}

impl Store {
    /// A store that holds at most `bytes`, as it estimates them, of everything together.
    pub fn new(bytes: usize) -> Self {
        Self {
            limit: bytes,
            contents: Mutex::new(Contents::new(bytes)),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    /// Adds spans, each to its trace; one that is there already (same trace, same id) is left as it was.
    /// Returns how many were refused because each alone is larger than the store.
    pub fn insert_spans(&self, mut spans: Vec<Span>) -> usize {
        let all = spans.len();
        spans.retain(|span| {
            shared(span) + shared(&*span.resource) + shared(&*span.scope) <= self.limit
        });
        for spans in spans.chunks(AT_ONCE) {
            let mut contents = self.lock();
            let (changed, evicted) = contents.insert_spans(spans);
            for number in changed {
                if let Some(trace) = contents.traces.get(number) {
                    self.announce(Change::Trace {
                        id: trace.id,
                        spans: trace.spans.len(),
                    });
                }
            }
            drop(contents);
            drop(evicted); // frees memory after the lock, not under it
        }
        all - spans.len()
    }

    /// Adds log records. Returns how many were refused because each alone is larger than the room for logs.
    pub fn insert_logs(&self, mut records: Vec<LogRecord>) -> usize {
        let all = records.len();
        records.retain(|log| {
            shared(log) + shared(&*log.resource) + shared(&*log.scope) <= self.limit / 8
        });
        let refused = all - records.len();
        if !records.is_empty() {
            let mut contents = self.lock();
            let evicted = contents.insert_logs(records);
            self.announce(Change::Logs);
            drop(contents);
            drop(evicted);
        }
        refused
    }

    /// Keeps metrics in the place of the last ones of the same resource. `false`: refused, larger than the room for metrics.
    pub fn insert_metrics(&self, metrics: &ResourceMetrics) -> bool {
        let latest = Latest::new(metrics);
        if latest.bytes() > self.limit / 8 {
            return false;
        }
        let mut contents = self.lock();
        let evicted = contents.insert_metrics(latest);
        self.announce(Change::Metrics);
        drop(contents);
        drop(evicted);
        true
    }

    /// The trace `id`, as far as it has arrived and is still there.
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        let number = self.lock().traces.number(id)?;
        let mut spans = Vec::new();
        loop {
            let contents = self.lock();
            let records = &contents.traces.get(number)?.spans;
            let more = records.iter().skip(spans.len()).take(AT_ONCE);
            spans.extend(more.map(|record| Arc::new(record.span(id, &contents.tables))));
            if spans.len() >= records.len() {
                break;
            }
        }
        Some(Trace::new(id, spans))
    }

    /// Ids of the traces, the one that began to arrive first first.
    pub(crate) fn ids(&self) -> Vec<TraceId> {
        self.lock().traces.iter().map(|trace| trace.id).collect()
    }

    /// At most `limit` traces, the one that began to arrive last first.
    pub fn latest(&self, limit: usize) -> Vec<Trace> {
        self.search(&Query {
            limit,
            ..Query::default()
        })
    }

    /// Like [`latest`](Self::latest), of those in which the service took part.
    pub fn latest_of(&self, service: &str, limit: usize) -> Vec<Trace> {
        self.search(&Query {
            service: Some(service.to_owned()),
            limit,
            ..Query::default()
        })
    }

    /// The traces that `query` looks for, the one that began to arrive last first.
    ///
    /// Quick if it names a service or looks for what most traces have; to find that no trace has some attribute or text, all
    /// of them are looked into, which takes the calling thread some tens of milliseconds and keeps others waiting only
    /// for moments.
    pub fn search(&self, query: &Query) -> Vec<Trace> {
        self.matching(query).collect()
    }

    /// Like [`search`](Self::search), each when it is asked for: all together they may take several times the memory that
    /// the store does.
    pub fn matching(&self, query: &Query) -> impl Iterator<Item = Trace> {
        let mut finder = Finder::new(query);
        let steps = std::iter::from_fn(move || finder.step(&self.lock()));
        let traces = steps.flatten().filter_map(|id| self.trace(id));
        traces.take(query.limit)
    }

    /// Names of the services of which spans are kept, sorted.
    pub fn services(&self) -> Vec<String> {
        let contents = self.lock();
        let services = contents.traces.index.services();
        let mut names: Vec<_> = services
            .map(|service| contents.tables.text(service).to_owned())
            .collect();
        drop(contents);
        names.sort();
        names
    }

    /// Names and roles that spans of `service` have, each pair once, sorted.
    pub fn operations(&self, service: &str) -> Vec<Operation> {
        let contents = self.lock();
        let Some(service) = contents.tables.strings.find(service) else {
            return Vec::new();
        };
        let operations = contents.traces.index.operations(service);
        let mut operations: Vec<_> = operations
            .map(|(name, kind)| Operation {
                name: contents.tables.text(name).to_owned(),
                kind,
            })
            .collect();
        drop(contents);
        operations.sort();
        operations
    }

    /// The log records kept, oldest arrival first.
    pub fn logs(&self) -> Vec<Arc<LogRecord>> {
        self.lock().logs.iter().cloned().collect()
    }

    /// The log records kept that were made in the trace, or in one span of it, oldest arrival first.
    pub fn logs_of(&self, trace: TraceId, span: Option<SpanId>) -> Vec<Arc<LogRecord>> {
        self.lock().logs.of(trace, span)
    }

    /// The last metrics that each resource sent in one request, at most of the last 64 resources; the last sent is last.
    pub fn metrics(&self) -> Vec<ResourceMetrics> {
        let contents = self.lock();
        let latest = contents.metrics.iter();
        let encoded: Vec<_> = latest.map(|latest| latest.encoded.clone()).collect();
        drop(contents);
        encoded
            .iter()
            .filter_map(|bytes| ResourceMetrics::decode(bytes.as_slice()).ok())
            .collect()
    }

    /// Traces kept.
    pub fn len(&self) -> usize {
        self.lock().traces.len()
    }

    /// Whether there is no trace.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Spans kept, of all traces.
    pub fn span_count(&self) -> usize {
        self.lock().traces.spans()
    }

    /// Estimated memory held, of everything together; never above [`limit`](Self::limit) when the lock is free.
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// The bound, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Changes from now on. A reader that falls more than 1024 behind is told how many it missed
    /// ([`RecvError::Lagged`](broadcast::error::RecvError::Lagged)) and can look at the store anew; nobody waits for it.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Waits until `look` finds what it looks for; it is asked at once, and again after changes.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `limit`; its text says what the store holds instead.
    pub async fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let found = timeout(limit, async {
            let mut changes = self.subscribe();
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                // Closed cannot be, the sender is `self`; having missed some is as good as one.
                let _ = changes.recv().await;
                changes = changes.resubscribe(); // one look for all changes so far
            }
        });
        found.await.map_err(|_| TimedOut {
            limit,
            contents: self.summary(),
        })
    }

    /// Waits for a trace with at least `spans` spans; the oldest, if there are several.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `limit`.
    pub async fn wait_for_trace(&self, spans: usize, limit: Duration) -> Result<Trace, TimedOut> {
        self.wait_for(limit, |store| {
            let contents = store.lock();
            let id = contents
                .traces
                .iter()
                .find(|trace| trace.spans.len() >= spans)?
                .id;
            drop(contents);
            store.trace(id)
        })
        .await
    }

    fn summary(&self) -> String {
        let traces = self.latest(8).into_iter().map(|trace| {
            let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_str()).collect();
            format!(
                "\n  {} ({} spans: {})",
                trace.id,
                names.len(),
                names.join(", ")
            )
        });
        let contents = self.lock();
        let (logs, metrics) = (contents.logs.len(), contents.metrics.len());
        drop(contents);
        format!(
            "{} traces, {logs} log records, metrics of {metrics} resources{}",
            self.len(),
            traces.collect::<String>()
        )
    }

    fn announce(&self, change: Change) {
        let _ = self.changes.send(change); // an error says that nobody listens
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // A panic under the lock would be a bug, yet no reason to lose what has arrived.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("traces", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// What was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("not there after {limit:?}; the store holds {contents}")]
pub struct TimedOut {
    limit: Duration,
    contents: String,
}
