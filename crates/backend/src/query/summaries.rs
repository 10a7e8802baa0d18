//! What a list of traces shows of each: Jaeger's `TraceSummary`.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    model::{attributes::as_text, id::TraceId},
    store::{Found, Outline, Store},
};

/// `FindTraceSummariesResponse`: the summaries of the traces found, read while they are written.
pub(crate) struct Summaries {
    pub(crate) store: Arc<Store>,
    pub(crate) found: Vec<Found>,
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
        let Summaries { store, found } = self.0;
        let outlines = found.iter().filter_map(|found| store.outline(*found));
        serializer.collect_seq(outlines.map(Summary::of))
    }
}

/// The whole trace in figures; times are nanoseconds since 1970.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    trace_id: TraceId,
    root_service_name: String,
    root_operation_name: String,
    #[serde(serialize_with = "as_text")]
    min_start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    max_end_time_unix_nano: u64,
    span_count: usize,
    error_span_count: usize,
    /// Spans whose parent is not in the trace.
    orphan_span_count: usize,
    services: Vec<ServiceSummary>,
}

/// What one service has of a trace.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSummary {
    name: String,
    span_count: usize,
    error_span_count: usize,
}

impl Summary {
    fn of(outline: Outline) -> Self {
        let (service, operation) = outline.root.unwrap_or_default();
        let start = outline.start_unix_nanos;
        let services = outline.services.into_iter();
        Self {
            trace_id: outline.id,
            root_service_name: service,
            root_operation_name: operation,
            min_start_time_unix_nano: start,
            max_end_time_unix_nano: start.saturating_add(outline.duration_nanos),
            span_count: outline.spans.all,
            error_span_count: outline.spans.errors,
            orphan_span_count: outline.orphans,
            services: services
                .map(|(name, spans)| ServiceSummary {
                    name,
                    span_count: spans.all,
                    error_span_count: spans.errors,
                })
                .collect(),
        }
    }
}
