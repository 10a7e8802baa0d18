//! Zipkin's spans.

use std::collections::BTreeSet;

use backend::{Attributes, Backend, SpanKind, StatusCode};
use reqwest::Response;
use serde_json::{Value, json};

use crate::{CLIENT, GZIP, JSON, PROTOBUF, field, gzip, start};

pub(crate) async fn post(
    backend: &Backend,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Response {
    let mut request = CLIENT.post(format!("http://{}/api/v2/spans", backend.zipkin()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.unwrap()
}

/// The example of Zipkin's API, and spans that have what it lacks.
pub(crate) const SPANS: &str = r#"[
    {
        "id": "352bff9a74ca9ad2", "traceId": "5af7183fb1d4cf5f", "parentId": "6b221d5bc9e6496c",
        "name": "get /api", "timestamp": 1556604172355737, "duration": 1431, "kind": "SERVER",
        "localEndpoint": {"serviceName": "backend", "ipv4": "192.168.99.1", "port": 3306},
        "remoteEndpoint": {"serviceName": "frontend", "ipv4": "172.19.0.2", "port": 58648},
        "annotations": [{"timestamp": 1556604172355800, "value": "ws"}],
        "tags": {"http.method": "GET", "http.path": "/api", "error": "timed out"}
    },
    {
        "id": "352bff9a74ca9ad2", "traceId": "5af7183fb1d4cf5f", "kind": "CONSUMER", "shared": true,
        "localEndpoint": {"serviceName": "Other"}, "remoteEndpoint": {"ipv6": "2001:db8::c001"},
        "annotations": [{"timestamp": 7, "value": "b"}, {"timestamp": 5, "value": "a"}]
    },
    {"id": "1", "traceId": "463ac35c9f6413ad48485a3953bb6124", "timestamp": 18446744073709551615, "duration": 2}
]"#;

#[tokio::test]
async fn spans_become_those_of_otlp() {
    for (headers, body) in [
        (vec![JSON], SPANS.as_bytes().to_vec()),
        (vec![JSON, GZIP], gzip(SPANS.as_bytes())),
    ] {
        let backend = start();
        let response = post(&backend, &headers, body).await;
        assert_eq!(response.status(), 202);
        assert!(response.bytes().await.unwrap().is_empty());

        let trace = backend
            .store()
            .trace("00000000000000005af7183fb1d4cf5f".parse().unwrap())
            .unwrap();
        let of = |service: &str| {
            trace
                .spans
                .iter()
                .find(|span| span.service() == service)
                .unwrap()
        };
        let [span, shared] = [of("backend"), of("Other")];
        assert_eq!(trace.spans.len(), 2);
        assert_eq!(span.span_id.to_string(), "352bff9a74ca9ad2");
        assert_eq!(span.parent_span_id.unwrap().to_string(), "6b221d5bc9e6496c");
        assert_eq!(
            (span.name.as_str(), span.kind),
            ("get /api", SpanKind::Server)
        );
        assert_eq!(
            (span.start_unix_nanos, span.end_unix_nanos),
            (1_556_604_172_355_737_000, 1_556_604_172_357_168_000)
        );
        assert_eq!(
            (span.status.code, span.status.message.as_str()),
            (StatusCode::Error, "timed out")
        );
        assert_eq!(
            span.attributes,
            Attributes::from([
                ("http.method", "GET".into()),
                ("http.path", "/api".into()),
                ("network.peer.address", "172.19.0.2".into()),
                ("network.peer.port", 58648.into()),
                ("service.peer.name", "frontend".into()),
            ])
        );
        assert_eq!(
            span.resource.attributes,
            Attributes::from([("service.name", "backend".into())])
        );
        let events = |span: &backend::Span| {
            let events = span.events.iter();
            events
                .map(|event| (event.unix_nanos, event.name.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(events(span), [(1_556_604_172_355_800_000, "ws".to_owned())]);

        assert_eq!(shared.span_id.to_string(), "b52bff9a74ca9ad2");
        assert_eq!(
            (shared.parent_span_id, shared.kind),
            (Some(span.span_id), SpanKind::Consumer)
        );
        assert_eq!(
            (shared.start_unix_nanos, shared.end_unix_nanos),
            (5000, 5000)
        );
        assert_eq!(shared.status.code, StatusCode::Unset);
        assert_eq!(
            shared.attributes,
            Attributes::from([("network.peer.address", "2001:db8::c001".into())])
        );
        assert_eq!(
            events(shared),
            [(7000, "b".to_owned()), (5000, "a".to_owned())]
        );

        let trace = backend
            .store()
            .trace("463ac35c9f6413ad48485a3953bb6124".parse().unwrap())
            .unwrap();
        let [span] = trace.spans.as_slice() else {
            panic!("{trace:?}")
        };
        assert_eq!(span.span_id.to_string(), "0000000000000001");
        assert_eq!((span.parent_span_id, span.kind), (None, SpanKind::Internal));
        assert_eq!(
            (span.start_unix_nanos, span.end_unix_nanos),
            (u64::MAX, u64::MAX)
        );
        assert_eq!(span.service(), "unknown_service");

        let received = backend.received().pop().unwrap();
        assert_eq!(
            (received.protocol, received.address),
            ("zipkin", backend.zipkin())
        );
        assert_eq!((received.spans, received.refused), (3, 0));
        backend.stop().await;
    }
}

/// The tags are those of OpenTelemetry's exporters, and a status comes to Jaeger's form by one way.
#[tokio::test]
async fn tags_that_stand_for_a_status_or_a_scope_become_these_and_show_once() {
    for (tags, code, message) in [
        (json!({}), StatusCode::Unset, ""),
        (json!({"otel.status_code": "OK"}), StatusCode::Ok, ""),
        (json!({"otel.status_code": "UNSET"}), StatusCode::Unset, ""),
        (json!({"otel.status_code": "ERROR"}), StatusCode::Error, ""),
        (
            json!({"otel.status_code": "ERROR", "error": "why"}),
            StatusCode::Error,
            "why",
        ),
        (
            json!({"otel.status_code": "ERROR", "error": "true", "otel.status_description": "why"}),
            StatusCode::Error,
            "why",
        ),
        (json!({"error": "true"}), StatusCode::Error, ""),
        (json!({"error": "why"}), StatusCode::Error, "why"),
    ] {
        let backend = start();
        let mut span = json!({"traceId": "1", "id": "1", "tags": tags});
        span["tags"]["otel.scope.name"] = "orders".into();
        span["tags"]["otel.scope.version"] = "1.2".into();
        span["tags"]["otel.library.name"] = "orders".into();
        span["tags"]["otel.library.version"] = "1.2".into();
        span["tags"]["http.path"] = "/".into();
        let response = post(&backend, &[JSON], json!([span]).to_string()).await;
        assert_eq!(response.status(), 202);

        let trace = backend.store().latest(1).pop().unwrap();
        let span = &trace.spans[0];
        assert_eq!(
            (span.status.code, span.status.message.as_str()),
            (code, message),
            "{tags}"
        );
        assert_eq!(
            (span.scope.name.as_str(), span.scope.version.as_str()),
            ("orders", "1.2")
        );
        assert_eq!(
            span.attributes,
            Attributes::from([("http.path", "/".into())])
        );

        let shown = CLIENT.get(format!("http://{}/api/traces/1", backend.query()));
        let shown = shown.send().await.unwrap().bytes().await.unwrap();
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        let tags = shown["data"][0]["spans"][0]["tags"].as_array().unwrap();
        let keys: Vec<_> = tags.iter().map(|tag| tag["key"].as_str()).collect();
        let once: BTreeSet<_> = keys.iter().collect();
        assert_eq!(keys.len(), once.len(), "{keys:?}");
        backend.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_list_of_spans_is_400() {
    let backend = start();
    for body in [
        "",
        "{}",
        "[",
        "[1]",
        r#"[{"id": 1}]"#,
        r#"[{"tags": {"a": 1}}]"#,
        "[{}]",
    ] {
        let response = post(&backend, &[JSON], body).await;
        assert_eq!(response.status(), 400, "{body}");
        assert!(!response.text().await.unwrap().is_empty());
    }
    assert_eq!(post(&backend, &[JSON], "[]").await.status(), 202);
    assert!(backend.store().is_empty());
    assert_eq!(backend.received()[2].refused, 7);
}

/// aiozipkin always sends a remote endpoint.
#[tokio::test]
async fn null_is_absent_everywhere_but_in_ids() {
    let backend = start();
    let span = r#"{
        "traceId": "1", "id": "1", "parentId": null, "kind": null, "name": null, "timestamp": null, "duration": null,
        "localEndpoint": null, "remoteEndpoint": null, "annotations": null, "tags": null, "shared": null, "debug": null
    }"#;
    let nested = r#"{
        "traceId": "1", "id": "2", "parentId": "",
        "localEndpoint": {"serviceName": null, "ipv4": null, "ipv6": null, "port": null},
        "annotations": [{"timestamp": 1, "value": null}], "tags": {"a": null, "b": "c"}
    }"#;
    let response = post(&backend, &[JSON], format!("[{span}, {nested}]")).await;
    assert_eq!(response.status(), 202);
    let id = "00000000000000000000000000000001".parse().unwrap();
    let trace = backend.store().trace(id).unwrap();
    let of = |id: &str| {
        let id = id.parse().unwrap();
        let mut spans = trace.spans.iter();
        spans.find(|span| span.span_id == id).unwrap()
    };
    let [span, nested] = [of("0000000000000001"), of("0000000000000002")];
    assert_eq!((span.name.as_str(), span.parent_span_id), ("", None));
    assert_eq!(span.attributes, Attributes::default());
    assert_eq!(nested.parent_span_id, None);
    assert_eq!(nested.attributes, Attributes::from([("b", "c".into())]));

    for ids in [
        r#""traceId": null, "id": "1""#,
        r#""traceId": "1", "id": null"#,
    ] {
        let response = post(&backend, &[JSON], format!("[{{{ids}}}]")).await;
        assert_eq!(response.status(), 400, "{ids}");
    }
}

#[tokio::test]
async fn json_needs_no_content_type_and_numbers_may_be_text_and_tags_numbers() {
    let span = r#"[{"traceId": "1", "id": "1", "timestamp": "1556604172355737", "duration": 1431.0, "tags": {"status": 200, "cached": true}}]"#;
    let cases: [&[(&str, &str)]; 3] = [
        &[],
        &[("content-type", "text/plain;charset=UTF-8")],
        &[("content-type", "application/x-www-form-urlencoded")],
    ];
    for headers in cases {
        let backend = start();
        assert_eq!(post(&backend, headers, span).await.status(), 202);
        let span = &backend.store().latest(1)[0].spans[0];
        assert_eq!(
            (span.start_unix_nanos, span.end_unix_nanos),
            (1_556_604_172_355_737_000, 1_556_604_172_357_168_000)
        );
        let expected = Attributes::from([("cached", "true".into()), ("status", "200".into())]);
        assert_eq!(span.attributes, expected);
    }
}

#[tokio::test]
async fn one_span_that_cannot_be_read_costs_only_itself() {
    let backend = start();
    let spans =
        r#"[{"traceId": "1", "id": "1"}, {"traceId": "1", "id": "2", "timestamp": "noon"}, 5]"#;
    let response = post(&backend, &[JSON], spans).await;
    assert_eq!(response.status(), 400);
    let message = response.text().await.unwrap();
    assert!(
        message.contains("2 invalid, the first: noon is not"),
        "{message}"
    );
    assert_eq!(backend.store().span_count(), 1);
}

/// The first span of [`SPANS`] in Zipkin's protobuf, made by hand.
fn in_protobuf() -> Vec<u8> {
    let fixed64 =
        |number: u8, value: u64| [&[number << 3 | 1], value.to_le_bytes().as_slice()].concat();
    let varint = |number: u8, value: u64| {
        let mut field = vec![number << 3];
        prost::encoding::encode_varint(value, &mut field);
        field
    };
    let endpoint = |name: &[u8], ip: [u8; 4], port: u64| {
        [field(1, name), field(2, &ip), varint(4, port)].concat()
    };
    let tag = |key: &[u8], value: &[u8]| field(11, &[field(1, key), field(2, value)].concat());
    let parts = [
        field(1, &0x5af7_183f_b1d4_cf5f_u64.to_be_bytes()),
        field(2, &0x6b22_1d5b_c9e6_496c_u64.to_be_bytes()),
        field(3, &0x352b_ff9a_74ca_9ad2_u64.to_be_bytes()),
        varint(4, 2),
        field(5, b"get /api"),
        fixed64(6, 1_556_604_172_355_737),
        varint(7, 1431),
        field(8, &endpoint(b"backend", [192, 168, 99, 1], 3306)),
        field(9, &endpoint(b"frontend", [172, 19, 0, 2], 58648)),
        field(
            10,
            &[fixed64(1, 1_556_604_172_355_800), field(2, b"ws")].concat(),
        ),
        tag(b"http.method", b"GET"),
        tag(b"http.path", b"/api"),
        tag(b"error", b"timed out"),
    ];
    field(1, &parts.concat())
}

#[tokio::test]
async fn protobuf_is_taken_as_json_is() {
    let of_json = start();
    assert_eq!(post(&of_json, &[JSON], SPANS).await.status(), 202);
    let backend = start();
    let bad = field(1, &field(5, b"\xff"));
    let response = post(&backend, &[PROTOBUF], in_protobuf()).await;
    assert_eq!(response.status(), 202);
    let id = "00000000000000005af7183fb1d4cf5f".parse().unwrap();
    let trace = backend.store().trace(id).unwrap();
    let expected = of_json.store().trace(id).unwrap();
    assert!(expected.spans.contains(&trace.spans[0]), "{trace:#?}");

    let partly = [bad, in_protobuf()].concat();
    let response = post(&backend, &[PROTOBUF], partly).await;
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("1 invalid"));
    assert_eq!(post(&backend, &[PROTOBUF], "[]").await.status(), 400);

    let annotations = field(1, &[10 << 3 | 2, 0].repeat(500_001));
    assert_eq!(post(&backend, &[PROTOBUF], annotations).await.status(), 413);
}

#[tokio::test]
async fn spans_with_invalid_ids_are_400_and_the_others_are_kept() {
    let backend = start();
    for (trace, id, parent) in [
        ("", "1", "1"),
        ("0", "1", "1"),
        ("1", "00", "1"),
        ("1", "x", "1"),
        ("1", "+1", "1"),
        ("1", "12345678901234567", "1"),
        ("123456789012345678901234567890123", "1", "1"),
        ("1", "1", "12345678901234567"),
        ("1", "1", "x"),
    ] {
        let spans = format!(
            r#"[{{"traceId": "{trace}", "id": "{id}", "parentId": "{parent}", "name": "bad"}}, {{"traceId": "2", "id": "2"}}]"#
        );
        let response = post(&backend, &[JSON], spans).await;
        assert_eq!(response.status(), 400);
        let message = response.text().await.unwrap();
        assert!(message.contains(r#"1 invalid, the first: "#), "{message}");
        assert!(message.contains("bad"), "{message}");
    }
    assert_eq!(backend.store().len(), 1);
}

#[tokio::test]
async fn other_types_paths_and_pages_are_refused() {
    let backend = start();
    assert_eq!(
        post(&backend, &[JSON, ("content-encoding", "br")], "[]")
            .await
            .status(),
        415
    );
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert_eq!(post(&backend, &[JSON, GZIP], bomb).await.status(), 413);
    let many = format!("[{}{{}}]", "{},".repeat(250_000));
    assert_eq!(post(&backend, &[JSON], many).await.status(), 413);
    let origin = ("origin", "https://example.com");
    assert_eq!(post(&backend, &[JSON, origin], "[]").await.status(), 403);
    let get = CLIENT.get(format!("http://{}/api/v2/spans", backend.zipkin()));
    assert_eq!(get.send().await.unwrap().status(), 405);
    let other = CLIENT.get(format!("http://{}/api/v1/spans", backend.zipkin()));
    let response = other.send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert!(response.text().await.unwrap().contains("/api/v2/spans"));
}
