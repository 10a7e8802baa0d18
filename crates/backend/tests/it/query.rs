//! Jaeger's query API over HTTP. What a real Jaeger answers is in `tests/jaeger`; here is what needs none.

use backend::Backend;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{CLIENT, JSON, LIMIT, post, sample, start};

/// Status and body of the answer to `path`.
async fn get(backend: &Backend, path: &str) -> (StatusCode, Value) {
    let url = format!("http://{}{path}", backend.query());
    let answer = CLIENT.get(url).send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "application/json",
        "{path}"
    );
    (
        answer.status(),
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(),
    )
}

/// A backend that has been sent `request`.
async fn with(request: &str) -> Backend {
    let backend = start();
    let answer = post(&backend, "/v1/traces", &[JSON], request.to_owned()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), "{}");
    backend
}

fn of_services(spans: &[(&str, u64)]) -> String {
    let resource_spans: Vec<_> = spans
        .iter()
        .map(|(service, number)| {
            json!({
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                "scopeSpans": [{"spans": [{
                    "traceId": "000000000000000000000000000000ab", "spanId": format!("{number:016x}"),
                    "parentSpanId": if *number > 1 { format!("{:016x}", number - 1) } else { String::new() },
                    "name": "a/b c", "kind": 2, "startTimeUnixNano": format!("{}", 1_000_000 * number),
                }]}]
            })
        })
        .collect();
    json!({ "resourceSpans": resource_spans }).to_string()
}

#[tokio::test]
async fn what_the_data_source_of_grafana_asks_is_answered() {
    let backend = with(&of_services(&[("a/b c", 1), ("two", 2), ("two", 3)])).await;
    let list = |data: Value| json!({"data": data, "total": data.as_array().map(Vec::len), "limit": 0, "offset": 0, "errors": null});
    assert_eq!(
        get(&backend, "/api/services").await.1,
        list(json!(["a/b c", "two"]))
    );
    let (status, operations) = get(&backend, "/api/services/a%2Fb%20c/operations").await;
    assert_eq!((status.as_u16(), operations), (200, list(json!(["a/b c"]))));
    let operation = json!({"name": "a/b c", "spanKind": "server"});
    assert_eq!(
        get(&backend, "/api/operations?service=two").await.1,
        list(json!([operation]))
    );

    let search = "service=two&operation=a%2Fb+c&start=0&end=9000000&minDuration=0ms&maxDuration=1h&limit=20&lookback=1h";
    let (_, found) = get(
        &backend,
        &format!("/api/traces?{search}&tags=%7B%22span.kind%22%3A%22server%22%7D"),
    )
    .await;
    let (_, trace) = get(&backend, "/api/traces/00000000000000AB").await;
    assert_eq!(trace["data"][0]["spans"].as_array().unwrap().len(), 3);
    assert_eq!(found, trace);
    let (_, dependencies) = get(&backend, "/api/dependencies?endTs=100&lookback=100").await;
    assert_eq!(
        dependencies["data"],
        json!([{"parent": "a/b c", "child": "two", "callCount": 1}])
    );
    backend.stop().await;
}

#[tokio::test]
async fn otlp_that_was_sent_comes_back_as_it_was() {
    let backend = with(sample::FULL_JSON).await;
    let sent = backend.store().wait_for_trace(2, LIMIT).await.unwrap();
    let (_, answer) = get(&backend, &format!("/api/v3/traces/{}", sample::TRACE)).await;
    let again = with(&answer["result"].to_string()).await;
    assert_eq!(
        again.store().trace(sample::TRACE.parse().unwrap()),
        Some(sent)
    );
    backend.stop().await;
    again.stop().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_answered_is_told_why() {
    let backend = start();
    for (path, status, message) in [
        ("traces", 400, "parameter 'service' is required"),
        (
            "traces?service=a&minDuration=5",
            400,
            "unable to parse param 'minDuration': \"5\" is not a duration such as 1.5s, 100ms or 1m30s",
        ),
        (
            "traces/x",
            400,
            "\"x\" is not a trace id of up to 32 hex digits",
        ),
        ("traces/1", 404, "trace not found"),
    ] {
        let errors = json!([{"code": status, "msg": message}]);
        let expected = json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors});
        let (code, body) = get(&backend, &format!("/api/{path}")).await;
        assert_eq!((code.as_u16(), body), (status, expected), "{path}");
    }
    for (path, status, message) in [
        (
            "traces",
            400,
            "query.start_time_min and query.start_time_max are required",
        ),
        (
            "traces/x",
            400,
            "malformed parameter trace_id: \"x\" is not a trace id of up to 32 hex digits",
        ),
        ("traces/0", 404, "No traces found"),
    ] {
        let expected = json!({"error": {"httpCode": status, "message": message}});
        let (code, body) = get(&backend, &format!("/api/v3/{path}")).await;
        assert_eq!((code.as_u16(), body), (status, expected), "{path}");
    }
    backend.stop().await;
}
