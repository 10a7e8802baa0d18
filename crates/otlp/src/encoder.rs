//! A span as OTLP has it, straight from the SDK's span to protobuf.
//!
//! The stock exporter copies every span into the messages of `opentelemetry-proto`, encodes those and frees them: several
//! allocations an attribute. The bytes here decode to the same messages, and a test compares the two. Field numbers are
//! those of
//! [`opentelemetry-proto`](https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto).
//!
//! The value length is that of `OTEL_[SPAN_]ATTRIBUTE_VALUE_LENGTH_LIMIT`, in characters. The SDK has no such limit.

use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::bytes::Bytes;

use wire::Writer;

mod wire;

/// A resource, encoded once: the fields of `ResourceSpans` or `ResourceLogs` beside the scopes.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncodedResource(pub(crate) Vec<u8>);

impl EncodedResource {
    pub(crate) fn new(resource: &Resource) -> Self {
        let mut bytes = Vec::new();
        let mut writer = Writer(&mut bytes);
        writer.message(1, |writer| {
            for (key, value) in resource {
                attribute(writer, 1, key.as_str(), value, usize::MAX);
            }
        });
        writer.text(3, resource.schema_url().unwrap_or_default());
        Self(bytes)
    }
}

/// A scope: the fields of `ScopeSpans` or `ScopeLogs` beside the items.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EncodedScope(pub(crate) Bytes);

impl EncodedScope {
    /// `target` stands in the place of the name.
    pub(crate) fn new(scope: &InstrumentationScope, target: Option<&str>) -> Self {
        let mut bytes = Vec::new();
        let mut writer = Writer(&mut bytes);
        writer.message(1, |writer| {
            writer.text(1, target.unwrap_or(scope.name()));
            writer.text(2, scope.version().unwrap_or_default());
            attributes(writer, 3, scope.attributes(), usize::MAX);
        });
        writer.text(3, scope.schema_url().unwrap_or_default());
        Self(bytes.into_boxed_slice().into())
    }
}

/// Appends `data` as a field of `ScopeSpans`. Texts in attributes are cut after `value_length` characters.
pub(crate) fn append_span(bytes: &mut Vec<u8>, data: &SpanData, value_length: usize) {
    Writer(bytes).long_message(2, |writer| span(writer, data, value_length));
}

fn span(writer: &mut Writer<'_>, span: &SpanData, value_length: usize) {
    let context = &span.span_context;
    writer.bytes(1, &context.trace_id().to_bytes());
    writer.bytes(2, &context.span_id().to_bytes());
    writer.text(3, &context.trace_state().header());
    if span.parent_span_id != SpanId::INVALID {
        writer.bytes(4, &span.parent_span_id.to_bytes());
    }
    writer.text(5, &span.name);
    writer.number(6, kind(&span.span_kind) as u64);
    writer.fixed64(7, nanoseconds(span.start_time));
    // It is earlier if the clock was set back meanwhile.
    writer.fixed64(8, nanoseconds(span.end_time.max(span.start_time)));
    attributes(writer, 9, &span.attributes, value_length);
    writer.number(10, span.dropped_attributes_count.into());
    for data in &span.events.events {
        writer.message(11, |writer| event(writer, data, value_length));
    }
    writer.number(12, span.events.dropped_count.into());
    for data in &span.links.links {
        writer.message(13, |writer| link(writer, data, value_length));
    }
    writer.number(14, span.links.dropped_count.into());
    writer.message(15, |writer| status(writer, &span.status));
    writer.fixed32(16, flags(context, span.parent_span_is_remote));
}

fn event(writer: &mut Writer<'_>, event: &Event, value_length: usize) {
    writer.fixed64(1, nanoseconds(event.timestamp));
    writer.text(2, &event.name);
    attributes(writer, 3, &event.attributes, value_length);
    writer.number(4, event.dropped_attributes_count.into());
}

fn link(writer: &mut Writer<'_>, link: &Link, value_length: usize) {
    let context = &link.span_context;
    writer.bytes(1, &context.trace_id().to_bytes());
    writer.bytes(2, &context.span_id().to_bytes());
    writer.text(3, &context.trace_state().header());
    attributes(writer, 4, &link.attributes, value_length);
    writer.number(5, link.dropped_attributes_count.into());
    writer.fixed32(6, flags(context, context.is_remote()));
}

fn status(writer: &mut Writer<'_>, status: &Status) {
    match status {
        Status::Unset => {}
        Status::Ok => writer.number(3, proto::status::StatusCode::Ok as u64),
        Status::Error { description } => {
            writer.text(2, description);
            writer.number(3, proto::status::StatusCode::Error as u64);
        }
    }
}

fn attributes<'a>(
    writer: &mut Writer<'_>,
    field: u32,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
    value_length: usize,
) {
    for KeyValue { key, value, .. } in attributes {
        attribute(writer, field, key.as_str(), value, value_length);
    }
}

fn attribute(writer: &mut Writer<'_>, field: u32, key: &str, value: &Value, value_length: usize) {
    // Nearly all are short texts.
    if let Value::String(text) = value
        && text.as_str().len() <= value_length
        && writer.short_entry(field, key.as_bytes(), text.as_str().as_bytes())
    {
        return;
    }
    writer.message(field, |writer| {
        writer.text(1, key);
        writer.message(2, |writer| any_value(writer, value, value_length));
    });
}

/// A value is written even if it is zero or empty: here, a field that is missing is no value at all.
fn any_value(writer: &mut Writer<'_>, value: &Value, value_length: usize) {
    match value {
        Value::String(text) => string(writer, text.as_str(), value_length),
        Value::Bool(value) => boolean(writer, *value),
        Value::I64(value) => integer(writer, *value),
        Value::F64(value) => double(writer, *value),
        Value::Array(array) => writer.message(5, |writer| match array {
            Array::String(values) => elements(writer, values, |writer, text| {
                string(writer, text.as_str(), value_length);
            }),
            Array::Bool(values) => {
                elements(writer, values, |writer, value| boolean(writer, *value))
            }
            Array::I64(values) => elements(writer, values, |writer, value| integer(writer, *value)),
            Array::F64(values) => elements(writer, values, |writer, value| double(writer, *value)),
            _ => {}
        }),
        _ => {}
    }
}

fn elements<T>(writer: &mut Writer<'_>, values: &[T], element: impl Fn(&mut Writer<'_>, &T)) {
    for value in values {
        writer.message(1, |writer| element(writer, value));
    }
}

fn string(writer: &mut Writer<'_>, value: &str, value_length: usize) {
    writer.always_bytes(1, cut(value, value_length).as_bytes());
}

/// The first `length` characters.
pub(crate) fn cut(text: &str, length: usize) -> &str {
    if text.len() <= length {
        return text;
    }
    let end = text.char_indices().nth(length);
    end.map_or(text, |(end, _)| &text[..end])
}

fn boolean(writer: &mut Writer<'_>, value: bool) {
    writer.always_number(2, value.into());
}

fn integer(writer: &mut Writer<'_>, value: i64) {
    writer.always_number(3, value.cast_unsigned());
}

fn double(writer: &mut Writer<'_>, value: f64) {
    writer.always_fixed64(4, value.to_bits());
}

fn kind(kind: &SpanKind) -> proto::span::SpanKind {
    match kind {
        SpanKind::Client => proto::span::SpanKind::Client,
        SpanKind::Server => proto::span::SpanKind::Server,
        SpanKind::Producer => proto::span::SpanKind::Producer,
        SpanKind::Consumer => proto::span::SpanKind::Consumer,
        SpanKind::Internal => proto::span::SpanKind::Internal,
    }
}

/// The W3C flags, and whether the context (of a span: its parent's) came from another process.
fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    let remote = match is_remote {
        true => proto::SpanFlags::ContextIsRemoteMask as u32,
        false => 0,
    };
    u32::from(context.trace_flags().to_u8())
        | proto::SpanFlags::ContextHasIsRemoteMask as u32
        | remote
}

/// Unix time; what is before 1970 is 0.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    since
        .as_secs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(since.subsec_nanos().into())
}

#[cfg(test)]
mod tests;
