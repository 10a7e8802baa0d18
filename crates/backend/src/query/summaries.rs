//! What a list of traces shows of each: Jaeger's `TraceSummary`.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};

use crate::{
    attributes::as_text, id::TraceId, search::Query, span::Span, store::Store, trace::Trace,
};

/// `FindTraceSummariesResponse`: the summaries of the traces that `query` finds, looked for while they are written.
pub(crate) struct Summaries {
    pub(crate) store: Arc<Store>,
    pub(crate) query: Query,
}

impl Serialize for Summaries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut response = serializer.serialize_struct("FindTraceSummariesResponse", 1)?;
        response.serialize_field("summaries", &Each(self))?;
        response.end()
    }
}

struct Each<'a>(&'a Summaries);

impl Serialize for Each<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for trace in self.0.store.matching(&self.0.query) {
            all.serialize_element(&Summary::of(&trace))?;
        }
        all.end()
    }
}

/// The whole trace in figures; times are nanoseconds since 1970.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    trace_id: TraceId,
    root_service_name: &'a str,
    root_operation_name: &'a str,
    #[serde(serialize_with = "as_text")]
    min_start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    max_end_time_unix_nano: u64,
    span_count: usize,
    error_span_count: usize,
    /// Spans whose parent is not in the trace.
    orphan_span_count: usize,
    services: Vec<ServiceSummary<'a>>,
}

/// What one service has of a trace.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSummary<'a> {
    name: &'a str,
    span_count: usize,
    error_span_count: usize,
}

impl<'a> Summary<'a> {
    fn of(trace: &'a Trace) -> Self {
        let root = trace.root();
        let ids: HashSet<_> = trace.spans.iter().map(|span| span.span_id).collect();
        let is_orphan = |span: &Span| {
            span.parent_span_id
                .is_some_and(|parent| !ids.contains(&parent))
        };
        let mut services = BTreeMap::new();
        for span in &trace.spans {
            let (spans, errors) = services.entry(span.service()).or_insert((0, 0));
            *spans += 1;
            *errors += usize::from(span.is_error());
        }
        let start = trace.start_unix_nanos();
        let ends = trace.spans.iter().map(|span| span.end_unix_nanos);
        Self {
            trace_id: trace.id,
            root_service_name: root.map_or("", |root| root.service()),
            root_operation_name: root.map_or("", |root| &root.name),
            min_start_time_unix_nano: start,
            // A page shows the difference: it must not be negative.
            max_end_time_unix_nano: ends.max().unwrap_or(start).max(start),
            span_count: trace.spans.len(),
            error_span_count: trace.spans.iter().filter(|span| span.is_error()).count(),
            orphan_span_count: trace.spans.iter().filter(|span| is_orphan(span)).count(),
            services: services
                .into_iter()
                .map(|(name, (span_count, error_span_count))| ServiceSummary {
                    name,
                    span_count,
                    error_span_count,
                })
                .collect(),
        }
    }
}
