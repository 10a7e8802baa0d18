//! Rate, errors and duration of any service, from its spans.

use std::time::{SystemTime, UNIX_EPOCH};

use backend::{Span, SpanKind};
use serde_json::Value;

use crate::{CLIENT, plain::span, start};

#[tokio::test]
async fn a_service_has_rate_errors_and_percentiles_of_the_last_minutes() {
    let backend = start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_nanos()).unwrap();
    let spans = (1..=60_u64).map(|id| Span {
        kind: SpanKind::Server,
        name: "GET /ping".into(),
        start_unix_nanos: now,
        end_unix_nanos: now + id * 1_000_000,
        ..span(id, id)
    });
    let old = Span {
        kind: SpanKind::Server,
        start_unix_nanos: now - 3_600_000_000_000,
        ..span(100, 1)
    };
    backend
        .store()
        .insert_spans(spans.chain([old, span(101, 1)]).collect());
    let get = async |query: &str| {
        let url = format!("http://{}/api/red{query}", backend.query());
        let answer = CLIENT.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = get("?service=Ping").await;
    assert_eq!(status, 200, "{text}");
    let figures: Value = serde_json::from_str(&text).unwrap();
    let [operation] = &figures["operations"].as_array().unwrap()[..] else {
        panic!("{text}")
    };
    assert_eq!(operation["name"], "GET /ping");
    let minute = &operation["minutes"][0];
    assert_eq!(
        (minute["rate"].as_f64(), minute["errors"].as_f64()),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(
        (minute["p50"].as_f64(), minute["p95"].as_f64()),
        (Some(30.0), Some(57.0))
    );
    assert_eq!(
        get("?service=Pong").await,
        (200, r#"{"truncated":false,"operations":[]}"#.to_owned())
    );
    assert_eq!(
        get("").await,
        (400, r#"{"error":"service is missing"}"#.to_owned())
    );
    backend.stop().await;
}
