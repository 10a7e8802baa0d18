//! A trace in the form that Jaeger's page and Grafana read: times and durations in microseconds, the resource as a
//! process, everything else that has no field as tags.
//!
//! | OTLP | here |
//! | --- | --- |
//! | attributes of a span, an event, a resource | tags, fields, tags of the process; `service.name` is the process' name |
//! | parent; link | reference `CHILD_OF`; `FOLLOWS_FROM`, unless the link's `opentracing.ref_type` is `child_of` |
//! | event's name | field `event` |
//! | kind, status | tags `span.kind`, `otel.status_code`, `otel.status_description`, `error` |
//! | scope's name and version | tags `otel.scope.name` and `otel.scope.version` |
//! | trace state | tag `w3c.tracestate` |
//!
//! Lost are counts of what was dropped, flags, schema URLs and attributes of scopes and links: the other form has them.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};

use crate::{
    model::{
        attributes::{Attributes, Value, as_number_or_text},
        id::{SpanId, TraceId},
        resource::Resource,
        search::{EVENT, event_name},
        span::{Event, Span, StatusCode},
    },
    store::Pages,
};

/// The integers that JavaScript's numbers hold.
const EXACT: std::ops::RangeInclusive<i64> = -((1 << 53) - 1)..=(1 << 53) - 1;

/// Jaeger's form of a trace, made page by page while it is written.
pub(crate) struct JaegerTrace<T>(pub(crate) T);

impl<T: Pages> Serialize for JaegerTrace<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let processes = RefCell::default();
        let mut fields = serializer.serialize_struct("Trace", 4)?;
        fields.serialize_field("traceID", &trace_id(self.0.id()))?;
        fields.serialize_field("spans", &Spans(&self.0, &processes))?;
        fields.serialize_field("processes", &*processes.borrow())?;
        fields.serialize_field("warnings", &None::<()>)?;
        fields.end()
    }
}

struct Spans<'a, T>(&'a T, &'a RefCell<Processes>);

impl<T: Pages> Serialize for Spans<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(trace, processes) = self;
        let mut all = serializer.serialize_seq(None)?;
        for page in trace.pages() {
            let parents = page.iter().filter_map(|span| parent(span)).collect();
            let missing = trace.missing(&page, parents);
            for span in &page {
                let process = processes.borrow_mut().id(&span.resource);
                all.serialize_element(&JaegerSpan::new(span, &missing, process))?;
            }
        }
        all.end()
    }
}

/// The resources of a trace, numbered in the order of its spans.
#[derive(Default)]
struct Processes {
    resources: Vec<Arc<Resource>>,
    /// What has an address here is kept in `_read`, so that nothing else gets it.
    numbers: HashMap<*const Resource, usize>,
    _read: Vec<Arc<Resource>>,
}

/// Resources with which a newly read one is compared: it may be one of them.
const COMPARED: usize = 64;

impl Processes {
    fn id(&mut self, of: &Arc<Resource>) -> String {
        let Self {
            resources,
            numbers,
            _read: read,
        } = self;
        let number = numbers.entry(Arc::as_ptr(of)).or_insert_with(|| {
            read.push(of.clone());
            let mut first = resources.iter().take(COMPARED);
            match first.position(|other| other == of) {
                Some(place) => place + 1,
                None => {
                    resources.push(of.clone());
                    resources.len()
                }
            }
        });
        format!("p{number}")
    }
}

impl Serialize for Processes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let processes = self.resources.iter().zip(1..).map(|(resource, number)| {
            let process = Process {
                service_name: resource.service(),
                tags: tags(&resource.attributes)
                    .filter(|tag| tag.key != "service.name")
                    .collect(),
            };
            (format!("p{number}"), process)
        });
        serializer.collect_map(processes)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process<'a> {
    service_name: &'a str,
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JaegerSpan<'a> {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: SpanId,
    operation_name: &'a str,
    references: Vec<Reference>,
    start_time: u64,
    duration: u64,
    tags: Vec<Tag<'a>>,
    logs: Vec<Log<'a>>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: Option<[String; 1]>,
}

impl<'a> JaegerSpan<'a> {
    fn new(span: &'a Span, missing: &HashSet<SpanId>, process_id: String) -> Self {
        let missing = parent(span).filter(|parent| missing.contains(parent));
        Self {
            trace_id: trace_id(span.trace_id),
            span_id: span.span_id,
            operation_name: &span.name,
            references: references(span),
            start_time: span.start_unix_nanos / 1_000,
            duration: span.end_unix_nanos.saturating_sub(span.start_unix_nanos) / 1_000,
            tags: tags_of(span),
            logs: span.events.iter().map(Log::from).collect(),
            process_id,
            warnings: missing.map(|parent| {
                [format!(
                    "invalid parent span IDs={parent}; skipping clock skew adjustment"
                )]
            }),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RefType {
    ChildOf,
    FollowsFrom,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: RefType,
    #[serde(rename = "traceID", serialize_with = "as_jaeger_id")]
    trace_id: TraceId,
    #[serde(rename = "spanID")]
    span_id: SpanId,
}

/// The parent and the links, each other span once; the one that readers take for the parent is first.
fn references(span: &Span) -> Vec<Reference> {
    let parent = span.parent_span_id.map(|span_id| Reference {
        ref_type: RefType::ChildOf,
        trace_id: span.trace_id,
        span_id,
    });
    let mut references = Vec::from_iter(parent);
    for link in &span.links {
        let child_of = link
            .attributes
            .get("opentracing.ref_type")
            .and_then(Value::as_str);
        let ref_type = match child_of {
            Some("child_of") => RefType::ChildOf,
            _ => RefType::FollowsFrom,
        };
        let is_parent = link.trace_id == span.trace_id && Some(link.span_id) == span.parent_span_id;
        match references.first_mut().filter(|_| is_parent) {
            Some(parent) => parent.ref_type = ref_type,
            None => references.push(Reference {
                ref_type,
                trace_id: link.trace_id,
                span_id: link.span_id,
            }),
        }
    }
    let own = |reference: &Reference| reference.trace_id == span.trace_id;
    let first = references
        .iter()
        .position(|reference| own(reference) && reference.ref_type == RefType::ChildOf)
        .or_else(|| references.iter().position(own));
    if let Some(first) = first {
        references.swap(0, first);
    }
    references
}

/// The span that Jaeger takes for the parent: a link into the same trace counts where there is no parent.
pub(crate) fn parent(span: &Span) -> Option<SpanId> {
    let first = references(span).into_iter().next()?;
    (first.trace_id == span.trace_id).then_some(first.span_id)
}

#[derive(Serialize)]
struct Log<'a> {
    timestamp: u64,
    fields: Vec<Tag<'a>>,
}

impl<'a> From<&'a Event> for Log<'a> {
    fn from(event: &'a Event) -> Self {
        let attributes = &event.attributes;
        let name = event_name(event).map(|name| Tag::text(EVENT, name));
        let mut fields: Vec<_> = name.into_iter().chain(tags(attributes)).collect();
        if let Some(event) = fields
            .iter()
            .position(|field| field.key == EVENT && field.kind == "string")
        {
            fields[..=event].rotate_right(1);
        }
        Self {
            timestamp: event.unix_nanos / 1_000,
            fields,
        }
    }
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: TagValue<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TagValue<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(#[serde(serialize_with = "as_number_or_text")] f64),
}

impl<'a> Tag<'a> {
    fn new(key: &'a str, value: &'a Value) -> Self {
        let text = || TagValue::Text(value.to_text());
        let (kind, value) = match value {
            Value::Empty | Value::String(_) | Value::Array(_) | Value::Map(_) => ("string", text()),
            Value::Bool(truth) => ("bool", TagValue::Bool(*truth)),
            Value::Int(int) if EXACT.contains(int) => ("int64", TagValue::Int(*int)),
            Value::Int(_) => ("int64", text()),
            Value::Double(double) => ("float64", TagValue::Double(*double)),
            Value::Bytes(_) => ("binary", text()),
        };
        Self { key, kind, value }
    }

    fn text(key: &'a str, text: &'a str) -> Self {
        Self {
            key,
            kind: "string",
            value: TagValue::Text(Cow::Borrowed(text)),
        }
    }
}

fn tags(attributes: &Attributes) -> impl Iterator<Item = Tag<'_>> {
    attributes.iter().map(|(key, value)| Tag::new(key, value))
}

/// The attributes, and what Jaeger has tags for instead of fields; sorted by key.
fn tags_of(span: &Span) -> Vec<Tag<'_>> {
    let code = match span.status.code {
        StatusCode::Unset => "",
        StatusCode::Ok => "OK",
        StatusCode::Error => "ERROR",
    };
    let fields = [
        ("otel.scope.name", span.scope.name.as_str()),
        ("otel.scope.version", &span.scope.version),
        ("otel.status_code", code),
        ("otel.status_description", &span.status.message),
        ("span.kind", span.kind.name()),
        ("w3c.tracestate", &span.trace_state),
    ];
    let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
    let error = span.is_error().then_some(Tag {
        key: "error",
        kind: "bool",
        value: TagValue::Bool(true),
    });
    let mut all: Vec<_> = tags(&span.attributes)
        .chain(fields.map(|(key, text)| Tag::text(key, text)))
        .chain(error)
        .collect();
    all.sort_by_key(|tag| tag.key);
    all
}

/// An id as Jaeger writes it: one of 64 bits in 16 digits.
pub(crate) fn trace_id(id: TraceId) -> String {
    let text = id.to_string();
    match text.strip_prefix("0000000000000000") {
        Some(short) => short.to_owned(),
        None => text,
    }
}

fn as_jaeger_id<S: Serializer>(id: &TraceId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&trace_id(*id))
}
