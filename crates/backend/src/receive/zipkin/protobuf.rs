//! `zipkin.proto3`: the messages of openzipkin/zipkin-api, version 1.0.

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, Ipv6Addr},
};

use prost::{DecodeError, Message};

use super::sent::{self, Micros, Sent, Tag};
use crate::model::id::hex;

/// `ListOfSpans`, each as it was sent.
///
/// # Errors
///
/// It is not a list.
pub(super) fn spans(body: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    Ok(ListOfSpans::decode(body)?.spans)
}

/// One of them.
///
/// # Errors
///
/// It is not a span.
pub(super) fn span(message: &[u8]) -> Result<Sent, DecodeError> {
    let span = Span::decode(message)?;
    let kind = match span.kind() {
        Kind::Unspecified => "",
        Kind::Client => "CLIENT",
        Kind::Server => "SERVER",
        Kind::Producer => "PRODUCER",
        Kind::Consumer => "CONSUMER",
    };
    let annotations = span.annotations.into_iter();
    let tags: BTreeMap<_, _> = span.tags.into_iter().collect();
    Ok(Sent {
        trace_id: hex(&span.trace_id),
        id: hex(&span.id),
        parent_id: hex(&span.parent_id),
        kind: kind.to_owned(),
        name: span.name,
        timestamp: Micros(span.timestamp),
        duration: Micros(span.duration),
        local_endpoint: span.local_endpoint.unwrap_or_default().into(),
        remote_endpoint: span.remote_endpoint.unwrap_or_default().into(),
        annotations: annotations
            .map(|annotation| sent::Annotation {
                timestamp: Micros(annotation.timestamp),
                value: annotation.value,
            })
            .collect(),
        tags: tags.into_iter().map(|(key, tag)| (key, Tag(tag))).collect(),
        shared: span.shared,
    })
}

#[derive(Clone, PartialEq, Message)]
struct ListOfSpans {
    #[prost(bytes = "vec", repeated, tag = "1")]
    spans: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    parent_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    id: Vec<u8>,
    #[prost(enumeration = "Kind", tag = "4")]
    kind: i32,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "6")]
    timestamp: u64,
    #[prost(uint64, tag = "7")]
    duration: u64,
    #[prost(message, optional, tag = "8")]
    local_endpoint: Option<Endpoint>,
    #[prost(message, optional, tag = "9")]
    remote_endpoint: Option<Endpoint>,
    #[prost(message, repeated, tag = "10")]
    annotations: Vec<Annotation>,
    #[prost(map = "string, string", tag = "11")]
    tags: HashMap<String, String>,
    #[prost(bool, tag = "13")]
    shared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
enum Kind {
    Unspecified = 0,
    Client = 1,
    Server = 2,
    Producer = 3,
    Consumer = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Endpoint {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(bytes = "vec", tag = "2")]
    ipv4: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    ipv6: Vec<u8>,
    #[prost(int32, tag = "4")]
    port: i32,
}

impl From<Endpoint> for sent::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        let ipv4 = <[u8; 4]>::try_from(endpoint.ipv4.as_slice());
        let ipv6 = <[u8; 16]>::try_from(endpoint.ipv6.as_slice());
        Self {
            service_name: Some(endpoint.service_name).filter(|name| !name.is_empty()),
            ipv4: ipv4.ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
            ipv6: ipv6.ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
            port: u16::try_from(endpoint.port).ok().filter(|port| *port > 0),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Annotation {
    #[prost(fixed64, tag = "1")]
    timestamp: u64,
    #[prost(string, tag = "2")]
    value: String,
}
