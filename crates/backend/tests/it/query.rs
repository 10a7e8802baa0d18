//! Jaeger's query API over HTTP. What a real Jaeger answers is in `tests/jaeger`; here is what needs none.

use backend::Backend;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{CLIENT, GZIP, JSON, LIMIT, gzip, post, sample, start};

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
async fn summaries_of_traces_are_those_that_jaegers_page_lists() {
    let span = |service: &str, id: u64, parent: u64, times: [u64; 2], name: &str, status: u64| {
        json!({
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [{
                "traceId": "000000000000000000000000000000ab", "spanId": format!("{id:016x}"),
                "parentSpanId": if parent > 0 { format!("{parent:016x}") } else { String::new() },
                "name": name, "startTimeUnixNano": times[0].to_string(), "endTimeUnixNano": times[1].to_string(),
                "status": {"code": status},
            }]}]
        })
    };
    let spans = [
        span("shop", 1, 0, [5_000_000_001, 9_000_000_000], "GET /", 0),
        span("shop", 2, 1, [6_000_000_000, 9_000_000_007], "GET", 2),
        span("cart", 3, 99, [5_000_000_000, 5_000_000_001], "orphan", 2),
        span("shop", 4, 0, [6_000_000_000, 6_000_000_000], "later", 0),
    ];
    let backend = with(&json!({ "resourceSpans": spans }).to_string()).await;
    let times =
        "query.startTimeMin=1970-01-01T00:00:00.000Z&query.startTimeMax=1970-01-02T00:00:00.000Z";
    let ask =
        async |more: &str| get(&backend, &format!("/api/v3/trace-summaries?{times}&{more}")).await;
    let summary = json!({
        "traceId": "000000000000000000000000000000ab",
        "rootServiceName": "shop",
        "rootOperationName": "GET /",
        "minStartTimeUnixNano": "5000000000",
        "maxEndTimeUnixNano": "9000000007",
        "spanCount": 4,
        "errorSpanCount": 2,
        "orphanSpanCount": 1,
        "services": [
            {"name": "cart", "spanCount": 1, "errorSpanCount": 1},
            {"name": "shop", "spanCount": 3, "errorSpanCount": 1},
        ],
    });
    for search in ["", "query.serviceName=cart&query.searchDepth=20"] {
        let (status, answer) = ask(search).await;
        assert_eq!(
            (status.as_u16(), answer),
            (200, json!({"summaries": [summary]})),
            "{search}"
        );
    }
    let (status, answer) = ask("query.serviceName=nobody").await;
    assert_eq!((status.as_u16(), answer), (200, json!({"summaries": []})));
    let (status, _) = get(&backend, "/api/v3/trace-summaries").await;
    assert_eq!(status, 400);
    backend.stop().await;
}

#[tokio::test]
async fn a_search_of_the_newer_form_finds_a_hundred_traces_unless_told_otherwise() {
    let spans: Vec<_> = (1..=101)
        .map(|id: u64| json!({"traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "startTimeUnixNano": "1"}))
        .collect();
    let backend =
        with(&json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()).await;
    for (depth, found) in [
        ("", 100),
        ("&query.searchDepth=7", 7),
        ("&query.num_traces=101", 101),
    ] {
        let times =
            "query.startTimeMin=1970-01-01T00:00:00Z&query.startTimeMax=1970-01-02T00:00:00Z";
        let (_, answer) = get(&backend, &format!("/api/v3/trace-summaries?{times}{depth}")).await;
        assert_eq!(
            answer["summaries"].as_array().unwrap().len(),
            found,
            "{depth}"
        );
    }
    backend.stop().await;
}

#[tokio::test]
async fn a_file_that_jaegers_page_sends_is_shown_as_if_it_had_arrived_and_is_not_kept() {
    let arrived = with(sample::FULL_JSON).await;
    let (_, expected) = get(&arrived, &format!("/api/traces/{}", sample::TRACE)).await;
    let backend = start();
    let transform = async |body: Vec<u8>, headers: &[(&str, &str)]| {
        let mut request = CLIENT.post(format!("http://{}/api/transform", backend.query()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let file = sample::FULL_JSON.as_bytes().to_vec();
    assert_eq!(
        transform(gzip(&file), &[GZIP]).await,
        (200, expected.clone())
    );
    assert_eq!(transform(file, &[]).await, (200, expected));

    let one = json!({"name": "good", "traceId": "000000000000000000000000000000ab", "spanId": "0000000000000001"});
    let bad = json!({"name": "bad", "traceId": "ab", "spanId": "0000000000000001"});
    let spans = json!({"resourceSpans": [{"scopeSpans": [{"spans": [bad, one]}]}]});
    let (status, answer) = transform(spans.to_string().into_bytes(), &[]).await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"][0]["spans"][0]["operationName"], "good");
    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
    let fault = answer["errors"][0]["msg"].as_str().unwrap();
    assert!(fault.contains("bad"), "{fault}");

    let (status, answer) = transform(b"{".to_vec(), &[]).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (400, &json!(400)));
    let many = format!("{{\"resourceSpans\":[{}{{}}]}}", "{},".repeat(250_000));
    assert_eq!(transform(many.into_bytes(), &[]).await.0, 413);
    let page = [("origin", "https://example.com")];
    let foreign = CLIENT.post(format!("http://{}/api/transform", backend.query()));
    let foreign = foreign.header(page[0].0, page[0].1).body("{}");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    assert!(backend.store().is_empty());
    backend.stop().await;
    arrived.stop().await;
}

#[tokio::test]
async fn an_answer_is_indented_for_whoever_asks_for_it() {
    let backend = with(sample::FULL_JSON).await;
    let text = async |path: &str| {
        let url = format!("http://{}/api/{path}", backend.query());
        CLIENT.get(url).send().await.unwrap().text().await.unwrap()
    };
    for path in [
        "services",
        "services/Ping/operations",
        "operations?service=Ping",
        "traces?service=Ping",
        &format!("traces?traceID={}", sample::TRACE),
        &format!("traces/{}", sample::TRACE),
        "dependencies",
    ] {
        let more = if path.contains('?') { '&' } else { '?' };
        let plain = text(path).await;
        assert_eq!(text(&format!("{path}{more}prettyPrint=false")).await, plain);
        assert!(!plain.contains('\n'), "{path}");
        let indented = text(&format!("{path}{more}prettyPrint=true")).await;
        assert!(
            indented.starts_with("{\n    \"data\": ["),
            "{path}: {indented}"
        );
        let [plain, indented] =
            [plain, indented].map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(plain, indented, "{path}");
    }
    backend.stop().await;
}

/// Grafana sends the offset of its reader's time zone as it is.
#[tokio::test]
async fn a_plus_in_a_time_need_not_be_escaped() {
    let backend = with(&of_services(&[("one", 1)])).await;
    for (times, found) in [
        (
            "1970-01-01T00:59:59+01:00&query.start_time_max=1970-01-01T01:00:01+01:00",
            1,
        ),
        (
            "1970-01-01T01:00:01+01:00&query.start_time_max=1970-01-01T01:00:02+01:00",
            0,
        ),
        (
            "1970-01-01T00:59:59%2B01:00&query.start_time_max=1970-01-01T01:00:01%2B01:00",
            1,
        ),
    ] {
        let path = format!("/api/v3/trace-summaries?query.start_time_min={times}");
        let (_, answer) = get(&backend, &path).await;
        assert_eq!(
            answer["summaries"].as_array().unwrap().len(),
            found,
            "{times}"
        );
    }
    backend.stop().await;
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
        (
            "metrics/calls?service=a",
            501,
            "no metrics are derived from spans here",
        ),
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
        (
            "traces?query.start_time_min=2018-12-13T00:00:00Z&query.start_time_max=2018-12-13T00:00:00Z",
            400,
            "query.start_time_min must be before query.start_time_max",
        ),
    ] {
        let expected = json!({"error": {"httpCode": status, "message": message}});
        let (code, body) = get(&backend, &format!("/api/v3/{path}")).await;
        assert_eq!((code.as_u16(), body), (status, expected), "{path}");
    }
    backend.stop().await;
}
