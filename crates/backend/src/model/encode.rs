//! From the views that are stored back to OTLP's messages, in JSON: protobuf's mapping with ids in hex and enums as
//! numbers, as the OTLP specification has it. What is empty is left out.
//!
//! Nothing is copied: what is written is borrowed from the store's spans and records.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::model::{
    attributes::{Attributes, Value, as_number_or_text, as_text},
    id::{SpanId, TraceId},
    log::LogRecord,
    message,
    resource::{Resource, Scope},
    span::{Event, Link, Span, Status},
};

/// What OTLP groups by resource and scope.
pub(crate) trait Item {
    /// Names of the fields: of the data, of a resource's part of it, and of a scope's.
    const FIELDS: [&'static str; 3];

    fn made_by(&self) -> (&Arc<Resource>, &Arc<Scope>);
    fn message(&self) -> impl Serialize;
}

impl Item for Span {
    const FIELDS: [&'static str; 3] = ["resourceSpans", "scopeSpans", "spans"];

    fn made_by(&self) -> (&Arc<Resource>, &Arc<Scope>) {
        (&self.resource, &self.scope)
    }

    fn message(&self) -> impl Serialize {
        SpanMessage::from(self)
    }
}

impl Item for LogRecord {
    const FIELDS: [&'static str; 3] = ["resourceLogs", "scopeLogs", "logRecords"];

    fn made_by(&self) -> (&Arc<Resource>, &Arc<Scope>) {
        (&self.resource, &self.scope)
    }

    fn message(&self) -> impl Serialize {
        LogRecordMessage::from(self)
    }
}

/// `TracesData` of spans, `LogsData` of log records.
pub(crate) struct Data<'a, T>(pub(crate) Vec<OfResource<'a, T>>);

/// `ResourceSpans` or `ResourceLogs`.
pub(crate) struct OfResource<'a, T> {
    resource: &'a Resource,
    of_scopes: Vec<OfScope<'a, T>>,
}

struct OfScope<'a, T> {
    scope: &'a Scope,
    items: Vec<&'a T>,
}

/// Groups `items`, in the order of the first of each group.
pub(crate) fn by_resource<T: Item>(items: &[Arc<T>]) -> Vec<OfResource<'_, T>> {
    let mut groups: Vec<OfResource<'_, T>> = Vec::new();
    let mut places = HashMap::new();
    for item in items {
        let (resource, scope) = item.made_by();
        let place = (Arc::as_ptr(resource), None);
        let of_resource = *places.entry(place).or_insert_with(|| {
            groups.push(OfResource {
                resource,
                of_scopes: Vec::new(),
            });
            groups.len() - 1
        });
        let of_scopes = &mut groups[of_resource].of_scopes;
        let place = (Arc::as_ptr(resource), Some(Arc::as_ptr(scope)));
        let of_scope = *places.entry(place).or_insert_with(|| {
            of_scopes.push(OfScope {
                scope,
                items: Vec::new(),
            });
            of_scopes.len() - 1
        });
        of_scopes[of_scope].items.push(&**item);
    }
    groups
}

impl<T: Item> Serialize for Data<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(T::FIELDS[0], &self.0)?;
        map.end()
    }
}

impl<T: Item> Serialize for OfResource<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("resource", &ResourceMessage::from(self.resource))?;
        map.serialize_entry(T::FIELDS[1], &self.of_scopes)?;
        schema_url(&self.resource.schema_url, &mut map)?;
        map.end()
    }
}

impl<T: Item> Serialize for OfScope<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scope", &ScopeMessage::from(self.scope))?;
        map.serialize_entry(T::FIELDS[2], &Messages(&self.items))?;
        schema_url(&self.scope.schema_url, &mut map)?;
        map.end()
    }
}

fn schema_url<M: SerializeMap>(url: &str, map: &mut M) -> Result<(), M::Error> {
    if url.is_empty() {
        return Ok(());
    }
    map.serialize_entry("schemaUrl", url)
}

/// Made one by one while they are written.
struct Messages<'a, T>(&'a [&'a T]);

impl<T: Item> Serialize for Messages<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|item| item.message()))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMessage<'a> {
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
}

impl<'a> From<&'a Resource> for ResourceMessage<'a> {
    fn from(resource: &'a Resource) -> Self {
        Self {
            attributes: KeyValues(&resource.attributes),
            dropped_attributes_count: resource.dropped_attributes_count,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeMessage<'a> {
    #[serde(skip_serializing_if = "is_default")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    version: &'a str,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
}

impl<'a> From<&'a Scope> for ScopeMessage<'a> {
    fn from(scope: &'a Scope) -> Self {
        Self {
            name: &scope.name,
            version: &scope.version,
            attributes: KeyValues(&scope.attributes),
            dropped_attributes_count: scope.dropped_attributes_count,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanMessage<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "is_default")]
    trace_state: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    parent_span_id: Option<SpanId>,
    #[serde(skip_serializing_if = "is_default")]
    flags: u32,
    name: &'a str,
    kind: i32,
    #[serde(serialize_with = "as_text")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    end_time_unix_nano: u64,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventMessage<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_events_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkMessage<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_links_count: u32,
    status: StatusMessage<'a>,
}

impl<'a> From<&'a Span> for SpanMessage<'a> {
    fn from(span: &'a Span) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            trace_state: &span.trace_state,
            parent_span_id: span.parent_span_id,
            flags: span.flags,
            name: &span.name,
            kind: message::kind(span.kind),
            start_time_unix_nano: span.start_unix_nanos,
            end_time_unix_nano: span.end_unix_nanos,
            attributes: KeyValues(&span.attributes),
            dropped_attributes_count: span.dropped_attributes_count,
            events: span.events.iter().map(EventMessage::from).collect(),
            dropped_events_count: span.dropped_events_count,
            links: span.links.iter().map(LinkMessage::from).collect(),
            dropped_links_count: span.dropped_links_count,
            status: StatusMessage::from(&span.status),
        }
    }
}

#[derive(Serialize)]
struct StatusMessage<'a> {
    #[serde(skip_serializing_if = "is_default")]
    message: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    code: i32,
}

impl<'a> From<&'a Status> for StatusMessage<'a> {
    fn from(status: &'a Status) -> Self {
        Self {
            message: &status.message,
            code: message::status_code(status.code),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventMessage<'a> {
    #[serde(serialize_with = "as_text")]
    time_unix_nano: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
}

impl<'a> From<&'a Event> for EventMessage<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            time_unix_nano: event.unix_nanos,
            name: &event.name,
            attributes: KeyValues(&event.attributes),
            dropped_attributes_count: event.dropped_attributes_count,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkMessage<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "is_default")]
    trace_state: &'a str,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "is_default")]
    flags: u32,
}

impl<'a> From<&'a Link> for LinkMessage<'a> {
    fn from(link: &'a Link) -> Self {
        Self {
            trace_id: link.trace_id,
            span_id: link.span_id,
            trace_state: &link.trace_state,
            attributes: KeyValues(&link.attributes),
            dropped_attributes_count: link.dropped_attributes_count,
            flags: link.flags,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecordMessage<'a> {
    #[serde(serialize_with = "as_text")]
    time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    observed_time_unix_nano: u64,
    #[serde(skip_serializing_if = "is_default")]
    severity_number: i32,
    #[serde(skip_serializing_if = "is_default")]
    severity_text: &'a str,
    body: AnyValue<'a>,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "is_default")]
    flags: u32,
    #[serde(skip_serializing_if = "is_default")]
    trace_id: Option<TraceId>,
    #[serde(skip_serializing_if = "is_default")]
    span_id: Option<SpanId>,
    #[serde(skip_serializing_if = "is_default")]
    event_name: &'a str,
}

impl<'a> From<&'a LogRecord> for LogRecordMessage<'a> {
    fn from(log: &'a LogRecord) -> Self {
        Self {
            time_unix_nano: log.unix_nanos,
            observed_time_unix_nano: log.observed_unix_nanos,
            severity_number: log.severity_number,
            severity_text: &log.severity_text,
            body: AnyValue(&log.body),
            attributes: KeyValues(&log.attributes),
            dropped_attributes_count: log.dropped_attributes_count,
            flags: log.flags,
            trace_id: log.trace_id,
            span_id: log.span_id,
            event_name: &log.event_name,
        }
    }
}

/// A list of `KeyValue`.
struct KeyValues<'a>(&'a Attributes);

impl KeyValues<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for KeyValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(key, value)| KeyValue {
            key,
            value: AnyValue(value),
        }))
    }
}

#[derive(Serialize)]
struct KeyValue<'a> {
    key: &'a str,
    value: AnyValue<'a>,
}

struct AnyValue<'a>(&'a Value);

impl Serialize for AnyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Value::Empty => {}
            Value::String(text) => map.serialize_entry("stringValue", text)?,
            Value::Bool(truth) => map.serialize_entry("boolValue", truth)?,
            Value::Int(int) => map.serialize_entry("intValue", &int.to_string())?,
            Value::Double(double) => map.serialize_entry("doubleValue", &Double(*double))?,
            Value::Bytes(bytes) => {
                map.serialize_entry("bytesValue", &BASE64_STANDARD.encode(bytes))?;
            }
            Value::Array(values) => map.serialize_entry("arrayValue", &Array::of(values))?,
            Value::Map(attributes) => map.serialize_entry(
                "kvlistValue",
                &List {
                    values: KeyValues(attributes),
                },
            )?,
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Double(#[serde(serialize_with = "as_number_or_text")] f64);

#[derive(Serialize)]
struct Array<'a> {
    values: Vec<AnyValue<'a>>,
}

impl<'a> Array<'a> {
    fn of(values: &'a [Value]) -> Self {
        Self {
            values: values.iter().map(AnyValue).collect(),
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    values: KeyValues<'a>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
