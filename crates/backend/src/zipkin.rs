//! Zipkin's version 2 API, as far as it is for sending: `POST /api/v2/spans`, JSON, gzip or not.
//!
//! 202: all is taken. 400: it cannot be decoded; or some spans are invalid, while the others are kept. Else as
//! [`receiver`](crate::receiver).
//!
//! Spans become OTLP's: tags are attributes, annotations are events, µs become ns. The resource has the local endpoint's
//! name; the attributes `service.peer.name` and `network.peer.*` describe the remote endpoint.
//!
//! A server's span that shares its client's id becomes a child of the client's, with the first bit of its id flipped: both
//! are kept, and what the server calls stands beside its span, below the client's.

mod tags;

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, ScopeSpans, Span, span},
};
use serde::Deserialize;

use crate::{
    answer::{Encoding, Failure, Kept},
    receiver::{Receiver, refuse_other_origins, undecodable},
};

/// The route.
pub(crate) fn router(receiver: Receiver) -> Router {
    let origins = middleware::from_fn_with_state(receiver.clone(), refuse_other_origins);
    let spans = async |State(receiver): State<Receiver>, request: Request| {
        receiver.answer(request, decode, answer).await
    };
    let router = Router::new().route("/api/v2/spans", post(spans));
    router.layer(origins).with_state(receiver)
}

fn answer(_: Encoding, kept: Kept) -> Response {
    match kept.rejected {
        0 => StatusCode::ACCEPTED.into_response(),
        _ => Failure::new(StatusCode::BAD_REQUEST, kept.reason).answer(None),
    }
}

fn decode(encoding: Encoding, body: &[u8]) -> Result<ExportTraceServiceRequest, Failure> {
    if encoding != Encoding::Json {
        let message = "Content-Type is application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let spans: Vec<Sent> = serde_json::from_slice(body).map_err(undecodable)?;
    let resource_spans = spans.into_iter().map(Sent::into_otlp).collect();
    Ok(ExportTraceServiceRequest { resource_spans })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sent {
    trace_id: String,
    id: String,
    parent_id: Option<String>,
    kind: String,
    name: String,
    timestamp: Option<u64>,
    duration: u64,
    local_endpoint: Endpoint,
    remote_endpoint: Endpoint,
    annotations: Vec<Annotation>,
    tags: BTreeMap<String, String>,
    shared: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint {
    service_name: Option<String>,
    ipv4: Option<String>,
    ipv6: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize)]
struct Annotation {
    timestamp: u64,
    value: String,
}

impl Sent {
    fn into_otlp(self) -> ResourceSpans {
        let mut span_id = id(&self.id, 8);
        let mut parent_span_id = self.parent_id.map_or(vec![], |parent| id(&parent, 8));
        if self.shared {
            parent_span_id = span_id.clone();
            span_id[0] ^= 0x80;
        }
        let first = self.annotations.iter().map(|first| first.timestamp).min();
        let start = self.timestamp.or(first).unwrap_or_default();
        let end = start.saturating_add(self.duration);
        let kind = span::SpanKind::from_str_name(&format!("SPAN_KIND_{}", self.kind));
        let mut tags = self.tags;
        let status = tags::take_status(&mut tags);
        let scope = tags::take_scope(&mut tags);
        let events = self.annotations.into_iter().map(|annotation| span::Event {
            time_unix_nano: annotation.timestamp.saturating_mul(1000),
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

/// An id of hex digits, with zeros in front where there are too few. What is none becomes too short.
fn id(digits: &str, length: usize) -> Vec<u8> {
    match u128::from_str_radix(digits, 16) {
        Ok(id) if digits.len() <= 2 * length && !digits.starts_with('+') => {
            id.to_be_bytes()[16 - length..].to_vec()
        }
        _ => vec![1],
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
