//! The store: what has arrived, and who is told of it.
//!
//! Every method takes the one lock briefly, and none waits for a reader.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use tokio::{sync::broadcast, time::timeout};

use crate::{
    contents::{Contents, Entry, LatestMetrics},
    id::{SpanId, TraceId},
    log::LogRecord,
    search::{Operation, Query},
    span::Span,
    trace::Trace,
};

/// Changes that a reader may be behind before it loses some.
const CHANGES: usize = 1024;

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
    contents: Mutex<Contents>,
    changes: broadcast::Sender<Change>,
}

impl Store {
    /// A store that holds at most `bytes`, as it estimates them, of everything together.
    pub fn new(bytes: usize) -> Self {
        Self {
            contents: Mutex::new(Contents::new(bytes)),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    /// Adds spans, each to its trace; one that is there already (same trace, same id) is left as it was.
    /// Returns how many were refused because each alone is larger than the store.
    pub fn insert_spans(&self, spans: Vec<Span>) -> usize {
        let (refused, changed, evicted) = {
            let mut contents = self.lock();
            let (refused, ids) = contents.insert_spans(spans);
            let evicted = contents.make_room();
            let changed: Vec<_> = ids
                .into_iter()
                .filter_map(|id| Some((id, contents.traces.get(&id)?.spans.len())))
                .collect();
            (refused, changed, evicted)
        };
        drop(evicted); // frees memory after the lock, not under it
        for (id, spans) in changed {
            self.announce(Change::Trace { id, spans });
        }
        refused
    }

    /// Adds log records. Returns how many were refused because each alone is larger than the room for logs.
    pub fn insert_logs(&self, logs: Vec<LogRecord>) -> usize {
        let all = logs.len();
        let (refused, evicted) = {
            let mut contents = self.lock();
            (contents.insert_logs(logs), contents.make_room())
        };
        drop(evicted);
        if refused < all {
            self.announce(Change::Logs);
        }
        refused
    }

    /// Keeps metrics in the place of the last ones of the same resource. `false`: refused, larger than the room for metrics.
    pub fn insert_metrics(&self, metrics: &ResourceMetrics) -> bool {
        let latest = LatestMetrics::new(metrics);
        let (kept, evicted) = {
            let mut contents = self.lock();
            (contents.insert_metrics(latest), contents.make_room())
        };
        drop(evicted);
        if kept {
            self.announce(Change::Metrics);
        }
        kept
    }

    /// The trace `id`, as far as it has arrived and is still there.
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        let spans = self.lock().traces.get(&id).map(Entry::spans)?;
        Some(Trace::new(id, spans))
    }

    /// At most `limit` traces, the one that began to arrive last first.
    pub fn latest(&self, limit: usize) -> Vec<Trace> {
        self.latest_where(limit, |_, _| true)
    }

    /// Like [`latest`](Self::latest), of those in which the service took part.
    pub fn latest_of(&self, service: &str, limit: usize) -> Vec<Trace> {
        let mut resources: Option<HashSet<usize>> = None;
        self.latest_where(limit, |contents, entry| {
            let resources = resources.get_or_insert_with(|| {
                let of_service = contents
                    .resources
                    .iter()
                    .filter(|resource| resource.service() == service);
                of_service
                    .map(|resource| Arc::as_ptr(resource).addr())
                    .collect()
            });
            !resources.is_empty()
                && entry
                    .spans
                    .values()
                    .any(|span| resources.contains(&Arc::as_ptr(&span.resource).addr()))
        })
    }

    fn latest_where(
        &self,
        limit: usize,
        mut wanted: impl FnMut(&Contents, &Entry) -> bool,
    ) -> Vec<Trace> {
        let found: Vec<_> = {
            let contents = self.lock();
            let newest_first = contents
                .order
                .iter()
                .rev()
                .filter_map(|id| Some((*id, contents.traces.get(id)?)));
            newest_first
                .filter(|(_, entry)| wanted(&contents, entry))
                .take(limit)
                .map(|(id, entry)| (id, entry.spans()))
                .collect()
        };
        found
            .into_iter()
            .map(|(id, spans)| Trace::new(id, spans))
            .collect()
    }

    /// The traces that `query` looks for, the one that began to arrive last first.
    pub fn search(&self, query: &Query) -> Vec<Trace> {
        self.latest(usize::MAX)
            .into_iter()
            .filter(|trace| query.matches(trace))
            .take(query.limit)
            .collect()
    }

    /// Names of the services of which spans are kept, sorted.
    pub fn services(&self) -> Vec<String> {
        let names: BTreeSet<_> = self
            .latest(usize::MAX)
            .iter()
            .flat_map(|trace| &trace.spans)
            .map(|span| span.service().to_owned())
            .collect();
        names.into_iter().collect()
    }

    /// Names and roles that spans of `service` have, each pair once, sorted.
    pub fn operations(&self, service: &str) -> Vec<Operation> {
        let operations: BTreeSet<_> = self
            .latest_of(service, usize::MAX)
            .iter()
            .flat_map(|trace| &trace.spans)
            .filter(|span| span.service() == service)
            .map(|span| Operation {
                name: span.name.clone(),
                kind: span.kind,
            })
            .collect();
        operations.into_iter().collect()
    }

    /// The log records kept, oldest arrival first.
    pub fn logs(&self) -> Vec<Arc<LogRecord>> {
        self.lock().logs.iter().cloned().collect()
    }

    /// The log records kept that were made in the trace, or in one span of it, oldest arrival first.
    pub fn logs_of(&self, trace: TraceId, span: Option<SpanId>) -> Vec<Arc<LogRecord>> {
        self.lock()
            .logs
            .iter()
            .filter(|log| log.trace_id == Some(trace))
            .filter(|log| span.is_none() || log.span_id == span)
            .cloned()
            .collect()
    }

    /// The last metrics that each resource sent in one request, at most of the last 64 resources; the last sent is last.
    pub fn metrics(&self) -> Vec<ResourceMetrics> {
        let encoded: Vec<_> = self
            .lock()
            .metrics
            .iter()
            .map(|latest| latest.encoded.clone())
            .collect();
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

    /// Estimated memory held, of everything together; never above the bound when the lock is free.
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
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
            store
                .latest_where(usize::MAX, |_, entry| entry.spans.len() >= spans)
                .pop()
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
