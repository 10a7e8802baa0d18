//! Bytes that are no requests, and requests with one field broken: an answer always, never a panic, and good senders
//! are served as before.

use std::sync::LazyLock;

use backend::{Backend, Settings};
use proptest::{collection::vec, prelude::*};
use prost::Message;
use tokio::runtime::Runtime;

use crate::{GZIP, JSON, PROTOBUF, field, gzip, post, sample, settings};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Sends `body` to every path as protobuf and as JSON, packed and not, then the sample, which must arrive.
fn survives(body: &[u8]) {
    RUNTIME.block_on(async {
        let backend = Backend::start(Settings {
            store_bytes: 1 << 20,
            ..settings()
        })
        .unwrap();
        for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
            for encoding in [PROTOBUF, JSON] {
                let plain = post(&backend, path, &[encoding], body.to_vec())
                    .await
                    .status();
                assert!(plain == 200 || plain == 400, "{plain}");
                let packed = post(&backend, path, &[encoding, GZIP], gzip(body))
                    .await
                    .status();
                assert_eq!(packed, plain);
            }
        }
        let unpacked = post(&backend, "/v1/traces", &[PROTOBUF, GZIP], body.to_vec())
            .await
            .status();
        assert!(unpacked == 200 || unpacked == 400, "{unpacked}");

        let good = post(
            &backend,
            "/v1/traces",
            &[PROTOBUF],
            sample::full_protobuf().encode_to_vec(),
        )
        .await;
        assert_eq!(good.status(), 200);
        assert!(
            backend
                .store()
                .trace(sample::TRACE.parse().unwrap())
                .is_some()
        );
        assert!(backend.store().bytes() <= 1 << 20);
        for trace in backend.store().latest(usize::MAX) {
            assert_eq!(trace.tree().rows.len(), trace.spans.len());
            serde_json::to_string(&trace).unwrap();
        }
        backend.stop().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

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
