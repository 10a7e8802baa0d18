//! From OTLP's messages to the views that are stored.

use std::sync::Arc;

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{self as common, any_value},
    logs::v1 as logs,
    resource::v1 as resource,
    trace::v1 as trace,
};

use crate::model::{
    attributes::{Attributes, Value},
    id::{InvalidId, SpanId, TraceId},
    log::LogRecord,
    resource::{Resource, Scope},
    span::{Event, Link, Span, SpanKind, Status, StatusCode},
};

/// The spans of a request, each decoded when its turn comes, or what is wrong with it.
pub(crate) fn spans(
    request: ExportTraceServiceRequest,
) -> impl Iterator<Item = Result<Span, String>> {
    let all = request.resource_spans.into_iter();
    all.flat_map(|of_resource| {
        let resource = Arc::new(resource_of(of_resource.resource, of_resource.schema_url));
        let all = of_resource.scope_spans.into_iter();
        all.flat_map(move |of_scope| {
            let resource = resource.clone();
            let scope = Arc::new(scope_of(of_scope.scope, of_scope.schema_url));
            let spans = of_scope.spans.into_iter();
            spans.map(move |span| span_of(span, &resource, &scope))
        })
    })
}

/// The log records of a request, likewise.
pub(crate) fn log_records(
    request: ExportLogsServiceRequest,
) -> impl Iterator<Item = Result<LogRecord, String>> {
    let all = request.resource_logs.into_iter();
    all.flat_map(|of_resource| {
        let resource = Arc::new(resource_of(of_resource.resource, of_resource.schema_url));
        let all = of_resource.scope_logs.into_iter();
        all.flat_map(move |of_scope| {
            let resource = resource.clone();
            let scope = Arc::new(scope_of(of_scope.scope, of_scope.schema_url));
            let records = of_scope.log_records.into_iter();
            records.map(move |record| log_record_of(record, &resource, &scope))
        })
    })
}

pub(crate) fn span_of(
    span: trace::Span,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
) -> Result<Span, String> {
    let fault = |field: &str, fault: InvalidId| {
        let name: String = span.name.chars().take(80).collect();
        format!("{field} of span {name:?}: {fault}")
    };
    let trace_id = TraceId::try_from(span.trace_id.as_slice())
        .map_err(|invalid| fault("trace_id", invalid))?;
    let span_id =
        SpanId::try_from(span.span_id.as_slice()).map_err(|invalid| fault("span_id", invalid))?;
    let parent_span_id = match optional(&span.parent_span_id) {
        None => None,
        Some(id) => Some(SpanId::try_from(id).map_err(|invalid| fault("parent_span_id", invalid))?),
    };
    let all_links = span.links.len();
    let links: Vec<_> = span.links.into_iter().filter_map(link_of).collect();
    let lost_links = u32::try_from(all_links - links.len()).unwrap_or(u32::MAX);
    let status = span.status.unwrap_or_default();
    Ok(Span {
        trace_id,
        span_id,
        parent_span_id,
        trace_state: span.trace_state,
        flags: span.flags,
        name: span.name,
        kind: kind_of(span.kind),
        start_unix_nanos: span.start_time_unix_nano,
        end_unix_nanos: span.end_time_unix_nano,
        status: Status {
            code: status_code_of(status.code),
            message: status.message,
        },
        attributes: attributes_of(span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.into_iter().map(event_of).collect(),
        dropped_events_count: span.dropped_events_count,
        dropped_links_count: span.dropped_links_count.saturating_add(lost_links),
        links,
        resource: resource.clone(),
        scope: scope.clone(),
    })
}

/// An id that need not be there: absent is empty, or zeros as some senders have it.
fn optional(id: &[u8]) -> Option<&[u8]> {
    id.iter().any(|byte| *byte != 0).then_some(id)
}

fn event_of(event: trace::span::Event) -> Event {
    Event {
        unix_nanos: event.time_unix_nano,
        name: event.name,
        attributes: attributes_of(event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

fn link_of(link: trace::span::Link) -> Option<Link> {
    Some(Link {
        trace_id: TraceId::try_from(link.trace_id.as_slice()).ok()?,
        span_id: SpanId::try_from(link.span_id.as_slice()).ok()?,
        trace_state: link.trace_state,
        flags: link.flags,
        attributes: attributes_of(link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
    })
}

pub(crate) fn kind_of(number: i32) -> SpanKind {
    use trace::span::SpanKind as Otlp;
    match Otlp::try_from(number) {
        Ok(Otlp::Internal) => SpanKind::Internal,
        Ok(Otlp::Server) => SpanKind::Server,
        Ok(Otlp::Client) => SpanKind::Client,
        Ok(Otlp::Producer) => SpanKind::Producer,
        Ok(Otlp::Consumer) => SpanKind::Consumer,
        Ok(Otlp::Unspecified) | Err(_) => SpanKind::Unspecified,
    }
}

pub(crate) fn status_code_of(number: i32) -> StatusCode {
    use trace::status::StatusCode as Otlp;
    match Otlp::try_from(number) {
        Ok(Otlp::Ok) => StatusCode::Ok,
        Ok(Otlp::Error) => StatusCode::Error,
        Ok(Otlp::Unset) | Err(_) => StatusCode::Unset,
    }
}

pub(crate) fn log_record_of(
    record: logs::LogRecord,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
) -> Result<LogRecord, String> {
    let fault = |field: &str, fault: InvalidId| format!("{field} of a log record: {fault}");
    Ok(LogRecord {
        trace_id: optional(&record.trace_id)
            .map(TraceId::try_from)
            .transpose()
            .map_err(|invalid| fault("trace_id", invalid))?,
        span_id: optional(&record.span_id)
            .map(SpanId::try_from)
            .transpose()
            .map_err(|invalid| fault("span_id", invalid))?,
        unix_nanos: record.time_unix_nano,
        observed_unix_nanos: record.observed_time_unix_nano,
        severity_number: record.severity_number,
        severity_text: record.severity_text,
        body: value_of(record.body),
        event_name: record.event_name,
        attributes: attributes_of(record.attributes),
        dropped_attributes_count: record.dropped_attributes_count,
        flags: record.flags,
        resource: resource.clone(),
        scope: scope.clone(),
    })
}

pub(crate) fn resource_of(resource: Option<resource::Resource>, schema_url: String) -> Resource {
    let resource = resource.unwrap_or_default();
    Resource {
        attributes: attributes_of(resource.attributes),
        dropped_attributes_count: resource.dropped_attributes_count,
        schema_url,
    }
}

pub(crate) fn scope_of(scope: Option<common::InstrumentationScope>, schema_url: String) -> Scope {
    let scope = scope.unwrap_or_default();
    Scope {
        name: scope.name,
        version: scope.version,
        attributes: attributes_of(scope.attributes),
        dropped_attributes_count: scope.dropped_attributes_count,
        schema_url,
    }
}

fn attributes_of(attributes: Vec<common::KeyValue>) -> Attributes {
    attributes
        .into_iter()
        .map(|attribute| (attribute.key, value_of(attribute.value)))
        .collect()
}

/// Recursion ends: protobuf and JSON are both read to a depth of about a hundred.
pub(crate) fn value_of(value: Option<common::AnyValue>) -> Value {
    use any_value::Value as Otlp;
    match value.and_then(|value| value.value) {
        None | Some(Otlp::StringValueStrindex(_)) => Value::Empty, // an index into a table that only profiles have
        Some(Otlp::StringValue(text)) => Value::String(text),
        Some(Otlp::BoolValue(truth)) => Value::Bool(truth),
        Some(Otlp::IntValue(int)) => Value::Int(int),
        Some(Otlp::DoubleValue(double)) => Value::Double(double),
        Some(Otlp::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(Otlp::ArrayValue(array)) => Value::Array(
            array
                .values
                .into_iter()
                .map(|value| value_of(Some(value)))
                .collect(),
        ),
        Some(Otlp::KvlistValue(list)) => Value::Map(attributes_of(list.values)),
    }
}
