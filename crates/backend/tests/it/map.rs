//! Which service calls which, over real connections.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backend::{Backend, Settings, Target};
use serde_json::{Value, json};

use crate::{CLIENT, JSON, post, settings, start};

/// A span of `service`: trace, id, parent (0: none), kind, milliseconds, whether it is an error, whom it says it calls.
struct Span(&'static str, u64, u64, u64, u8, u64, bool, &'static str);

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT_KIND: u8 = 3;

/// Sends spans that began `ago`.
async fn send(backend: &Backend, ago: Duration, spans: &[Span]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let start = u64::try_from((now - ago).as_nanos()).unwrap();
    let spans = spans.iter().map(|Span(service, trace, id, parent, kind, ms, error, peer)| {
        let parent = if *parent == 0 { String::new() } else { format!("{parent:016x}") };
        let attributes = match peer.split_once(':') {
            Some((address, port)) => json!([
                {"key": "server.address", "value": {"stringValue": address}},
                {"key": "server.port", "value": {"intValue": port}},
            ]),
            None => json!([]),
        };
        json!({
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [{
                "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "parentSpanId": parent,
                "name": "x", "kind": kind, "status": {"code": if *error { 2 } else { 0 }}, "attributes": attributes,
                "startTimeUnixNano": start.to_string(),
                "endTimeUnixNano": (start + ms * 1_000_000).to_string(),
            }]}],
        })
    });
    let body = json!({"resourceSpans": spans.collect::<Vec<_>>()}).to_string();
    assert_eq!(
        post(backend, "/v1/traces", &[JSON], body).await.status(),
        200
    );
}

async fn map(backend: &Backend) -> Value {
    let answer = CLIENT.get(format!("http://{}/api/map", backend.query()));
    let answer = answer.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

const NOW: Duration = Duration::from_secs(10);

#[tokio::test]
async fn calls_are_counted_between_services_as_their_callers_saw_them() {
    let backend = start();
    for (trace, ms, error) in [(1, 10, false), (2, 30, false), (3, 20, true)] {
        let spans = [
            Span("Ping", trace, 1, 0, SERVER, ms + 1, error, ""),
            Span("Ping", trace, 2, 1, INTERNAL, ms + 1, false, ""),
            Span(
                "Ping",
                trace,
                3,
                2,
                CLIENT_KIND,
                ms,
                false,
                "127.0.0.1:8082",
            ),
            Span("Pong", trace, 4, 3, SERVER, 1, error, ""),
            Span("Pong", trace, 5, 4, INTERNAL, 1, false, ""),
        ];
        send(&backend, NOW, &spans).await;
    }
    let mut found = map(&backend).await;
    let rate = found["calls"][0]["rate"].take().as_f64().unwrap();
    assert!(rate > 0.0 && rate <= 0.3, "3 calls in 10 s or more: {rate}");
    let expected = json!({
        "services": [
            {"name": "Ping", "spans": 9, "errors": 1},
            {"name": "Pong", "spans": 6, "errors": 1},
        ],
        "calls": [{"from": "Ping", "to": "Pong", "calls": 3, "errors": 1, "rate": null, "p50": 20.0, "p95": 30.0}],
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn call_without_an_answer_goes_to_the_service_known_at_its_address_or_to_the_address() {
    let target = Target {
        name: "Pong".to_owned(),
        url: "http://127.0.0.1:8082".to_owned(),
    };
    let scraped = Backend::start(Settings {
        scraped: vec![target],
        ..settings()
    })
    .unwrap();
    let learned = start();
    let once = [
        Span("Ping", 1, 1, 0, CLIENT_KIND, 5, false, "127.0.0.1:8082"),
        Span("Pong", 1, 2, 1, SERVER, 5, false, ""),
    ];
    send(&learned, NOW, &once).await;
    for (backend, before) in [(&scraped, 0), (&learned, 1)] {
        let calls = [
            Span("Ping", 2, 1, 0, CLIENT_KIND, 5, true, "127.0.0.1:8082"),
            Span("Ping", 3, 1, 0, CLIENT_KIND, 7, false, "example.com:443"),
            Span("Ping", 4, 1, 0, CLIENT_KIND, 7, false, ""),
        ];
        send(backend, NOW, &calls).await;
        let found = map(backend).await;
        let calls: Vec<_> = found["calls"].as_array().unwrap().iter().collect();
        let calls: Vec<_> = calls
            .iter()
            .map(|call| (&call["to"], call["calls"].as_u64(), call["errors"].as_u64()))
            .collect();
        let expected = [
            (&json!("Pong"), Some(before + 1), Some(1)),
            (&json!("example.com:443"), Some(1), Some(0)),
        ];
        assert_eq!(calls, expected);
        let names = found["services"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|service| &service["name"]).collect();
        assert_eq!(names, ["Ping", "Pong", "example.com:443"]);
    }
}

#[tokio::test]
async fn traces_of_more_than_fifteen_minutes_ago_are_not_on_the_map() {
    let backend = start();
    let old = [Span("Old", 1, 1, 0, SERVER, 1, false, "")];
    send(&backend, Duration::from_secs(16 * 60), &old).await;
    assert_eq!(map(&backend).await, json!({"services": [], "calls": []}));
}

#[tokio::test]
async fn map_stays_a_picture_however_many_services_there_are() {
    let backend = start();
    let mut spans = vec![Span("Ping", 1, 1, 0, CLIENT_KIND, 1, false, "")];
    for id in 2..2_000 {
        let service = Box::leak(format!("service-{id}-{}", "x".repeat(1_000)).into_boxed_str());
        spans.push(Span(service, 1, id, id - 1, CLIENT_KIND, 1, false, ""));
    }
    send(&backend, NOW, &spans).await;
    let found = map(&backend).await;
    assert_eq!(found["services"].as_array().unwrap().len(), 100);
    assert!(found.to_string().len() < 200_000);
}
