//! A span as its sender means it, and what it becomes.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span},
};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::tags::{take_scope, take_status};
use crate::receive::foreign::{attribute, id, text};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Sent {
    pub(super) trace_id: String,
    pub(super) id: String,
    pub(super) parent_id: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) timestamp: Micros,
    pub(super) duration: Micros,
    pub(super) local_endpoint: Endpoint,
    pub(super) remote_endpoint: Endpoint,
    pub(super) annotations: Vec<Annotation>,
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) shared: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) service_name: Option<String>,
    pub(super) ipv4: Option<String>,
    pub(super) ipv6: Option<String>,
    pub(super) port: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotation {
    pub(super) timestamp: Micros,
    pub(super) value: String,
}

/// Microseconds. In JSON an integer, also as text or with zeros behind a point.
#[derive(Clone, Copy, Default)]
pub(super) struct Micros(pub(super) u64);

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let digits = value.as_str().map_or(value.to_string(), str::to_owned);
        let integer = digits.strip_suffix(".0").unwrap_or(&digits);
        let wrong = |_| D::Error::custom(format!("{digits} is not a number of microseconds"));
        integer.parse().map(Self).map_err(wrong)
    }
}

/// Text. In JSON also a number or a truth.
pub(super) struct Tag(pub(super) String);

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            other => Ok(Self(other.to_string())),
        }
    }
}

impl Sent {
    pub(super) fn into_otlp(self) -> ResourceSpans {
        let mut span_id = id(&self.id, 8);
        let mut parent_span_id = match self.parent_id.as_str() {
            "" => vec![],
            parent => id(parent, 8),
        };
        if self.shared {
            parent_span_id = span_id.clone();
            span_id[0] ^= 0x80;
        }
        let first = self.annotations.iter().map(|first| first.timestamp.0).min();
        let start = match self.timestamp.0 {
            0 => first.unwrap_or_default(),
            start => start,
        };
        let end = start.saturating_add(self.duration.0);
        let kind = span::SpanKind::from_str_name(&format!("SPAN_KIND_{}", self.kind));
        let tags = self.tags.into_iter().map(|(key, Tag(tag))| (key, tag));
        let mut tags = tags.collect();
        let status = take_status(&mut tags);
        let scope = take_scope(&mut tags);
        let events = self.annotations.into_iter().map(|annotation| span::Event {
            time_unix_nano: annotation.timestamp.0.saturating_mul(1000),
            name: annotation.value,
            ..span::Event::default()
        });
        let (service, peer) = (self.local_endpoint.service_name, self.remote_endpoint);
        let tags = tags.iter().map(|(key, tag)| text(key, tag));
        let port = peer.port.map(|port| Value::IntValue(port.into()));
        let (name, address) = (peer.service_name, peer.ipv4.or(peer.ipv6));
        let peer = [
            name.map(|name| text("service.peer.name", &name)),
            address.map(|address| text("network.peer.address", &address)),
            port.map(|port| attribute("network.peer.port", port)),
        ];
        let span = Span {
            trace_id: id(&self.trace_id, 16),
            span_id,
            parent_span_id,
            name: self.name,
            kind: kind.unwrap_or(span::SpanKind::Internal).into(),
            start_time_unix_nano: start.saturating_mul(1000),
            end_time_unix_nano: end.saturating_mul(1000),
            attributes: tags.chain(peer.into_iter().flatten()).collect(),
            events: events.collect(),
            status: Some(status),
            ..Span::default()
        };
        let mut sent = ResourceSpans::default();
        let attributes = &mut sent.resource.get_or_insert_default().attributes;
        attributes.extend(service.map(|name| text("service.name", &name)));
        sent.scope_spans.push(ScopeSpans {
            scope: Some(scope),
            spans: vec![span],
            ..ScopeSpans::default()
        });
        sent
    }
}
