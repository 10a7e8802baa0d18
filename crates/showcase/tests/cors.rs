//! A page on another origin calls an instrumented service, as `docs/copy.md` has it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/cors.rs"]
#[expect(dead_code, reason = "its `main`")]
mod example;

use std::time::Duration;

use backend::Backend;
use instrumentation::server::Layer;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use telemetry::{Service, Settings};

const PATIENCE: Duration = Duration::from_secs(30);
const PAGE: &str = "http://localhost:5173";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// As a browser does: first the preflight, and only if that allows it, the request.
async fn call(url: &str, origin: &'static str, header: &'static str) -> Option<HeaderMap> {
    let client = reqwest::Client::new();
    let preflight = client
        .request(Method::OPTIONS, url)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", header)
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::OK);
    let said = |name: &str| {
        let value = preflight.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    if said("access-control-allow-origin")? != origin {
        return None;
    }
    let headers = said("access-control-allow-headers")?;
    headers.split(',').find(|allowed| *allowed == header)?;
    let value = format!("00-{TRACE}-b7ad6b7169203331-01");
    let answer = client
        .get(url)
        .header("origin", origin)
        .header(header, value)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    Some(answer.headers().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_another_origin_continues_its_trace_and_its_preflights_are_seen() {
    let backend = Backend::start(backend::Settings::on_free_ports()).unwrap();
    let receiver = format!("http://{}", backend.otlp_http());
    let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| receiver.clone().into());
    let service = Service::new("Orders", "1.0.0");
    let telemetry = telemetry::build(service, &Settings::from_env(&env).unwrap()).unwrap();
    let meter = telemetry.meter("orders");
    let layer = Layer::new(telemetry.tracer("Orders"), &meter, telemetry.propagator());
    let app = example::app(HeaderValue::from_static(PAGE), layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/orders", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let headers = call(&url, PAGE, "traceparent").await.unwrap();
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert!(
        call(&url, "http://evil.example", "traceparent")
            .await
            .is_none()
    );
    assert!(call(&url, PAGE, "x-other").await.is_none());

    assert!(telemetry.shutdown(PATIENCE).await.is_empty());
    let store = backend.store();
    store.wait_for_trace(1, PATIENCE).await.unwrap();
    let mut spans: Vec<_> = store
        .latest(10)
        .into_iter()
        .flat_map(|trace| trace.spans)
        .map(|span| (span.name.to_string(), span.trace_id.to_string() == TRACE))
        .collect();
    spans.sort();
    let preflight = ("OPTIONS /orders".to_owned(), false);
    let expected = [
        ("GET /orders".to_owned(), true),
        preflight.clone(),
        preflight.clone(),
        preflight,
    ];
    assert_eq!(spans, expected);
    backend.stop().await;
}
