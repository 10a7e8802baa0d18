//! What can be looked for in the store.

use std::time::Duration;

use memchr::memmem::Finder;
use serde::Serialize;

use crate::model::{
    attributes::Attributes,
    resource::{Resource, Scope},
    span::{Event, Span, SpanKind, StatusCode},
    trace::Trace,
};

/// The attribute that Jaeger makes out of the name of an event.
pub(crate) const EVENT: &str = "event";

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
    /// `span.kind`, `otel.status_code`, `otel.status_description`, `otel.scope.name`, `otel.scope.version`,
    /// `w3c.tracestate`, and `event`, the name of one of its events.
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
    /// Text within the trace's id, a name of a span, an event or a service, what a status says, or a value of an attribute,
    /// of any of its spans; upper case and lower case are the same.
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
        trace.spans.iter().any(|span| self.matches_span(span))
            && self
                .text
                .as_ref()
                .is_none_or(|text| TextQuery::new(text).is_in_trace(trace))
    }

    pub(crate) fn matches_span(&self, span: &Span) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.service, span.service())
            && is(&self.operation, &span.name)
            && (!self.errors_only || span.is_error())
            && self.is_started_within(span.start_unix_nanos)
            && self.lasts(span.duration())
            && self
                .attributes
                .iter()
                .all(|(key, value)| span_has(span, key, value))
    }

    pub(crate) fn is_started_within(&self, start: u64) -> bool {
        self.start_min_unix_nanos.is_none_or(|min| start >= min)
            && self.start_max_unix_nanos.is_none_or(|max| start <= max)
    }

    pub(crate) fn lasts(&self, duration: Duration) -> bool {
        self.duration_min.is_none_or(|min| duration >= min)
            && self.duration_max.is_none_or(|max| duration <= max)
    }
}

/// Whether `span` has the attribute.
fn span_has(span: &Span, key: &str, value: &str) -> bool {
    let of_events = span.events.iter().map(|event| &event.attributes);
    let mut all = [
        &span.attributes,
        &span.resource.attributes,
        &span.scope.attributes,
    ]
    .into_iter()
    .chain(of_events);
    all.any(|attributes| has(attributes, key, value))
        || key == EVENT
            && span
                .events
                .iter()
                .filter_map(event_name)
                .any(|name| name == value)
        || made_by_jaeger(
            key,
            span.kind,
            span.status.code,
            &span.status.message,
            &span.scope,
            &span.trace_state,
        ) == Some(value)
}

/// [`EVENT`] of an event: an attribute that is called so goes before its name.
pub(crate) fn event_name(event: &Event) -> Option<&str> {
    let is_shown = !event.name.is_empty() && event.attributes.get(EVENT).is_none();
    is_shown.then_some(&event.name)
}

/// Whether the attribute is among them.
pub(crate) fn has(attributes: &Attributes, key: &str, value: &str) -> bool {
    attributes.all(key).any(|found| found.to_text() == value)
}

/// The attribute that Jaeger makes out of a field of a span.
pub(crate) fn made_by_jaeger<'a>(
    key: &str,
    kind: SpanKind,
    status: StatusCode,
    message: &'a str,
    scope: &'a Scope,
    trace_state: &'a str,
) -> Option<&'a str> {
    let value = match key {
        "error" if status == StatusCode::Error => "true",
        "span.kind" => kind.name(),
        "otel.status_code" => match status {
            StatusCode::Unset => "",
            StatusCode::Ok => "OK",
            StatusCode::Error => "ERROR",
        },
        "otel.status_description" => message,
        "otel.scope.name" => &scope.name,
        "otel.scope.version" => &scope.version,
        "w3c.tracestate" => trace_state,
        _ => "",
    };
    (!value.is_empty()).then_some(value)
}

/// Text to be found in any case.
pub(crate) struct TextQuery {
    lower_case: String,
    finder: Finder<'static>,
    /// Of the longest part in ASCII, which stands in whatever contains the text.
    part: Finder<'static>,
    special: [Finder<'static>; 2],
}

/// The characters beyond ASCII whose lower case has ASCII in it: the Kelvin sign, and I with a dot.
const LOWER_TO_ASCII: [&str; 2] = ["\u{212a}", "\u{130}"];

impl TextQuery {
    pub(crate) fn new(text: &str) -> Self {
        let lower_case = text.to_lowercase();
        let parts = lower_case.split(|character: char| !character.is_ascii());
        let part = parts.max_by_key(|part| part.len()).unwrap_or_default();
        Self {
            finder: Finder::new(&lower_case).into_owned(),
            part: Finder::new(part).into_owned(),
            special: LOWER_TO_ASCII.map(Finder::new),
            lower_case,
        }
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        if text.is_ascii() {
            self.finder
                .find(text.to_ascii_lowercase().as_bytes())
                .is_some()
        } else {
            text.to_lowercase().contains(&self.lower_case)
        }
    }

    /// `false`: no text within `bytes` contains it. `scratch` is room to work in.
    pub(crate) fn may_be_in(&self, bytes: &[u8], scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        scratch.extend_from_slice(bytes);
        scratch.make_ascii_lowercase();
        self.part.find(scratch).is_some()
            || self.special.iter().any(|other| other.find(bytes).is_some())
    }

    pub(crate) fn is_in_resource(&self, resource: &Resource) -> bool {
        self.is_in(resource.service()) || self.is_among(&resource.attributes)
    }

    pub(crate) fn is_among(&self, attributes: &Attributes) -> bool {
        attributes
            .iter()
            .any(|(_, value)| self.is_in(&value.to_text()))
    }

    fn is_in_trace(&self, trace: &Trace) -> bool {
        self.is_in(&trace.id.to_string())
            || trace.spans.iter().any(|span| {
                self.is_in(&span.name)
                    || self.is_in(&span.status.message)
                    || self.is_in_resource(&span.resource)
                    || self.is_among(&span.attributes)
                    || span
                        .events
                        .iter()
                        .any(|event| self.is_in(&event.name) || self.is_among(&event.attributes))
            })
    }
}
