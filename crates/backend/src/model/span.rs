//! A span as it arrived: OTLP's `Span`, typed.

use std::{sync::Arc, time::Duration};

use opentelemetry_proto::tonic::trace::v1::SpanFlags;
use serde::Serialize;

use crate::model::{
    attributes::{Attributes, as_text},
    id::{SpanId, TraceId},
    resource::{Resource, Scope},
};

/// One operation within a trace. Times are nanoseconds since 1970-01-01 UTC, as the sender's clock had them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span that caused it; none for a root.
    pub parent_span_id: Option<SpanId>,
    /// W3C `tracestate`; empty if there was none.
    pub trace_state: String,
    /// The lowest eight bits are W3C trace flags; bit 8 says that bit 9 is known: whether the parent is remote.
    pub flags: u32,
    /// Its name.
    pub name: String,
    /// Its role in a call.
    pub kind: SpanKind,
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub start_unix_nanos: u64,
    /// When it ended. Nothing promises that this is not before the start.
    #[serde(serialize_with = "as_text")]
    pub end_unix_nanos: u64,
    /// How it ended.
    pub status: Status,
    /// What is known about it.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// What happened during it, in the order sent.
    pub events: Vec<Event>,
    /// How many events the sender left out.
    pub dropped_events_count: u32,
    /// Other spans it is related to, in the order sent.
    pub links: Vec<Link>,
    /// How many links the sender left out, and links with invalid ids, which are not kept.
    pub dropped_links_count: u32,
    /// Who made it.
    pub resource: Arc<Resource>,
    /// What made it.
    pub scope: Arc<Scope>,
}

impl Span {
    /// From start to end; zero if the end is before the start.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end_unix_nanos.saturating_sub(self.start_unix_nanos))
    }

    /// The name of the service that made it.
    pub fn service(&self) -> &str {
        self.resource.service()
    }

    /// Adds what `later`, the same span sent again, has and this lacks: an end, an error, attributes, events and links.
    pub(crate) fn complete_by(&mut self, later: Self) {
        if self.end_unix_nanos == 0 && later.end_unix_nanos != 0 {
            self.end_unix_nanos = later.end_unix_nanos;
            (self.name, self.kind) = (later.name, later.kind); // a name may be known only at the end
        }
        if self.status.code == StatusCode::Unset {
            self.status = later.status;
        }
        self.parent_span_id = self.parent_span_id.or(later.parent_span_id);
        self.attributes.complete_by(later.attributes);
        if self.events.is_empty() {
            self.events = later.events;
        }
        if self.links.is_empty() {
            self.links = later.links;
        }
    }

    /// Whether its status is an error.
    pub fn is_error(&self) -> bool {
        self.status.code == StatusCode::Error
    }

    /// Whether its parent, if it has one, is another process': the span says so, or answers a request or a message.
    pub fn is_called_from_outside(&self) -> bool {
        is_called_from_outside(self.kind, self.flags)
    }
}

/// The same of what a span has.
pub(crate) fn is_called_from_outside(kind: SpanKind, flags: u32) -> bool {
    const REMOTE: u32 = SpanFlags::ContextIsRemoteMask as u32;
    matches!(kind, SpanKind::Server | SpanKind::Consumer) || flags & REMOTE != 0
}

/// A span's role in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Not said, or a number that OTLP does not define.
    #[default]
    Unspecified,
    /// Within a process.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
    /// Puts a message into a queue.
    Producer,
    /// Takes a message from a queue.
    Consumer,
}

impl SpanKind {
    /// OTLP's name in lower case; empty if it was not said.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Good, bad, or not said.
    pub code: StatusCode,
    /// What went wrong, for people.
    pub message: String,
}

/// Good, bad, or not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusCode {
    /// Not said, or a number that OTLP does not define.
    #[default]
    Unset,
    /// Good.
    Ok,
    /// Bad.
    Error,
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When, in nanoseconds since 1970-01-01 UTC.
    #[serde(serialize_with = "as_text")]
    pub unix_nanos: u64,
    /// What.
    pub name: String,
    /// What is known about it.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
}

/// A span that this one is related to without being its child.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    /// The other's trace.
    pub trace_id: TraceId,
    /// The other's id.
    pub span_id: SpanId,
    /// W3C `tracestate`; empty if there was none.
    pub trace_state: String,
    /// The lowest eight bits are W3C trace flags.
    pub flags: u32,
    /// What is known about the relation.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
}
