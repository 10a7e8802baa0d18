//! A span and a log record as rows.
//!
//! Columns hold what is searched and sorted by; the rest is OTLP's message. A time that is no `i64` (after 2262), and an
//! end before the start, stay in the message, and the columns say what comes next to them.

use std::sync::Arc;

use opentelemetry_proto::tonic::{logs::v1 as logs, trace::v1 as trace};
use prost::Message;

use crate::model::{
    decode,
    id::{SpanId, TraceId},
    log::LogRecord,
    message,
    resource::{Resource, Scope},
    span::Span,
};

/// A service, or a name and kind of its spans.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) kind: i32,
}

/// What [`SERVICE`] has for a kind.
pub(super) const SERVICE: i32 = -1;

/// An id as a number, in the same order.
pub(super) fn number_of(id: SpanId) -> i64 {
    i64::from_be_bytes(id.to_bytes()) ^ i64::MIN
}

pub(super) fn span_id(number: i64) -> Option<SpanId> {
    let bytes = (number ^ i64::MIN).to_be_bytes();
    SpanId::try_from(bytes.as_slice()).ok()
}

/// The largest that a column can hold, if it is more.
pub(super) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The columns of a span that need no table.
pub(super) struct Columns {
    pub(super) id: i64,
    pub(super) parent: Option<i64>,
    pub(super) start: i64,
    pub(super) duration: i64,
    pub(super) status: i32,
}

impl Columns {
    pub(super) fn of(span: &Span) -> Self {
        Self {
            id: number_of(span.span_id),
            parent: span.parent_span_id.map(number_of),
            start: clamped(span.start_unix_nanos),
            duration: clamped(span.end_unix_nanos.saturating_sub(span.start_unix_nanos)),
            status: message::status_code(span.status.code),
        }
    }

    pub(super) fn is_error(&self) -> bool {
        self.status == trace::status::StatusCode::Error as i32
    }

    /// The end that the columns give.
    fn end(&self) -> Option<u64> {
        u64::try_from(self.start.checked_add(self.duration)?).ok()
    }
}

/// Adds the message, without what the columns say, to `body`.
pub(super) fn encode_span(span: Span, columns: &Columns, body: &mut Vec<u8>) {
    let mut message = message::span(span);
    let is_said = u64::try_from(columns.start) == Ok(message.start_time_unix_nano)
        && columns.end() == Some(message.end_time_unix_nano);
    if is_said {
        (message.start_time_unix_nano, message.end_time_unix_nano) = (0, 0);
    }
    message.trace_id.clear();
    message.span_id.clear();
    message.parent_span_id.clear();
    message.name.clear();
    message.kind = 0;
    if let Some(status) = &mut message.status {
        status.code = 0;
    }
    message.status.take_if(|status| status.message.is_empty());
    // Only a buffer that ends is an error.
    let _ = message.encode(body);
}

/// The span of a row; none if the file is damaged.
pub(super) fn decode_span(
    trace_id: TraceId,
    columns: &Columns,
    body: &[u8],
    operation: &Operation,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
) -> Option<Span> {
    let mut message = trace::Span::decode(body).ok()?;
    if message.start_time_unix_nano == 0 && message.end_time_unix_nano == 0 {
        message.start_time_unix_nano = u64::try_from(columns.start).ok()?;
        message.end_time_unix_nano = columns.end()?;
    }
    message.trace_id = trace_id.to_bytes().into();
    message.span_id = span_id(columns.id)?.to_bytes().into();
    if let Some(parent) = columns.parent {
        message.parent_span_id = span_id(parent)?.to_bytes().into();
    }
    message.name.clone_from(&operation.name);
    message.kind = operation.kind;
    message.status.get_or_insert_default().code = columns.status;
    decode::span_of(message, resource, scope).ok()
}

/// The flags of the span of this message; none if the file is damaged.
pub(super) fn flags(body: &[u8]) -> u32 {
    trace::Span::decode(body).map_or(0, |span| span.flags)
}

/// The message of a log record, encoded.
pub(super) fn encode_log(log: LogRecord) -> Vec<u8> {
    message::log_record(log).encode_to_vec()
}

/// The log record of a row; none if the file is damaged.
pub(super) fn decode_log(
    body: &[u8],
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
) -> Option<LogRecord> {
    let message = logs::LogRecord::decode(body).ok()?;
    decode::log_record_of(message, resource, scope).ok()
}

pub(super) fn encode_resource(resource: &Resource) -> Vec<u8> {
    message::resource(resource).encode_to_vec()
}

pub(super) fn decode_resource(message: &[u8]) -> Option<Resource> {
    let message = trace::ResourceSpans::decode(message).ok()?;
    Some(decode::resource_of(message.resource, message.schema_url))
}

pub(super) fn encode_scope(scope: &Scope) -> Vec<u8> {
    message::scope(scope).encode_to_vec()
}

pub(super) fn decode_scope(message: &[u8]) -> Option<Scope> {
    let message = trace::ScopeSpans::decode(message).ok()?;
    Some(decode::scope_of(message.scope, message.schema_url))
}
