//! A log record as it arrived: OTLP's `LogRecord`, typed.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{
    attributes::{Attributes, Value, as_text},
    id::{SpanId, TraceId},
    resource::{Resource, Scope},
};

/// One log record. Times are nanoseconds since 1970-01-01 UTC; 0 if not sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogRecord {
    /// When it happened.
    #[serde(serialize_with = "as_text")]
    pub unix_nanos: u64,
    /// When the collecting side saw it.
    #[serde(serialize_with = "as_text")]
    pub observed_unix_nanos: u64,
    /// 1 to 24 (`TRACE` to `FATAL4`); 0 if not said.
    pub severity_number: i32,
    /// The severity's name at its source.
    pub severity_text: String,
    /// The message.
    pub body: Value,
    /// The event's name, if the record is an event; else empty.
    pub event_name: String,
    /// What is known about it.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// The lowest eight bits are W3C trace flags.
    pub flags: u32,
    /// The trace it was made in, if any.
    pub trace_id: Option<TraceId>,
    /// The span it was made in, if any.
    pub span_id: Option<SpanId>,
    /// Who made it.
    pub resource: Arc<Resource>,
    /// What made it.
    pub scope: Arc<Scope>,
}

impl LogRecord {
    /// When it happened, or else when it was seen: as OTLP's data model has it for readers.
    pub fn time(&self) -> u64 {
        match self.unix_nanos {
            0 => self.observed_unix_nanos,
            nanos => nanos,
        }
    }
}
