//! When pong is not what it should be.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use backend::{Attributes, Span, SpanKind, StatusCode, Trace};
use reqwest::StatusCode as Http;

use crate::PATIENCE;
use crate::pair::Pair;

fn span<'a>(trace: &'a Trace, name: &str) -> &'a Span {
    let found = trace.spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("{name} in {trace:#?}"))
}

fn error_type(span: &Span) -> Option<&str> {
    span.attributes
        .get("error.type")
        .and_then(|value| value.as_str())
}

fn has_event(span: &Span, name: &str) -> bool {
    span.events.iter().any(|event| event.name == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_down_is_a_502_and_an_error_on_pings_spans_and_metrics() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .unwrap()
        .to_string();
    let pair = Pair::start_with(&[("PONG_ENDPOINT", &nobody)], &[]);
    let answer = pair.get("/ping").await;
    assert_eq!(answer.status(), Http::BAD_GATEWAY);
    assert_eq!(answer.text().await.unwrap(), "pong cannot be reached");

    let trace = pair.store().wait_for_trace(3, PATIENCE).await.unwrap();
    let (server, manual, client) = (
        span(&trace, "GET /ping"),
        span(&trace, "ping-request"),
        span(&trace, "GET"),
    );
    assert_eq!(
        (server.status.code, error_type(server)),
        (StatusCode::Error, Some("502"))
    );
    assert_eq!(
        (client.status.code, error_type(client)),
        (StatusCode::Error, Some("connection_refused"))
    );
    assert_eq!(manual.status.code, StatusCode::Error);
    assert!(has_event(manual, "Response with error") && !has_event(manual, "Response success"));

    let metrics = pair
        .metrics_with(r#"error_type="connection_refused""#)
        .await;
    assert!(metrics.contains(r#"error_type="502""#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_failing_is_a_502_and_an_error_on_all_five_spans() {
    let pair = Pair::start_with(&[], &[("PONG_FAILURE_RATE", "1")]);
    let answer = pair.get("/ping").await;
    assert_eq!(answer.status(), Http::BAD_GATEWAY);
    assert_eq!(
        answer.text().await.unwrap(),
        "pong answered 500 Internal Server Error"
    );

    let trace = pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
    for (name, expected) in [
        ("GET /ping", Some("502")),
        ("ping-request", None),
        ("GET", Some("500")),
        ("GET /pong", Some("500")),
        ("pong-request", None),
    ] {
        let span = span(&trace, name);
        assert_eq!(
            (span.status.code, error_type(span)),
            (StatusCode::Error, expected),
            "{name}"
        );
    }
    assert!(has_event(
        span(&trace, "pong-request"),
        "Response with error"
    ));
}

/// Ping makes its own through `tracing`, pong by the OpenTelemetry API.
#[tokio::test(flavor = "multi_thread")]
async fn both_manual_spans_have_the_same_kind_status_and_attributes() {
    for (failures, code) in [("0", StatusCode::Unset), ("1", StatusCode::Error)] {
        let pair = Pair::start_with(&[], &[("PONG_FAILURE_RATE", failures)]);
        pair.get("/ping").await;
        let trace = pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
        for name in ["ping-request", "pong-request"] {
            let span = span(&trace, name);
            assert_eq!(span.kind, SpanKind::Internal, "{name}");
            assert_eq!(span.status.code, code, "{name}");
            let is_described = !span.status.message.is_empty();
            assert_eq!(is_described, code == StatusCode::Error, "{name}");
            let expected = Attributes::from([("environment", "staging".into())]);
            assert_eq!(span.attributes, expected, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_logged_with_the_ids_of_its_span() {
    let mut pair = Pair::start_with(&[], &[("PONG_FAILURE_RATE", "1")]);
    pair.get("/ping").await;
    let trace = pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
    for (service, text, name) in [
        (&mut pair.ping, "no answer from pong", "ping-request"),
        (&mut pair.pong, "as it was told to", "pong-request"),
    ] {
        let line: serde_json::Value = serde_json::from_str(&service.line_with(text)).unwrap();
        assert_eq!(line["trace_id"], trace.id.to_string(), "{name}");
        assert_eq!(line["span_id"], span(&trace, name).span_id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_no_active_request_and_no_open_span() {
    let pair = Pair::start_with(&[], &[("PONG_LATENCY", "60s")]);
    let mut client = TcpStream::connect(pair.ping_url.trim_start_matches("http://")).unwrap();
    client
        .write_all(b"GET /ping HTTP/1.1\r\nHost: ping\r\n\r\n")
        .unwrap();
    let active = |count| format!("url_scheme=\"http\"}} {count}\n");
    pair.metrics_with(&active(1)).await;

    drop(client);
    pair.metrics_with(&active(0)).await;
    let trace = pair.store().wait_for_trace(3, PATIENCE).await.unwrap();
    let names = ["GET /ping", "ping-request", "GET"];
    assert!(
        names
            .iter()
            .all(|name| span(&trace, name).end_unix_nanos > 0)
    );
}
