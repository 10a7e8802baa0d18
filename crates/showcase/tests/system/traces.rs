//! One request, five spans, one trace.

use std::collections::HashSet;
use std::sync::Arc;

use backend::{Attributes, Span, SpanKind, StatusCode, Trace, Value};
use reqwest::StatusCode as Http;

use crate::PATIENCE;
use crate::pair::Pair;

const FIVE: [(&str, SpanKind, &str); 5] = [
    ("GET /ping", SpanKind::Server, "Ping"),
    ("ping-request", SpanKind::Internal, "Ping"),
    ("GET", SpanKind::Client, "Ping"),
    ("GET /pong", SpanKind::Server, "Pong"),
    ("pong-request", SpanKind::Internal, "Pong"),
];

/// The five spans from the root down; each is the parent of the next.
pub(crate) fn chain(trace: &Trace) -> [Arc<Span>; 5] {
    let rows = trace.tree().rows;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.span.name.as_str(), row.span.kind, row.span.service()))
        .collect();
    assert_eq!(found, FIVE);
    let depths: Vec<_> = rows.iter().map(|row| row.depth).collect();
    assert_eq!(depths, [0, 1, 2, 3, 4]);
    let spans: Vec<_> = rows.into_iter().map(|row| row.span).collect();
    spans.try_into().expect("five spans")
}

fn events(span: &Span) -> Vec<&str> {
    span.events
        .iter()
        .map(|event| event.name.as_str())
        .collect()
}

fn port(url: &str) -> Value {
    let port: u16 = url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    port.into()
}

/// The attribute, for what only the machine knows.
fn as_sent(attributes: &Attributes, key: &str) -> Value {
    attributes
        .get(key)
        .unwrap_or_else(|| panic!("{key} in {attributes:?}"))
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ping_makes_five_spans_with_exactly_these_attributes_and_events() {
    let pair = Pair::start();
    let answer = pair.get("/ping").await;
    assert_eq!(answer.status(), Http::OK);
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(answer.text().await.unwrap(), "ok");

    let trace = pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
    let [server, manual, client, pong_server, pong_manual] = chain(&trace);

    assert_eq!(
        server.attributes,
        Attributes::from([
            ("client.address", "127.0.0.1".into()),
            ("http.request.method", "GET".into()),
            ("http.response.status_code", 200.into()),
            ("http.route", "/ping".into()),
            ("network.peer.address", "127.0.0.1".into()),
            (
                "network.peer.port",
                as_sent(&server.attributes, "network.peer.port")
            ),
            ("network.protocol.version", "1.1".into()),
            ("server.address", "127.0.0.1".into()),
            ("server.port", port(&pair.ping_url)),
            ("url.path", "/ping".into()),
            ("url.scheme", "http".into()),
            ("user_agent.original", "tester/1.0".into()),
        ])
    );
    assert_eq!(
        manual.attributes,
        Attributes::from([("environment", "staging".into())])
    );
    assert_eq!(
        events(&manual),
        [
            "Start request processing",
            "Invoke external endpoint",
            "Response success",
            "Update metrics"
        ]
    );
    assert_eq!(
        client.attributes,
        Attributes::from([
            ("http.request.method", "GET".into()),
            ("http.response.status_code", 200.into()),
            ("network.peer.address", "127.0.0.1".into()),
            ("network.peer.port", port(&pair.pong_url)),
            ("network.protocol.version", "1.1".into()),
            ("server.address", "127.0.0.1".into()),
            ("server.port", port(&pair.pong_url)),
            ("url.full", format!("{}/pong", pair.pong_url).into()),
        ])
    );
    assert_eq!(
        pong_server.attributes,
        Attributes::from([
            ("client.address", "127.0.0.1".into()),
            ("http.request.method", "GET".into()),
            ("http.response.status_code", 200.into()),
            ("http.route", "/pong".into()),
            ("network.peer.address", "127.0.0.1".into()),
            (
                "network.peer.port",
                as_sent(&pong_server.attributes, "network.peer.port")
            ),
            ("network.protocol.version", "1.1".into()),
            ("server.address", "127.0.0.1".into()),
            ("server.port", port(&pair.pong_url)),
            ("url.path", "/pong".into()),
            ("url.scheme", "http".into()),
            (
                "user_agent.original",
                concat!("ping/", env!("CARGO_PKG_VERSION")).into()
            ),
        ])
    );
    assert_eq!(
        pong_manual.attributes,
        Attributes::from([("environment", "staging".into())])
    );
    assert_eq!(events(&pong_manual), ["Response success", "Update metrics"]);

    for span in [&server, &client, &pong_server] {
        assert!(span.events.is_empty(), "{span:?}");
        assert_eq!(
            span.scope.schema_url,
            "https://opentelemetry.io/schemas/1.44.0"
        );
    }
    for span in &trace.spans {
        assert_eq!(span.status.code, StatusCode::Unset);
        assert_eq!(span.scope.name, span.service());
        assert!(span.links.is_empty() && span.trace_state.is_empty());
        assert_eq!(span.flags & 1, 1, "sampled: {span:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_describes_itself_by_exactly_these_resource_attributes() {
    let pair = Pair::start();
    pair.get("/ping").await;
    let trace = pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
    let [server, .., pong] = chain(&trace);
    for (span, name, process) in [(&server, "Ping", &pair.ping), (&pong, "Pong", &pair.pong)] {
        let sent = &span.resource.attributes;
        assert_eq!(
            *sent,
            Attributes::from([
                ("host.name", as_sent(sent, "host.name")),
                (
                    "os.type",
                    std::env::consts::OS.replace("macos", "darwin").into()
                ),
                (
                    "process.creation.time",
                    as_sent(sent, "process.creation.time")
                ),
                ("process.pid", i64::from(process.id()).into()),
                ("service.instance.id", as_sent(sent, "service.instance.id")),
                ("service.name", name.into()),
                ("service.namespace", "ping-pong".into()),
                ("service.version", env!("CARGO_PKG_VERSION").into()),
                ("telemetry.sdk.language", "rust".into()),
                ("telemetry.sdk.name", "opentelemetry".into()),
                (
                    "telemetry.sdk.version",
                    as_sent(sent, "telemetry.sdk.version")
                ),
            ])
        );
        assert_eq!(
            span.resource.schema_url,
            "https://opentelemetry.io/schemas/1.44.0"
        );
    }
    let instance = |span: &Span| as_sent(&span.resource.attributes, "service.instance.id");
    assert_ne!(instance(&server), instance(&pong));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_is_continued_with_its_tracestate() {
    let pair = Pair::start();
    let headers = [
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
    ];
    pair.get_with("/ping", &headers).await;

    let trace = pair.trace("0af7651916cd43dd8448eb211c80319c", 5).await;
    let [server, ..] = chain(&trace);
    assert_eq!(
        server.parent_span_id.unwrap().to_string(),
        "b7ad6b7169203331"
    );
    for span in &trace.spans {
        assert_eq!(
            span.trace_state, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
            "{}",
            span.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_does_not_sample_is_not_exported() {
    let pair = Pair::start();
    let answer = pair
        .get_with(
            "/ping",
            &[(
                "traceparent",
                "00-11111111111111111111111111111111-b7ad6b7169203331-00",
            )],
        )
        .await;
    assert_eq!(answer.status(), Http::OK);
    pair.get_with(
        "/ping",
        &[(
            "traceparent",
            "00-22222222222222222222222222222222-b7ad6b7169203331-01",
        )],
    )
    .await;
    pair.trace("22222222222222222222222222222222", 5).await;

    // Everything that was recorded has arrived when both have flushed and ended.
    let (backend, _) = pair.stop();
    let traces = backend.store().latest(10);
    assert_eq!(traces.len(), 1, "{traces:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_concurrent_requests_make_a_hundred_traces_of_five_spans() {
    let pair = Pair::start_with(&[], &[("PONG_LATENCY", "1ms..50ms")]);
    let requests: Vec<_> = (0..100)
        .map(|_| tokio::spawn(pair.request("/ping").send()))
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().status(), Http::OK);
    }

    let all = pair.store().wait_for(PATIENCE, |store| {
        let traces = store.latest(200);
        (traces.iter().map(|trace| trace.spans.len()).sum::<usize>() >= 500).then_some(traces)
    });
    let traces = all.await.unwrap();
    assert_eq!(traces.len(), 100);
    let mut ids = HashSet::new();
    for trace in &traces {
        assert!(
            chain(trace).iter().all(|span| ids.insert(span.span_id)),
            "a span in two traces"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_a_span_without_a_route() {
    let pair = Pair::start();
    assert_eq!(pair.get("/nothing/here").await.status(), Http::NOT_FOUND);
    let trace = pair.store().wait_for_trace(1, PATIENCE).await.unwrap();
    let [span] = trace.spans.as_slice() else {
        panic!("{trace:#?}")
    };
    assert_eq!(
        (span.name.as_str(), span.status.code),
        ("GET", StatusCode::Unset)
    );
    assert_eq!(span.attributes.get("http.route"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_routes_leave_no_span() {
    let pair = Pair::start();
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(pair.get(path).await.status(), Http::OK, "{path}");
    }
    pair.get("/ping").await;
    pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
    let (backend, _) = pair.stop();
    assert_eq!(backend.store().len(), 1);
}
