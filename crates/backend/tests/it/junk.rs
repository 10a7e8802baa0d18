//! Bytes that are no requests, and requests with one field broken: an answer always, never a panic, and good senders
//! are served as before.

use std::sync::LazyLock;

use backend::{Backend, Settings};
use proptest::{collection::vec, prelude::*, sample::select};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};
use tonic::Code;

use crate::{
    CLIENT, GZIP, JSON, LIMIT, PROTOBUF,
    broken::{self, Fault},
    field, grpc, gzip, post, sample, settings, zipkin,
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const STORE: u64 = 1 << 20;

/// Sends `body` by every protocol, packed and not; then the backend must be as it was.
fn survives(body: &[u8]) {
    RUNTIME.block_on(async {
        let backend = Backend::start(Settings {
            store_bytes: STORE,
            ..settings()
        })
        .unwrap();
        for signal in ["traces", "logs", "metrics"] {
            let path = format!("/v1/{signal}");
            for encoding in [PROTOBUF, JSON] {
                let plain = post(&backend, &path, &[encoding], body.to_vec()).await;
                let plain = plain.status();
                assert!(plain == 200 || plain == 400, "{plain}");
                let packed = post(&backend, &path, &[encoding, GZIP], gzip(body)).await;
                assert_eq!(packed.status(), plain);
            }
            let unpacked = post(&backend, &path, &[PROTOBUF, GZIP], body.to_vec()).await;
            assert!([200, 400].contains(&unpacked.status().as_u16()));
        }
        for service in ["trace", "logs", "metrics"] {
            let plain = grpc::send_to(&backend, service, &[], grpc::framed(0, body)).await;
            assert!(
                [Code::Ok, Code::InvalidArgument].contains(&plain),
                "{plain}"
            );
            let packed = grpc::framed(1, &gzip(body));
            let packed = grpc::send_to(&backend, service, &[grpc::GZIP], packed).await;
            assert_eq!(packed, plain);
            let unframed = grpc::send_to(&backend, service, &[grpc::GZIP], body.to_vec()).await;
            let refusals = [Code::Ok, Code::InvalidArgument, Code::ResourceExhausted];
            assert!(refusals.contains(&unframed), "{unframed}");
        }
        for encoding in [PROTOBUF, JSON] {
            let response = zipkin::post(&backend, &[encoding], body.to_vec()).await;
            let spans = response.status();
            assert!(spans == 202 || spans == 400, "{spans}");
        }
        is_well(&backend).await;
        backend.stop().await;
    });
}

/// The store is within its bound, whatever is asked is answered, and the sample arrives by every protocol.
async fn is_well(backend: &Backend) {
    let store = backend.store();
    assert!(store.bytes() <= STORE);
    let traces = store.latest(usize::MAX);
    for trace in &traces {
        assert_eq!(trace.tree().rows.len(), trace.spans.len());
        serde_json::to_string(&trace).unwrap();
    }
    let mut questions: Vec<String> = [
        "services",
        "operations?service=Ping",
        "dependencies?endTs=9&lookback=9",
        "summaries",
        "map",
        "logs",
        "status",
    ]
    .map(|question| format!("/api/{question}"))
    .into();
    let services = store.services();
    questions.extend(
        services
            .first()
            .map(|_| "/api/traces?service=unknown_service".to_owned()),
    );
    questions.extend(
        traces
            .iter()
            .take(3)
            .map(|trace| format!("/api/traces/{}", trace.id)),
    );
    for question in questions {
        let url = format!("http://{}{question}", backend.query());
        let status = CLIENT.get(url).send().await.unwrap().status();
        assert!(!status.is_server_error(), "{question}: {status}");
    }

    let sample = sample::full_protobuf().encode_to_vec();
    let over_grpc = grpc::send_to(backend, "trace", &[], grpc::framed(0, &sample)).await;
    assert_eq!(over_grpc, Code::Ok);
    let over_http = post(backend, "/v1/traces", &[PROTOBUF], sample).await;
    assert_eq!(over_http.status(), 200);
    let zipkin = zipkin::post(backend, &[JSON], zipkin::SPANS).await;
    assert_eq!(zipkin.status(), 202);
    let trace = store.trace(sample::TRACE.parse().unwrap()).unwrap();
    assert!(trace.spans.len() >= 2);
}

/// What any field may be broken by.
fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Gone),
        Just(Fault::Twice),
        (0..8_u8).prop_map(Fault::Type),
        (0..20_u8).prop_map(Fault::Number),
        vec(any::<u8>(), 0..40).prop_map(Fault::Bytes),
        select(vec![0, 1, 127, 1 << 31, u64::MAX]).prop_map(Fault::Length),
    ]
}

/// What is not what belongs there, in JSON.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let values = r#"[null, true, {}, [], "", "x", "☃", "-1", "NaN", "1e400", -1, 0.5, 1e300, 18446744073709551615, [[]], {"a": {}}, [null]]"#;
    select(serde_json::from_str::<Vec<serde_json::Value>>(values).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..2000)) {
        survives(&bytes);
    }

    #[test]
    fn a_protobuf_request_with_bytes_changed(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut body = sample::full_protobuf().encode_to_vec();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        survives(&body);
    }

    #[test]
    fn a_protobuf_request_with_a_field_broken(signal in 0..3_usize, place in any::<usize>(), fault in fault()) {
        let request = &sample::of_all_signals()[signal];
        survives(&broken::protobuf(request, place, &fault));
    }

    #[test]
    fn a_json_request_with_a_value_replaced(
        request in select(vec![sample::FULL_JSON, sample::LOGS_JSON, sample::METRICS_JSON, zipkin::SPANS]),
        place in any::<usize>(),
        value in value(),
    ) {
        survives(broken::json(request, place, &value).as_bytes());
    }

    #[test]
    fn bytes_that_are_no_http(bytes in vec(any::<u8>(), 1..2000), start in select(vec!["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST /v1/traces HTTP/1.1\r\n"])) {
        RUNTIME.block_on(async {
            let backend = Backend::start(Settings { store_bytes: STORE, ..settings() }).unwrap();
            for address in [backend.otlp_http(), backend.otlp_grpc(), backend.zipkin(), backend.query()] {
                let mut connection = TcpStream::connect(address).await.unwrap();
                let _ = connection.write_all(&[start.as_bytes(), &bytes].concat()).await;
                let _ = connection.shutdown().await;
                let mut answer = Vec::new();
                let _ = timeout(LIMIT, connection.read_to_end(&mut answer)).await.unwrap();
            }
            is_well(&backend).await;
            backend.stop().await;
        });
    }

    #[test]
    fn a_protobuf_request_cut_short(length in any::<prop::sample::Index>()) {
        let body = sample::full_protobuf().encode_to_vec();
        survives(&body[..length.index(body.len())]);
    }

    #[test]
    fn a_json_request_with_a_piece_replaced(
        place in any::<prop::sample::Index>(),
        length in 0..40_usize,
        piece in prop::sample::select(vec!["", "null", "{}", "[]", "\"\"", "-1", "1e400", "99999999999999999999", "\"NaN\"", "{", "\\ud800", "\"0x00\""]),
    ) {
        let body = sample::FULL_JSON.as_bytes();
        let place = place.index(body.len());
        let end = (place + length).min(body.len());
        survives(&[&body[..place], piece.as_bytes(), &body[end..]].concat());
    }

    #[test]
    fn spans_with_any_ids_times_and_parents(
        spans in vec((0..4_u8, 0..6_u8, 0..6_u8, any::<u64>(), any::<u64>(), any::<i32>()), 0..40)
    ) {
        let spans = spans.into_iter().map(|(trace, id, parent, start, end, kind)| {
            let mut span = sample::bare([trace; 16], [id; 8]);
            span.parent_span_id = vec![parent; 8];
            (span.start_time_unix_nano, span.end_time_unix_nano, span.kind) = (start, end, kind);
            span
        });
        survives(&sample::request(spans.collect()).encode_to_vec());
    }
}

/// Values within values: protobuf of any depth is a few bytes a level.
#[test]
fn values_nested_without_end() {
    for depth in [20, 45, 60, 1000, 10_000] {
        let mut value = Vec::new();
        for _ in 0..depth {
            value = field(5, &field(1, &value)); // AnyValue.array_value, ArrayValue.values
        }
        let attribute = [field(1, b"deep"), field(2, &value)].concat();
        let ids = [field(1, &[7; 16]), field(2, &[7; 8])].concat();
        let span = [ids, field(9, &attribute)].concat();
        survives(&field(1, &field(2, &field(2, &span))));

        let json = format!(
            "{}{}",
            r#"{"arrayValue":{"values":["#.repeat(depth),
            "]}}".repeat(depth)
        );
        survives(
            format!(
                r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{}","spanId":"{}","attributes":[{{"key":"k","value":{json}}}]}}]}}]}}]}}"#,
                sample::TRACE,
                sample::ROOT
            )
            .as_bytes(),
        );
        survives("[".repeat(depth).as_bytes());
    }
}
