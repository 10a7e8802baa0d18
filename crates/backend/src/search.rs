//! What can be looked for in the store.

use std::time::Duration;

use serde::Serialize;

use crate::{
    attributes::Attributes,
    span::{Span, SpanKind, StatusCode},
    trace::Trace,
};

/// What to look for; the default is everything.
///
/// A trace matches if one of its spans alone matches all of service, operation, attributes, durations, start and
/// errors, as in Jaeger's memory storage; and if the text is anywhere in the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The service that made the span.
    pub service: Option<String>,
    /// The span's name.
    pub operation: Option<String>,
    /// Keys and values, each value as [`Value::to_text`](crate::Value::to_text) has it: of the span, of its resource, of
    /// its scope or of one of its events. Those that Jaeger makes out of other fields are there too: `error`,
    /// `span.kind`, `otel.status_code`, `otel.status_description`, `otel.scope.name`, `otel.scope.version`.
    pub attributes: Vec<(String, String)>,
    /// The span began then or later, in nanoseconds since 1970-01-01 UTC.
    pub start_min_unix_nanos: Option<u64>,
    /// The span began then or earlier.
    pub start_max_unix_nanos: Option<u64>,
    /// The span took so long or longer.
    pub duration_min: Option<Duration>,
    /// The span took so long or less.
    pub duration_max: Option<Duration>,
    /// The span's status is an error.
    pub errors_only: bool,
    /// Text within the trace's id, or a name of a span, an event or a service, or a value of an attribute, of any span;
    /// upper case and lower case are the same.
    pub text: Option<String>,
    /// Most traces to return.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            service: None,
            operation: None,
            attributes: Vec::new(),
            start_min_unix_nanos: None,
            start_max_unix_nanos: None,
            duration_min: None,
            duration_max: None,
            errors_only: false,
            text: None,
            limit: usize::MAX,
        }
    }
}

/// A name that a service's spans have, with the role of those spans.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Operation {
    /// The name.
    pub name: String,
    /// The role.
    pub kind: SpanKind,
}

impl Query {
    /// Whether `trace` is one of those looked for.
    pub fn matches(&self, trace: &Trace) -> bool {
        trace.spans.iter().any(|span| self.matches_span(span)) && self.matches_text(trace)
    }

    fn matches_span(&self, span: &Span) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        let (start, duration) = (span.start_unix_nanos, span.duration());
        is(&self.service, span.service())
            && is(&self.operation, &span.name)
            && (!self.errors_only || span.is_error())
            && self.start_min_unix_nanos.is_none_or(|min| start >= min)
            && self.start_max_unix_nanos.is_none_or(|max| start <= max)
            && self.duration_min.is_none_or(|min| duration >= min)
            && self.duration_max.is_none_or(|max| duration <= max)
            && self
                .attributes
                .iter()
                .all(|(key, value)| has(span, key, value))
    }

    fn matches_text(&self, trace: &Trace) -> bool {
        let Some(text) = self.text.as_ref().map(|text| text.to_lowercase()) else {
            return true;
        };
        let is_in = |other: &str| other.to_lowercase().contains(&text);
        let among =
            |attributes: &Attributes| attributes.iter().any(|(_, value)| is_in(&value.to_text()));
        is_in(&trace.id.to_string())
            || trace.spans.iter().any(|span| {
                is_in(&span.name)
                    || is_in(span.service())
                    || among(&span.attributes)
                    || among(&span.resource.attributes)
                    || span
                        .events
                        .iter()
                        .any(|event| is_in(&event.name) || among(&event.attributes))
            })
    }
}

/// Whether `span` has the attribute.
fn has(span: &Span, key: &str, value: &str) -> bool {
    let of_events = span.events.iter().map(|event| &event.attributes);
    [
        &span.attributes,
        &span.resource.attributes,
        &span.scope.attributes,
    ]
    .into_iter()
    .chain(of_events)
    .flat_map(|attributes| attributes.iter().filter(|(other, _)| *other == key))
    .any(|(_, other)| other.to_text() == value)
        || made_by_jaeger(span, key) == Some(value)
}

/// The attribute that Jaeger makes out of a field of the span.
fn made_by_jaeger<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let value = match key {
        "error" if span.is_error() => "true",
        "span.kind" => match span.kind {
            SpanKind::Unspecified => "",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        },
        "otel.status_code" => match span.status.code {
            StatusCode::Unset => "",
            StatusCode::Ok => "OK",
            StatusCode::Error => "ERROR",
        },
        "otel.status_description" => &span.status.message,
        "otel.scope.name" => &span.scope.name,
        "otel.scope.version" => &span.scope.version,
        _ => "",
    };
    (!value.is_empty()).then_some(value)
}
