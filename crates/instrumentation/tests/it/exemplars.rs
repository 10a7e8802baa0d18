//! From a bucket of `/metrics` to the trace behind it.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use instrumentation::Exemplars;
use instrumentation::client::Client;
use instrumentation::server::Layer;
use openmetrics::Exposition;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::Sampler;
use reqwest::{Method, Request, Url};

use crate::recorded::{Recorded, propagator};
use crate::server::{send, serve};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// As a service passes them on to what it instruments with.
fn exemplars_of(exposition: &Exposition) -> Exemplars {
    let exemplars = exposition.exemplars().clone();
    Arc::new(move |instrument, unit, attributes, bounds| {
        let label = |label: &KeyValue| (label.key.to_string(), label.value.to_string());
        let labels: Vec<_> = attributes.iter().map(label).collect();
        let series = exemplars.instrument(instrument, unit, &labels, bounds);
        Box::new(move |value, at, span| {
            let (trace_id, span_id) = (span.trace_id(), span.span_id());
            series.record(value, at, trace_id.to_bytes(), span_id.to_bytes());
        })
    })
}

/// Calls `/ok` by the client once and directly once, then returns what a scrape sees.
async fn scrape(recorded: &Recorded) -> String {
    let registry = prometheus::Registry::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()
        .unwrap();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    let exposition = Exposition::new(registry);
    let (meter, exemplars) = (meters.meter("test"), exemplars_of(&exposition));
    let layer =
        Layer::new(recorded.tracer(), &meter, propagator()).with_exemplars(exemplars.clone());
    let router = Router::new().route("/ok", get(|| async { "ok" })).route(
        "/broken",
        get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
    );
    let address = serve(router.layer(layer)).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client =
        Client::new(http, recorded.tracer(), &meter, propagator()).with_exemplars(exemplars);
    let url = Url::parse(&format!("http://{address}/ok")).unwrap();
    client
        .execute(Request::new(Method::GET, url))
        .await
        .unwrap();
    send(address, b"GET /broken HTTP/1.0\r\n\r\n").await;
    String::from_utf8(exposition.encode(Some(OPENMETRICS)).body).unwrap()
}

/// The exemplars of the series of `family` that has `label`.
fn exemplars<'a>(scraped: &'a str, family: &str, label: &str) -> Vec<&'a str> {
    let bucket = format!("{family}_bucket{{");
    let lines = scraped
        .lines()
        .filter(|line| line.starts_with(&bucket) && line.contains(label));
    lines
        .filter_map(|line| line.split_once(" # ").map(|(_, exemplar)| exemplar))
        .collect()
}

#[tokio::test]
async fn sampled_request_is_the_exemplar_of_its_series() {
    let recorded = Recorded::new();
    let scraped = scrape(&recorded).await;
    let spans = recorded.ended(3).await;
    for (family, label, kind, name) in [
        (
            "http_server_request_duration_seconds",
            "http_route=\"/ok\"",
            SpanKind::Server,
            "GET /ok",
        ),
        (
            "http_server_request_duration_seconds",
            "error_type=\"500\"",
            SpanKind::Server,
            "GET /broken",
        ),
        (
            "http_client_request_duration_seconds",
            "server_address=\"127.0.0.1\"",
            SpanKind::Client,
            "GET",
        ),
    ] {
        let span = spans
            .iter()
            .find(|span| span.span_kind == kind && span.name == name)
            .unwrap();
        let [exemplar] = exemplars(&scraped, family, label)[..] else {
            panic!("{label}\n{scraped}")
        };
        let (trace_id, span_id) = (span.span_context.trace_id(), span.span_context.span_id());
        assert!(
            exemplar.contains(&format!("trace_id=\"{trace_id}\"")),
            "{exemplar}"
        );
        assert!(
            exemplar.contains(&format!("span_id=\"{span_id}\"")),
            "{exemplar}"
        );
        let value: f64 = exemplar
            .split("} ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let lasted = span
            .end_time
            .duration_since(span.start_time)
            .unwrap()
            .as_secs_f64();
        assert!((value - lasted).abs() < 1e-6, "{exemplar}, {lasted}");
    }
}

#[tokio::test]
async fn request_that_is_not_sampled_is_no_exemplar() {
    let recorded = Recorded::sampled_by(Sampler::AlwaysOff);
    let scraped = scrape(&recorded).await;
    assert!(scraped.contains("http_server_request_duration_seconds_bucket{"));
    assert!(scraped.contains("http_client_request_duration_seconds_bucket{"));
    assert!(!scraped.contains("trace_id"), "{scraped}");
}
