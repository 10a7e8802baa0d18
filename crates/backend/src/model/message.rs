//! From the views back to OTLP's messages: the inverse of `decode`.

use opentelemetry_proto::tonic::{
    common::v1::{self as common, any_value::Value as Otlp},
    logs::v1 as logs,
    resource::v1 as resource,
    trace::v1 as trace,
};

use crate::model::{
    attributes::{Attributes, Value},
    id::{SpanId, TraceId},
    log::LogRecord,
    resource::{Resource, Scope},
    span::{Event, Link, Span, SpanKind, StatusCode},
};

/// The span, without its resource and scope.
pub(crate) fn span(span: Span) -> trace::Span {
    trace::Span {
        trace_id: span.trace_id.to_bytes().into(),
        span_id: span.span_id.to_bytes().into(),
        trace_state: span.trace_state,
        parent_span_id: span.parent_span_id.map_or(Vec::new(), bytes),
        flags: span.flags,
        name: span.name,
        kind: kind(span.kind),
        start_time_unix_nano: span.start_unix_nanos,
        end_time_unix_nano: span.end_unix_nanos,
        attributes: attributes(span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.into_iter().map(event).collect(),
        dropped_events_count: span.dropped_events_count,
        links: span.links.into_iter().map(link).collect(),
        dropped_links_count: span.dropped_links_count,
        status: Some(trace::Status {
            message: span.status.message,
            code: status_code(span.status.code),
        }),
    }
}

/// The log record, without its resource and scope.
pub(crate) fn log_record(log: LogRecord) -> logs::LogRecord {
    logs::LogRecord {
        time_unix_nano: log.unix_nanos,
        observed_time_unix_nano: log.observed_unix_nanos,
        severity_number: log.severity_number,
        severity_text: log.severity_text,
        body: Some(value(log.body)),
        attributes: attributes(log.attributes),
        dropped_attributes_count: log.dropped_attributes_count,
        flags: log.flags,
        trace_id: log
            .trace_id
            .map_or(Vec::new(), |id: TraceId| id.to_bytes().into()),
        span_id: log.span_id.map_or(Vec::new(), bytes),
        event_name: log.event_name,
    }
}

/// The resource, in the message that also has its schema URL.
pub(crate) fn resource(of: &Resource) -> trace::ResourceSpans {
    trace::ResourceSpans {
        resource: Some(resource::Resource {
            attributes: attributes(of.attributes.clone()),
            dropped_attributes_count: of.dropped_attributes_count,
            ..resource::Resource::default()
        }),
        scope_spans: Vec::new(),
        schema_url: of.schema_url.clone(),
    }
}

/// The scope, in the message that also has its schema URL.
pub(crate) fn scope(of: &Scope) -> trace::ScopeSpans {
    trace::ScopeSpans {
        scope: Some(common::InstrumentationScope {
            name: of.name.clone(),
            version: of.version.clone(),
            attributes: attributes(of.attributes.clone()),
            dropped_attributes_count: of.dropped_attributes_count,
        }),
        spans: Vec::new(),
        schema_url: of.schema_url.clone(),
    }
}

fn bytes(id: SpanId) -> Vec<u8> {
    id.to_bytes().into()
}

/// OTLP's number of a kind.
pub(crate) fn kind(kind: SpanKind) -> i32 {
    use trace::span::SpanKind as Otlp;
    let kind = match kind {
        SpanKind::Unspecified => Otlp::Unspecified,
        SpanKind::Internal => Otlp::Internal,
        SpanKind::Server => Otlp::Server,
        SpanKind::Client => Otlp::Client,
        SpanKind::Producer => Otlp::Producer,
        SpanKind::Consumer => Otlp::Consumer,
    };
    kind.into()
}

/// OTLP's number of a status.
pub(crate) fn status_code(code: StatusCode) -> i32 {
    use trace::status::StatusCode as Otlp;
    let code = match code {
        StatusCode::Unset => Otlp::Unset,
        StatusCode::Ok => Otlp::Ok,
        StatusCode::Error => Otlp::Error,
    };
    code.into()
}

fn event(event: Event) -> trace::span::Event {
    trace::span::Event {
        time_unix_nano: event.unix_nanos,
        name: event.name,
        attributes: attributes(event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

fn link(link: Link) -> trace::span::Link {
    trace::span::Link {
        trace_id: link.trace_id.to_bytes().into(),
        span_id: bytes(link.span_id),
        trace_state: link.trace_state,
        attributes: attributes(link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    }
}

fn attributes(attributes: Attributes) -> Vec<common::KeyValue> {
    let pairs = attributes.into_pairs().into_iter();
    pairs
        .map(|(key, of)| common::KeyValue {
            key,
            value: Some(value(of)),
            ..common::KeyValue::default()
        })
        .collect()
}

fn value(value: Value) -> common::AnyValue {
    let value = match value {
        Value::Empty => None,
        Value::String(text) => Some(Otlp::StringValue(text)),
        Value::Bool(truth) => Some(Otlp::BoolValue(truth)),
        Value::Int(int) => Some(Otlp::IntValue(int)),
        Value::Double(double) => Some(Otlp::DoubleValue(double)),
        Value::Bytes(bytes) => Some(Otlp::BytesValue(bytes)),
        Value::Array(values) => Some(Otlp::ArrayValue(common::ArrayValue {
            values: values.into_iter().map(self::value).collect(),
        })),
        Value::Map(map) => Some(Otlp::KvlistValue(common::KeyValueList {
            values: attributes(map),
        })),
    };
    common::AnyValue { value }
}
