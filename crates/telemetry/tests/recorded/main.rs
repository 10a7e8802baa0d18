//! `docs/testing.md`, whose code these tests are: what a service records, in memory, seen by the tests of that service.
//!
//! `orders` is the service, as its owner would write it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod first;
mod hundred;
mod later;
mod metrics;
mod orders;
mod same;
mod threads;
mod two_services;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request};
use opentelemetry_sdk::trace::SpanData;

/// All attributes of a span, to compare them as a whole.
fn attributes(span: &SpanData) -> BTreeMap<&str, String> {
    let attributes = span.attributes.iter();
    attributes
        .map(|attribute| (attribute.key.as_str(), attribute.value.to_string()))
        .collect()
}

/// Names of spans.
fn names(spans: &[SpanData]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_ref()).collect()
}

/// A request without a body.
fn request(method: Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}
