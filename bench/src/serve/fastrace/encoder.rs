//! Straight from fastrace's spans to an `ExportTraceServiceRequest`. No links and no status, which this service never has.

use std::borrow::Cow;

use fastrace::collector::{Reporter, SpanRecord};
use opentelemetry_sdk::Resource;
use reqwest::blocking::Client;

/// Encodes and sends what fastrace's thread has collected.
pub(super) struct Encoder {
    client: Client,
    url: String,
    resource: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl Encoder {
    pub(super) fn new() -> Result<Self, service::Error> {
        let endpoint = crate::env("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_default();
        let resource = Resource::builder().build();
        let text = |(key, value): (&opentelemetry::Key, &opentelemetry::Value)| {
            (key.to_string().into(), value.to_string().into())
        };
        Ok(Self {
            client: Client::builder().no_proxy().build()?,
            url: format!("{}/v1/traces", endpoint.display()),
            resource: resource.iter().map(text).collect(),
        })
    }
}

impl Reporter for Encoder {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        if spans.is_empty() {
            return;
        }
        let mut request = Vec::with_capacity(spans.len() * 512);
        message(&mut request, 1, |out| {
            message(out, 1, |out| attributes(out, 1, &self.resource));
            message(out, 2, |out| {
                message(out, 1, |out| bytes(out, 1, b"Pong"));
                for record in &spans {
                    message(out, 2, |out| span(out, record));
                }
            });
        });
        let request = self.client.post(&self.url).body(request);
        let request = request.header("content-type", "application/x-protobuf");
        if let Err(error) = request.send().and_then(|answer| answer.error_for_status()) {
            eprintln!("{} spans are lost: {error}", spans.len());
        }
    }
}

fn span(out: &mut Vec<u8>, record: &SpanRecord) {
    bytes(out, 1, &record.trace_id.0.to_be_bytes());
    bytes(out, 2, &record.span_id.0.to_be_bytes());
    bytes(out, 4, &record.parent_id.0.to_be_bytes());
    bytes(out, 5, record.name.as_bytes());
    let is_server =
        |(key, value): &(Cow<'_, str>, Cow<'_, str>)| key == "span.kind" && value == "server";
    let kind = if record.properties.iter().any(is_server) {
        2
    } else {
        1
    };
    out.extend([6 << 3, kind]);
    fixed(out, 7, record.begin_time_unix_ns);
    fixed(out, 8, record.begin_time_unix_ns + record.duration_ns);
    attributes(out, 9, &record.properties);
    for event in &record.events {
        message(out, 11, |out| {
            fixed(out, 1, event.timestamp_unix_ns);
            bytes(out, 2, event.name.as_bytes());
            attributes(out, 3, &event.properties);
        });
    }
}

fn attributes(out: &mut Vec<u8>, field: u8, properties: &[(Cow<'_, str>, Cow<'_, str>)]) {
    for (key, value) in properties
        .iter()
        .filter(|(key, _)| !key.starts_with("span."))
    {
        message(out, field, |out| {
            bytes(out, 1, key.as_bytes());
            message(out, 2, |out| bytes(out, 1, value.as_bytes()));
        });
    }
}

/// A message, before which its length is written when it is known: in four bytes, the first three of which say that another
/// one follows.
fn message(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend([field << 3 | 2, 0x80, 0x80, 0x80, 0]);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    for place in 0..4 {
        out[start - 4 + place] |= (length >> (7 * place)) as u8 & 0x7f;
    }
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    let mut length = value.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(value);
}

fn fixed(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3 | 1);
    out.extend(value.to_le_bytes());
}
