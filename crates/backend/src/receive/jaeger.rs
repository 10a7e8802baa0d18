//! Traces as Jaeger's page saves them and `/api/traces` answers them: the opposite of
//! [`query::trace`](crate::query), for loading.
//!
//! | Jaeger | OTLP |
//! | --- | --- |
//! | tags; fields of a log; tags of a process, its name | attributes; attributes of an event; of a resource, `service.name` |
//! | first reference `CHILD_OF` within the trace; other references | parent; links, with `opentracing.ref_type` if they are `CHILD_OF` |
//! | field `event` of a log | event's name |
//! | tags `span.kind`, `otel.status_code`, `otel.status_description`, `error` if it is `true` | kind, status |
//! | tags `otel.scope.name`, `otel.scope.version`, `w3c.tracestate` | scope, trace state |

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, prelude::BASE64_STANDARD};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{InstrumentationScope, KeyValue, any_value::Value as Otlp},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    model::json,
    receive::{
        foreign::{attribute, id, text},
        salvage::Faults,
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Trace {
    spans: Vec<Value>,
    processes: HashMap<String, Process>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Process {
    service_name: String,
    tags: Vec<Tag>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Saved {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    operation_name: String,
    references: Vec<Reference>,
    flags: u32,
    start_time: u64,
    duration: u64,
    tags: Vec<Tag>,
    logs: Vec<Log>,
    #[serde(rename = "processID")]
    process_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Log {
    timestamp: u64,
    #[serde(default)]
    fields: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    value: Value,
}

/// Reads a list of traces.
///
/// # Errors
///
/// It is none.
pub(crate) fn read(mut traces: Value) -> Result<(ExportTraceServiceRequest, Faults), String> {
    json::drop_nulls(&mut traces);
    let traces: Vec<Trace> = Vec::deserialize(traces).map_err(|error| error.to_string())?;
    let mut faults = Faults::default();
    let mut resource_spans = Vec::new();
    for Trace { spans, processes } in traces {
        let mut of_processes: BTreeMap<String, Vec<ScopeSpans>> = BTreeMap::new();
        for span in spans {
            match Saved::deserialize(span) {
                Ok(saved) => {
                    let of_process = of_processes.entry(saved.process_id.clone());
                    of_process.or_default().push(saved.into_otlp());
                }
                Err(fault) => faults.add(1, fault),
            }
        }
        resource_spans.extend(
            of_processes
                .into_iter()
                .map(|(id, scope_spans)| ResourceSpans {
                    resource: processes.get(&id).map(Process::to_otlp),
                    scope_spans,
                    ..ResourceSpans::default()
                }),
        );
    }
    Ok((ExportTraceServiceRequest { resource_spans }, faults))
}

impl Process {
    fn to_otlp(&self) -> Resource {
        let name = text("service.name", &self.service_name);
        let tags = self.tags.iter().map(Tag::to_otlp);
        Resource {
            attributes: tags.chain([name]).collect(),
            ..Resource::default()
        }
    }
}

impl Saved {
    fn into_otlp(mut self) -> ScopeSpans {
        let parent = self.references.iter().position(|reference| {
            reference.ref_type == "CHILD_OF" && reference.trace_id == self.trace_id
        });
        let parent = parent.map(|parent| self.references.remove(parent));
        let kind = self.take_text("span.kind").to_uppercase();
        let kind = span::SpanKind::from_str_name(&format!("SPAN_KIND_{kind}"));
        let code = self.take_text("otel.status_code");
        let code = status::StatusCode::from_str_name(&format!("STATUS_CODE_{code}"));
        let error = self.take("error", |tag| is_true(&tag.value));
        let code = code.or(error.map(|_| status::StatusCode::Error));
        let message = self.take_text("otel.status_description");
        let scope = InstrumentationScope {
            name: self.take_text("otel.scope.name"),
            version: self.take_text("otel.scope.version"),
            ..InstrumentationScope::default()
        };
        let span = Span {
            trace_state: self.take_text("w3c.tracestate"),
            trace_id: id(&self.trace_id, 16),
            span_id: id(&self.span_id, 8),
            parent_span_id: parent.map_or(vec![], |parent| id(&parent.span_id, 8)),
            flags: self.flags,
            name: self.operation_name,
            kind: kind.unwrap_or_default().into(),
            start_time_unix_nano: self.start_time.saturating_mul(1000),
            end_time_unix_nano: self
                .start_time
                .saturating_add(self.duration)
                .saturating_mul(1000),
            attributes: self.tags.iter().map(Tag::to_otlp).collect(),
            events: self.logs.into_iter().map(Log::into_otlp).collect(),
            links: self.references.iter().map(Reference::to_otlp).collect(),
            status: code.map(|code| Status {
                message,
                code: code.into(),
            }),
            ..Span::default()
        };
        ScopeSpans {
            scope: Some(scope),
            spans: vec![span],
            ..ScopeSpans::default()
        }
    }

    /// Removes a tag that stands for a field.
    fn take(&mut self, key: &str, is_field: impl Fn(&Tag) -> bool) -> Option<Tag> {
        let found = |tag: &Tag| tag.key == key && is_field(tag);
        let place = self.tags.iter().position(found)?;
        Some(self.tags.remove(place))
    }

    fn take_text(&mut self, key: &str) -> String {
        let tag = self.take(key, |tag| tag.value.is_string());
        tag.and_then(|tag| tag.value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

fn is_true(value: &Value) -> bool {
    value == "true" || value.as_bool() == Some(true)
}

impl Log {
    fn into_otlp(mut self) -> span::Event {
        let is_name = |field: &Tag| field.key == "event" && field.value.is_string();
        let name = self.fields.iter().position(is_name);
        let name = name.map(|place| self.fields.remove(place).value);
        span::Event {
            time_unix_nano: self.timestamp.saturating_mul(1000),
            name: name
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
            attributes: self.fields.iter().map(Tag::to_otlp).collect(),
            ..span::Event::default()
        }
    }
}

impl Reference {
    fn to_otlp(&self) -> span::Link {
        let child_of =
            (self.ref_type == "CHILD_OF").then(|| text("opentracing.ref_type", "child_of"));
        span::Link {
            trace_id: id(&self.trace_id, 16),
            span_id: id(&self.span_id, 8),
            attributes: child_of.into_iter().collect(),
            ..span::Link::default()
        }
    }
}

impl Tag {
    fn to_otlp(&self) -> KeyValue {
        let text = self.value.as_str();
        let typed = match self.kind.as_str() {
            "bool" => Some(Otlp::BoolValue(is_true(&self.value))),
            "int64" => {
                let int = self.value.as_i64();
                int.or_else(|| text?.parse().ok()).map(Otlp::IntValue)
            }
            "float64" => {
                let double = self.value.as_f64();
                double.or_else(|| text?.parse().ok()).map(Otlp::DoubleValue)
            }
            "binary" => {
                let bytes = text.and_then(|text| BASE64_STANDARD.decode(text).ok());
                bytes.map(Otlp::BytesValue)
            }
            _ => None,
        };
        let as_text = || match &self.value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        attribute(
            &self.key,
            typed.unwrap_or_else(|| Otlp::StringValue(as_text())),
        )
    }
}
