//! What the store holds, within its bound.
//!
//! Estimated bytes decide what stays: when there are too many, the oldest trace goes, whole. Logs have an eighth of the
//! room at most, metrics another.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, btree_map},
    sync::Arc,
};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;

use crate::{
    id::{SpanId, TraceId},
    interner::Interner,
    log::LogRecord,
    resource::{Resource, Scope},
    size::{allocation, shared},
    span::Span,
};

/// Resources whose metrics are kept.
const METRICS: usize = 64;

/// What the maps hold for one trace, and for one span of it, above the span itself.
const TRACE_ENTRY: usize = 400;
const SPAN_ENTRY: usize = 40;
const LOG_ENTRY: usize = 2 * size_of::<Arc<LogRecord>>();

pub(crate) struct Contents {
    limit: usize,
    pub(crate) traces: HashMap<TraceId, Entry>,
    pub(crate) order: VecDeque<TraceId>, // of arrival, oldest first
    trace_bytes: usize,
    pub(crate) logs: VecDeque<Arc<LogRecord>>,
    log_bytes: usize,
    pub(crate) metrics: VecDeque<LatestMetrics>, // the one last sent is last
    metric_bytes: usize,
    pub(crate) resources: Interner<Resource>,
    scopes: Interner<Scope>,
}

#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) spans: BTreeMap<SpanId, Arc<Span>>,
    bytes: usize,
}

/// Encoded, since that is smaller and its size is known.
pub(crate) struct LatestMetrics {
    resource: Vec<u8>,
    pub(crate) encoded: Vec<u8>,
}

impl LatestMetrics {
    pub(crate) fn new(metrics: &ResourceMetrics) -> Self {
        let resource = metrics.resource.as_ref();
        Self {
            resource: resource.map(Message::encode_to_vec).unwrap_or_default(),
            encoded: metrics.encode_to_vec(),
        }
    }

    fn bytes(&self) -> usize {
        2 * size_of::<Self>() + allocation(self.resource.len()) + allocation(self.encoded.len())
    }
}

impl Entry {
    pub(crate) fn spans(&self) -> Vec<Arc<Span>> {
        self.spans.values().cloned().collect()
    }
}

impl Contents {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            traces: HashMap::new(),
            order: VecDeque::new(),
            trace_bytes: 0,
            logs: VecDeque::new(),
            log_bytes: 0,
            metrics: VecDeque::new(),
            metric_bytes: 0,
            resources: Interner::new(),
            scopes: Interner::new(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.trace_bytes
            + self.log_bytes
            + self.metric_bytes
            + self.resources.bytes()
            + self.scopes.bytes()
    }

    /// How many were refused, and the traces that have grown, each once, in the order of their spans.
    pub(crate) fn insert_spans(&mut self, spans: Vec<Span>) -> (usize, Vec<TraceId>) {
        let mut refused = 0;
        let mut changed = Vec::new();
        let mut seen = HashSet::new();
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
            if seen.insert(id) {
                changed.push(id);
            }
        }
        (refused, changed)
    }

    pub(crate) fn insert_logs(&mut self, logs: Vec<LogRecord>) -> usize {
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

    pub(crate) fn insert_metrics(&mut self, latest: LatestMetrics) -> bool {
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
    pub(crate) fn make_room(&mut self) -> (Vec<Entry>, Vec<Arc<LogRecord>>) {
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
