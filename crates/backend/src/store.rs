//! What has arrived, in memory, within a bound.
//!
//! Estimated bytes decide what stays: when there are too many, the oldest trace goes, whole. Logs have an eighth of the
//! room at most, metrics another. Every method takes the one lock briefly, and none waits for a reader.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, btree_map},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use tokio::{sync::broadcast, time::timeout};

use crate::{
    id::{SpanId, TraceId},
    interner::Interner,
    log::LogRecord,
    resource::{Resource, Scope},
    size::{allocation, shared},
    span::Span,
    trace::Trace,
};

/// Changes that a reader may be behind before it loses some.
const CHANGES: usize = 1024;

/// Resources whose metrics are kept.
const METRICS: usize = 64;

/// What the maps hold for one trace, and for one span of it, above the span itself.
const TRACE_ENTRY: usize = 400;
const SPAN_ENTRY: usize = 40;
const LOG_ENTRY: usize = 2 * size_of::<Arc<LogRecord>>();

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

struct Contents {
    limit: usize,
    traces: HashMap<TraceId, Entry>,
    order: VecDeque<TraceId>, // of arrival, oldest first
    trace_bytes: usize,
    logs: VecDeque<Arc<LogRecord>>,
    log_bytes: usize,
    metrics: VecDeque<LatestMetrics>, // the one last sent is last
    metric_bytes: usize,
    resources: Interner<Resource>,
    scopes: Interner<Scope>,
}

#[derive(Default)]
struct Entry {
    spans: BTreeMap<SpanId, Arc<Span>>,
    bytes: usize,
}

/// Encoded, since that is smaller and its size is known.
struct LatestMetrics {
    resource: Vec<u8>,
    encoded: Vec<u8>,
}

impl LatestMetrics {
    fn bytes(&self) -> usize {
        2 * size_of::<Self>() + allocation(self.resource.len()) + allocation(self.encoded.len())
    }
}

impl Store {
    /// A store that holds at most `bytes`, as it estimates them, of everything together.
    pub fn new(bytes: usize) -> Self {
        let contents = Contents {
            limit: bytes,
            traces: HashMap::new(),
            order: VecDeque::new(),
            trace_bytes: 0,
            logs: VecDeque::new(),
            log_bytes: 0,
            metrics: VecDeque::new(),
            metric_bytes: 0,
            resources: Interner::new(),
            scopes: Interner::new(),
        };
        Self {
            contents: Mutex::new(contents),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    /// Adds spans, each to its trace; one that is there already (same trace, same id) is left as it was.
    /// Returns how many were refused because each alone is larger than the store.
    pub fn insert_spans(&self, spans: Vec<Span>) -> usize {
        let mut changed = HashMap::new();
        let (refused, evicted) = {
            let mut contents = self.lock();
            let refused = contents.insert_spans(spans, &mut changed);
            let evicted = contents.make_room();
            changed.retain(|id, spans| match contents.traces.get(id) {
                Some(entry) => {
                    *spans = entry.spans.len();
                    true
                }
                None => false,
            });
            (refused, evicted)
        };
        drop(evicted); // frees memory after the lock, not under it
        for (id, spans) in changed {
            self.announce(Change::Trace { id, spans });
        }
        refused
    }

    /// Adds log records. Returns how many were refused because each alone is larger than the room for logs.
    pub fn insert_logs(&self, logs: Vec<LogRecord>) -> usize {
        let any = !logs.is_empty();
        let (refused, evicted) = {
            let mut contents = self.lock();
            (contents.insert_logs(logs), contents.make_room())
        };
        drop(evicted);
        if any {
            self.announce(Change::Logs);
        }
        refused
    }

    /// Keeps metrics in the place of the last ones of the same resource. `false`: refused, larger than the room for metrics.
    pub fn insert_metrics(&self, metrics: &ResourceMetrics) -> bool {
        let latest = LatestMetrics {
            resource: metrics
                .resource
                .as_ref()
                .map(Message::encode_to_vec)
                .unwrap_or_default(),
            encoded: metrics.encode_to_vec(),
        };
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

    /// The log records kept, oldest arrival first.
    pub fn logs(&self) -> Vec<Arc<LogRecord>> {
        self.lock().logs.iter().cloned().collect()
    }

    /// The log records kept that were made in the trace `id`, oldest arrival first.
    pub fn logs_of(&self, id: TraceId) -> Vec<Arc<LogRecord>> {
        self.lock()
            .logs
            .iter()
            .filter(|log| log.trace_id == Some(id))
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

impl Entry {
    fn spans(&self) -> Vec<Arc<Span>> {
        self.spans.values().cloned().collect()
    }
}

impl Contents {
    fn bytes(&self) -> usize {
        self.trace_bytes
            + self.log_bytes
            + self.metric_bytes
            + self.resources.bytes()
            + self.scopes.bytes()
    }

    fn insert_spans(&mut self, spans: Vec<Span>, changed: &mut HashMap<TraceId, usize>) -> usize {
        let mut refused = 0;
        let mut sharing: Option<Sharing> = None;
        for mut span in spans {
            let bytes = SPAN_ENTRY + shared(&span);
            let sharing = match &mut sharing {
                Some(sharing) if sharing.is_of(&span) => sharing,
                other => other.insert(Sharing::new(&span)),
            };
            if TRACE_ENTRY + bytes + sharing.bytes > self.limit {
                refused += 1;
                continue;
            }
            let id = span.trace_id;
            let entry = self.traces.entry(id).or_insert_with(|| {
                self.order.push_back(id);
                self.trace_bytes += TRACE_ENTRY;
                Entry {
                    bytes: TRACE_ENTRY,
                    ..Entry::default()
                }
            });
            let btree_map::Entry::Vacant(vacant) = entry.spans.entry(span.span_id) else {
                continue;
            };
            sharing.intern(&mut span, &mut self.resources, &mut self.scopes);
            vacant.insert(Arc::new(span));
            entry.bytes += bytes;
            self.trace_bytes += bytes;
            changed.insert(id, 0);
        }
        refused
    }

    fn insert_logs(&mut self, logs: Vec<LogRecord>) -> usize {
        let mut refused = 0;
        for mut log in logs {
            let bytes = LOG_ENTRY + shared(&log);
            if bytes + shared(&*log.resource) + shared(&*log.scope) > self.limit / 8 {
                refused += 1;
                continue;
            }
            log.resource = self.resources.intern(&log.resource);
            log.scope = self.scopes.intern(&log.scope);
            self.logs.push_back(Arc::new(log));
            self.log_bytes += bytes;
        }
        refused
    }

    fn insert_metrics(&mut self, latest: LatestMetrics) -> bool {
        if latest.bytes() > self.limit / 8 {
            return false;
        }
        if let Some(place) = self
            .metrics
            .iter()
            .position(|other| other.resource == latest.resource)
        {
            self.metric_bytes -= self.metrics.remove(place).map_or(0, |old| old.bytes());
        }
        self.metric_bytes += latest.bytes();
        self.metrics.push_back(latest);
        true
    }

    /// Brings everything within its bounds. Returns what had to go, to be freed outside of the lock.
    fn make_room(&mut self) -> (Vec<Entry>, Vec<Arc<LogRecord>>) {
        let mut gone = (Vec::new(), Vec::new());
        while self.metrics.len() > METRICS || self.metric_bytes > self.limit / 8 {
            self.metric_bytes -= self.metrics.pop_front().map_or(0, |oldest| oldest.bytes());
        }
        while self.log_bytes > self.limit / 8 {
            gone.1.extend(self.pop_log());
        }
        while self.bytes() > self.limit {
            if let Some(entry) = self.pop_trace() {
                gone.0.push(entry);
            } else if let Some(log) = self.pop_log() {
                gone.1.push(log);
            } else {
                break; // metrics alone hold an eighth at most
            }
        }
        gone
    }

    fn pop_trace(&mut self) -> Option<Entry> {
        let entry = self.traces.remove(&self.order.pop_front()?)?;
        for span in entry.spans.values() {
            self.resources.release(&span.resource);
            self.scopes.release(&span.scope);
        }
        self.trace_bytes -= entry.bytes;
        Some(entry)
    }

    fn pop_log(&mut self) -> Option<Arc<LogRecord>> {
        let log = self.logs.pop_front()?;
        self.resources.release(&log.resource);
        self.scopes.release(&log.scope);
        self.log_bytes -= LOG_ENTRY + shared(&*log);
        Some(log)
    }
}

/// Resource and scope of a span. Spans come in runs that share both, which then need not be looked up for each.
struct Sharing {
    sent: (Arc<Resource>, Arc<Scope>),
    interned: Option<(Arc<Resource>, Arc<Scope>)>,
    bytes: usize,
}

impl Sharing {
    fn new(span: &Span) -> Self {
        Self {
            sent: (span.resource.clone(), span.scope.clone()),
            interned: None,
            bytes: shared(&*span.resource) + shared(&*span.scope),
        }
    }

    fn is_of(&self, span: &Span) -> bool {
        Arc::ptr_eq(&self.sent.0, &span.resource) && Arc::ptr_eq(&self.sent.1, &span.scope)
    }

    fn intern(
        &mut self,
        span: &mut Span,
        resources: &mut Interner<Resource>,
        scopes: &mut Interner<Scope>,
    ) {
        let (resource, scope) = match &self.interned {
            Some((resource, scope)) => {
                resources.use_again(resource);
                scopes.use_again(scope);
                (resource.clone(), scope.clone())
            }
            None => {
                let interned = (resources.intern(&self.sent.0), scopes.intern(&self.sent.1));
                self.interned.insert(interned).clone()
            }
        };
        (span.resource, span.scope) = (resource, scope);
    }
}

/// What was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("not there after {limit:?}; the store holds {contents}")]
pub struct TimedOut {
    limit: Duration,
    contents: String,
}
