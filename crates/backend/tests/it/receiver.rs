//! Requests and answers of OTLP over HTTP.

use std::io::Read;

use backend::{Backend, Settings, Value};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
        metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
        trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{metric::Data, number_data_point},
};
use prost::Message;
use reqwest::Response;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{CLIENT, GZIP, JSON, PROTOBUF, field, gzip, plain, post, sample, settings, start};

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn content_type(response: &Response) -> &str {
    response.headers()["content-type"].to_str().unwrap()
}

/// Expects a refusal with a protobuf-encoded Status; gives its message.
async fn refusal(response: Response, status: u16) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(content_type(&response), PROTOBUF.1);
    let body = RpcStatus::decode(response.bytes().await.unwrap()).unwrap();
    assert!(body.code != 0 && !body.message.is_empty(), "{body:?}");
    body.message
}

async fn json(response: Response) -> serde_json::Value {
    assert_eq!(content_type(&response), JSON.1);
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn protobuf_json_and_gzip_of_the_same_request_give_the_same_spans() {
    let protobuf = sample::full_protobuf().encode_to_vec();
    let json = sample::FULL_JSON.as_bytes().to_vec();
    let requests = [
        (vec![PROTOBUF], protobuf.clone()),
        (vec![JSON], json.clone()),
        (vec![PROTOBUF, GZIP], gzip(&protobuf)),
        (vec![JSON, GZIP], gzip(&json)),
        (vec![PROTOBUF, ("content-encoding", "identity")], protobuf),
        (
            vec![("content-type", "Application/JSON; charset=utf-8")],
            json,
        ),
    ];
    for (headers, body) in requests {
        let backend = start();
        let response = post(&backend, "/v1/traces", &headers, body).await;
        assert_eq!(
            response.status(),
            200,
            "{headers:?}: {}",
            response.text().await.unwrap()
        );
        let trace = backend
            .store()
            .trace(sample::TRACE.parse().unwrap())
            .unwrap();
        assert_eq!(trace.spans, sample::full_spans(), "{headers:?}");
        assert!(std::sync::Arc::ptr_eq(
            &trace.spans[0].resource,
            &trace.spans[1].resource
        ));
        backend.stop().await;
    }
}

#[tokio::test]
async fn full_success_leaves_partial_success_unset_in_the_encoding_of_the_request() {
    let backend = start();

    let response = post(
        &backend,
        "/v1/traces",
        &[PROTOBUF],
        sample::full_protobuf().encode_to_vec(),
    )
    .await;
    assert_eq!(
        (response.status().as_u16(), content_type(&response)),
        (200, PROTOBUF.1)
    );
    let body = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.partial_success, None);

    let response = post(&backend, "/v1/traces", &[JSON], sample::FULL_JSON).await;
    assert_eq!(json(response).await, serde_json::json!({}));

    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        let response = post(&backend, path, &[PROTOBUF], "").await;
        assert_eq!(response.status(), 200, "a request without data succeeds");
        assert!(response.bytes().await.unwrap().is_empty());
        assert_eq!(
            json(post(&backend, path, &[JSON], "{}").await).await,
            serde_json::json!({})
        );
    }
}

#[tokio::test]
async fn spans_with_invalid_ids_are_rejected_and_counted_and_the_others_kept() {
    let mut spans = vec![
        sample::bare([0; 16], [1; 8]),
        sample::bare([1; 16], [0; 8]),
        sample::bare([2; 16], [1; 8]),
        sample::bare([2; 16], [2; 8]),
        sample::bare([2; 16], [3; 8]),
        sample::bare([2; 16], [4; 8]),
    ];
    spans[0].name = "the first".into();
    spans[2].trace_id.pop();
    spans[3].parent_span_id = vec![1; 9];
    spans[4].parent_span_id = vec![0; 8]; // how some senders say "none"
    spans[5].links.push(Default::default());
    let request = sample::request(spans);

    let backend = start();
    let response = post(&backend, "/v1/traces", &[PROTOBUF], request.encode_to_vec()).await;
    assert_eq!(response.status(), 200);
    let body = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    let partial = body.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 4);
    assert!(
        partial
            .error_message
            .contains("trace_id of span \"the first\""),
        "{}",
        partial.error_message
    );

    let traces = backend.store().latest(10);
    let [trace] = traces.as_slice() else {
        panic!("{traces:?}")
    };
    let kept: Vec<_> = trace
        .spans
        .iter()
        .map(|span| {
            (
                span.span_id.to_bytes(),
                span.parent_span_id,
                span.dropped_links_count,
            )
        })
        .collect();
    assert_eq!(kept, [([3; 8], None, 0), ([4; 8], None, 1)]);
}

#[tokio::test]
async fn partial_success_in_json_has_the_count_as_a_string() {
    let backend = start();
    let cases = [
        (
            "/v1/traces",
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"","spanId":"01"}]}]}]}"#,
            "rejectedSpans",
        ),
        (
            "/v1/logs",
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"01"}]}]}]}"#,
            "rejectedLogRecords",
        ),
    ];
    for (path, body, count) in cases {
        let response = post(&backend, path, &[JSON], body).await;
        assert_eq!(response.status(), 200);
        let partial = json(response).await["partialSuccess"].take();
        assert_eq!(partial[count], "1", "{partial}");
        assert!(
            partial["errorMessage"]
                .as_str()
                .unwrap()
                .contains("_id of "),
            "{partial}"
        );
    }
}

/// Everything but text has a wire type here, so that `text` can be any bytes.
fn with_text(text: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let within = |path: [u8; 3], content: &[u8]| {
        let nested = path.iter().rev();
        nested.fold(content.to_vec(), |content, number| field(*number, &content))
    };
    let ids = |number: u8| [field(number, &[1; 16]), field(number + 1, &[1; 8])].concat();
    let span = [ids(1), field(5, text)].concat();
    let log = field(3, text);
    let metric = [field(1, text), field(5, &field(1, &[]))].concat();
    [
        ("/v1/traces", within([1, 2, 2], &span)),
        ("/v1/logs", within([1, 2, 2], &log)),
        ("/v1/metrics", within([1, 2, 2], &metric)),
    ]
}

#[tokio::test]
async fn an_item_that_is_not_utf_8_costs_only_itself() {
    let backend = start();
    let [good, bad] = [with_text(b"good"), with_text(b"\xff")];
    for ((path, good), (_, bad)) in good.iter().zip(bad) {
        let body = [good.as_slice(), &bad, good].concat();
        let response = post(&backend, path, &[PROTOBUF], body).await;
        assert_eq!(response.status(), 200, "{path}");
        let body = response.bytes().await.unwrap();
        // The same on the wire for all signals.
        let partial = ExportTraceServiceResponse::decode(body).unwrap();
        let partial = partial.partial_success.unwrap();
        assert_eq!(partial.rejected_spans, 1, "{path}");
        let message = &partial.error_message;
        assert!(message.starts_with("1 invalid, the first: "), "{message}");
        assert!(message.contains("UTF-8"), "{message}");
    }
    let store = backend.store();
    assert_eq!(store.latest(9)[0].spans[0].name, "good");
    assert_eq!(store.logs().len(), 2);
    assert_eq!(store.metrics()[0].scope_metrics[0].metrics[0].name, "good");
}

#[tokio::test]
async fn a_resource_or_scope_that_cannot_be_decoded_costs_only_its_own_items() {
    let backend = start();
    let bad = field(1, &field(1, &field(1, b"\xff"))); // a resource's key
    let bad_scope = field(1, &field(1, b"\xff")); // a scope's name
    let span = |id: u8| field(2, &[field(1, &[id; 16]), field(2, &[id; 8])].concat());
    let body = [
        field(1, &[bad, field(2, &[span(1), span(2)].concat())].concat()),
        field(
            1,
            &[field(2, &[bad_scope, span(3)].concat()), field(2, &span(4))].concat(),
        ),
    ];
    let response = post(&backend, "/v1/traces", &[PROTOBUF], body.concat()).await;
    assert_eq!(response.status(), 200);
    let body = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.partial_success.unwrap().rejected_spans, 3);
    let traces = backend.store().latest(9);
    assert_eq!(traces.len(), 1);
    assert_eq!(traces[0].id.to_bytes(), [4; 16]);
}

#[tokio::test]
async fn in_json_an_item_with_a_wrong_field_costs_only_itself() {
    let backend = start();
    let cases = [
        (
            "/v1/traces",
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
                {"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","kind":"SPAN_KIND_SERVER"},
                {"traceId":"0101010101010101010101010101010","spanId":"0202020202020202"},
                {"traceId":"01010101010101010101010101010101","spanId":"0303030303030303"}]},
              {"scope":{"name":5},"spans":[{"traceId":"01010101010101010101010101010101","spanId":"0404040404040404"}]}]}]}"#,
            "rejectedSpans",
            "3",
        ),
        (
            "/v1/logs",
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"},{"timeUnixNano":"1"}]}]},
              {"resource":{"attributes":5},"scopeLogs":[{"logRecords":[{}]}]}]}"#,
            "rejectedLogRecords",
            "2",
        ),
        (
            "/v1/metrics",
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":5},{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}"#,
            "rejectedDataPoints",
            "1",
        ),
    ];
    for (path, body, field, rejected) in cases {
        let response = post(&backend, path, &[JSON], body).await;
        assert_eq!(response.status(), 200, "{path}");
        let partial = json(response).await["partialSuccess"].take();
        assert_eq!(partial[field], rejected, "{partial}");
        let message = partial["errorMessage"].as_str().unwrap();
        assert!(message.contains(" invalid, the first: "), "{message}");
    }
    let store = backend.store();
    assert_eq!(store.latest(9)[0].spans.len(), 1);
    assert_eq!(store.logs().len(), 1);
    assert_eq!(store.metrics()[0].scope_metrics[0].metrics[0].name, "m");
}

/// JavaScript's SDK cuts a text at a number of UTF-16 units: of an emoji half is left.
#[tokio::test]
async fn half_a_surrogate_pair_is_replaced_and_the_rest_of_the_batch_kept_as_it_is() {
    let backend = start();
    let cases = [
        (r"cut \ud83d", "cut \u{fffd}"),
        (r"\ude00 cut", "\u{fffd} cut"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\ud83d\n\\ud83d\\", "\u{fffd}\n\\ud83d\\"),
        (r"whole \ud83d\ude00 \u00e9", "whole \u{1f600} \u{e9}"),
    ];
    let spans: Vec<_> = cases
        .iter()
        .zip(1..)
        .map(|((sent, _), id)| {
            format!(
                r#"{{"traceId":"{:032x}","spanId":"{id:016x}","name":"{sent}"}}"#,
                1
            )
        })
        .collect();
    let body = |spans: String| {
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#)
    };
    let response = post(&backend, "/v1/traces", &[JSON], body(spans.join(","))).await;
    assert_eq!(json(response).await, serde_json::json!({}));
    // As bytes that no UTF-8 has.
    let span =
        br#"{"traceId":"00000000000000000000000000000001","spanId":"00000000000000ff","name":"-"}"#;
    let raw = body(String::from_utf8_lossy(span).into_owned()).into_bytes();
    let raw: Vec<_> = raw
        .into_iter()
        .map(|byte| if byte == b'-' { 0xff } else { byte })
        .collect();
    let response = post(&backend, "/v1/traces", &[JSON], raw).await;
    assert_eq!(json(response).await, serde_json::json!({}));

    let trace = &backend.store().latest(1)[0];
    let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_str()).collect();
    let expected: Vec<_> = cases
        .iter()
        .map(|(_, kept)| *kept)
        .chain(["\u{fffd}"])
        .collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn json_may_begin_with_a_byte_order_mark() {
    let backend = start();
    let body = format!("\u{feff}{}", sample::FULL_JSON);
    let response = post(&backend, "/v1/traces", &[JSON], body).await;
    assert_eq!(json(response).await, serde_json::json!({}));
    assert_eq!(backend.store().len(), 1);
}

#[tokio::test]
async fn what_is_larger_than_the_store_is_rejected() {
    let backend = Backend::start(Settings {
        store_bytes: 0, // the smallest there is: a mebibyte
        ..settings()
    })
    .unwrap();
    let mut large = sample::bare([1; 16], [1; 8]);
    large.name = "x".repeat(200_000);
    let request = sample::request(vec![large, sample::bare([2; 16], [2; 8])]);
    let response = post(&backend, "/v1/traces", &[PROTOBUF], request.encode_to_vec()).await;
    let body = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.partial_success.unwrap().rejected_spans, 1);
    assert_eq!(backend.store().len(), 1);

    let logs = logs(LogRecord {
        severity_text: "x".repeat(200_000),
        ..LogRecord::default()
    });
    let response = post(&backend, "/v1/logs", &[PROTOBUF], logs.encode_to_vec()).await;
    let body = ExportLogsServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.partial_success.unwrap().rejected_log_records, 1);

    let metrics = metrics(&"x".repeat(200_000), 1.0);
    let response = post(
        &backend,
        "/v1/metrics",
        &[PROTOBUF],
        metrics.encode_to_vec(),
    )
    .await;
    let body = ExportMetricsServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.partial_success.unwrap().rejected_data_points, 1);
}

pub(crate) fn logs(record: LogRecord) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs {
        log_records: vec![record],
        ..ScopeLogs::default()
    }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs,
            ..ResourceLogs::default()
        }],
    }
}

pub(crate) fn metrics(name: &str, value: f64) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![plain::metrics(name, value)],
    }
}

#[tokio::test]
async fn logs_are_kept_by_trace_in_either_encoding() {
    let backend = start();
    let record = LogRecord {
        time_unix_nano: 5,
        severity_number: 9,
        body: Some(opentelemetry_proto::tonic::common::v1::AnyValue {
            value: Some(
                opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(
                    "hello".into(),
                ),
            ),
        }),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..LogRecord::default()
    };
    let protobuf = logs(record).encode_to_vec();
    assert_eq!(
        post(&backend, "/v1/logs", &[PROTOBUF], protobuf)
            .await
            .status(),
        200
    );
    let json = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{
        "timeUnixNano":"5","severityNumber":9,"body":{"stringValue":"hello"},
        "traceId":"01010101010101010101010101010101","spanId":"0202020202020202"}, {"body":null}]}]}]}"#;
    assert_eq!(
        post(&backend, "/v1/logs", &[JSON], json).await.status(),
        200
    );

    let of_trace = backend
        .store()
        .logs_of("01010101010101010101010101010101".parse().unwrap(), None);
    let [one, other] = of_trace.as_slice() else {
        panic!("{of_trace:?}")
    };
    assert_eq!(one, other);
    assert_eq!(
        (&one.body, one.unix_nanos, one.severity_number),
        (&Value::from("hello"), 5, 9)
    );
    assert_eq!(backend.store().logs().len(), 3);
}

#[tokio::test]
async fn metrics_are_kept_in_either_encoding() {
    let backend = start();
    assert_eq!(
        post(
            &backend,
            "/v1/metrics",
            &[PROTOBUF],
            metrics("m", 1.0).encode_to_vec()
        )
        .await
        .status(),
        200
    );
    assert_eq!(
        backend.store().metrics(),
        metrics("m", 1.0).resource_metrics
    );
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asDouble":"Infinity"}]}}]}]}]}"#;
    let response = post(&backend, "/v1/metrics", &[JSON], json).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    let all = backend.store().metrics();
    let Some(Data::Gauge(gauge)) = &all[0].scope_metrics[0].metrics[0].data else {
        panic!("{all:?}")
    };
    let infinity = number_data_point::Value::AsDouble(f64::INFINITY);
    let values: Vec<_> = gauge.data_points.iter().map(|point| point.value).collect();
    assert_eq!(values[1..], [Some(infinity)], "beside the first");
}

#[tokio::test]
async fn histograms_in_json_may_have_numbers_that_json_has_not() {
    let backend = start();
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{
            "count":"2","sum":"NaN","bucketCounts":["1",1],"explicitBounds":[0.5],"min":"-Infinity","max":3,"flags":"1",
            "exemplars":[{"asInt":"3","traceId":"01010101010101010101010101010101","spanId":"0202020202020202"}]}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[{"scale":"-2","zeroCount":1,"positive":{"offset":"-1","bucketCounts":["1"]}}]}},
        {"name":"s","sum":{"isMonotonic":true,"dataPoints":[{"asInt":"5","timeUnixNano":"7"}]}},
        {"name":"q","summary":{"dataPoints":[{"quantileValues":[{"quantile":0.5,"value":"NaN"}]}]}}
    ]}]}]}"#;
    let response = post(&backend, "/v1/metrics", &[JSON], json).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    let stored = &backend.store().metrics()[0].scope_metrics[0].metrics;
    let Some(Data::Histogram(histogram)) = &stored[0].data else {
        panic!("{stored:?}")
    };
    let point = &histogram.data_points[0];
    assert!(point.sum.unwrap().is_nan());
    assert_eq!(
        (point.count, point.min, point.max, point.flags),
        (2, Some(f64::NEG_INFINITY), Some(3.0), 1)
    );
    assert_eq!(point.bucket_counts, [1, 1]);
    let Some(Data::ExponentialHistogram(histogram)) = &stored[1].data else {
        panic!("{stored:?}")
    };
    assert_eq!(
        (
            histogram.data_points[0].scale,
            histogram.data_points[0].positive.as_ref().unwrap().offset
        ),
        (-2, -1)
    );
    let Some(Data::Sum(sum)) = &stored[2].data else {
        panic!("{stored:?}")
    };
    assert_eq!(
        sum.data_points[0].value,
        Some(number_data_point::Value::AsInt(5))
    );
    assert!(matches!(stored[3].data, Some(Data::Summary(_))));
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_is_400_with_a_status() {
    let backend = start();
    let truncated = &sample::full_protobuf().encode_to_vec()[..100];
    assert!(
        refusal(
            post(&backend, "/v1/traces", &[PROTOBUF], truncated.to_vec()).await,
            400
        )
        .await
        .contains("decoded")
    );
    assert!(
        refusal(
            post(&backend, "/v1/traces", &[PROTOBUF, GZIP], "no gzip").await,
            400
        )
        .await
        .contains("read")
    );

    let no_json = [
        "",
        "[]",
        "null",
        "{",
        "{}{}",
        r#"{"resourceSpans": 1}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":{}}]}]}"#,
    ];
    for body in no_json {
        let response = post(&backend, "/v1/traces", &[JSON], body).await;
        assert_eq!(response.status(), 400, "{body}");
        let status = json(response).await;
        assert_eq!(status["code"], 3);
        assert!(
            status["message"].as_str().unwrap().contains("decoded"),
            "{status}"
        );
    }
    assert!(backend.store().is_empty());
}

/// A request as libzstd packs it.
const BY_LIBZSTD: &str = "28b52ffd24969d0200a2c40f11907d90821ca4e2877555876baac8eee6103df5d453ff86ef5e2f02bd407390a9fae59d54f3c393f0437cf9661c531657caee7354fe4e558f6336d3ebecf30600af94a71068d5e29cc8160d20dc1c03c4963b1f";

fn deflate(bytes: &[u8], head: bool) -> Vec<u8> {
    let mut packed = Vec::new();
    let level = flate2::Compression::fast();
    if head {
        flate2::read::ZlibEncoder::new(bytes, level).read_to_end(&mut packed)
    } else {
        flate2::read::DeflateEncoder::new(bytes, level).read_to_end(&mut packed)
    }
    .unwrap();
    packed
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

#[tokio::test]
async fn each_packing_is_understood_in_any_case_and_by_its_other_name() {
    let plain = sample::full_protobuf().encode_to_vec();
    let two_frames = [zstd(&plain[..100]), zstd(&plain[100..])].concat();
    for (packing, body) in [
        ("Identity", plain.clone()),
        ("", plain.clone()),
        ("GZIP", gzip(&plain)),
        ("x-gzip", gzip(&plain)),
        ("deflate", deflate(&plain, true)),
        ("Deflate", deflate(&plain, false)),
        ("zstd", zstd(&plain)),
        ("ZSTD", two_frames),
    ] {
        let backend = start();
        let headers = [PROTOBUF, ("content-encoding", packing)];
        let response = post(&backend, "/v1/traces", &headers, body).await;
        assert_eq!(response.status(), 200, "{packing}");
        let trace = &backend.store().latest(1)[0];
        assert_eq!(trace.spans, sample::full_spans(), "{packing}");
    }

    let backend = start();
    let digits = BY_LIBZSTD
        .as_bytes()
        .chunks(2)
        .map(|pair| str::from_utf8(pair).unwrap());
    let packed: Vec<_> = digits
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect();
    let headers = [JSON, ("content-encoding", "zstd")];
    let response = post(&backend, "/v1/traces", &headers, packed).await;
    assert_eq!(json(response).await, serde_json::json!({}));
    assert_eq!(
        backend.store().latest(1)[0].spans[0].name,
        "packed by libzstd"
    );
}

#[tokio::test]
async fn a_bomb_is_413_and_what_is_not_packed_as_it_says_400() {
    let backend = start();
    let zeros = vec![0; 32 << 20];
    let good = sample::full_protobuf().encode_to_vec();
    let (flat, raw) = (deflate(&zeros, true), deflate(&zeros, false));
    for (packing, bomb, packed) in [
        ("gzip", gzip(&zeros), gzip(&good)),
        ("deflate", flat, deflate(&good, true)),
        ("deflate", raw, deflate(&good, false)),
        ("zstd", zstd(&zeros), zstd(&good)),
    ] {
        let headers = [PROTOBUF, ("content-encoding", packing)];
        assert!(bomb.len() < 1 << 20);
        let response = post(&backend, "/v1/traces", &headers, bomb).await;
        let message = refusal(response, 413).await;
        assert!(message.contains("16777216 bytes"), "{message}");
        for body in [packed[..packed.len() / 2].to_vec(), vec![0xff; 100]] {
            let response = post(&backend, "/v1/traces", &headers, body).await;
            refusal(response, 400).await;
        }
    }
    assert!(backend.store().is_empty());
}

#[tokio::test]
async fn a_body_of_half_a_million_empty_messages_is_413_wherever_they_stand() {
    let backend = start();
    // A list of empty messages within the fields of `path`, outermost first; the last is the number of the list itself.
    let nested = |path: &[u8], messages: usize| {
        let (list, outer) = path.split_last().unwrap();
        let list = [list << 3 | 2, 0].repeat(messages);
        outer
            .iter()
            .rev()
            .fold(list, |content, number| field(*number, &content))
    };
    let traces: [&[u8]; 12] = [
        &[1],
        &[1, 2],
        &[1, 1, 1],
        &[1, 1, 3],
        &[1, 2, 1, 3],
        &[1, 2, 2],
        &[1, 2, 2, 9],
        &[1, 2, 2, 9, 2, 5, 1],
        &[1, 2, 2, 9, 2, 6, 1, 2, 6, 1],
        &[1, 2, 2, 11],
        &[1, 2, 2, 11, 3],
        &[1, 2, 2, 13, 4],
    ];
    let logs: [&[u8]; 3] = [&[1, 2, 2], &[1, 2, 2, 6], &[1, 2, 2, 5, 5, 1]];
    let metrics: [&[u8]; 8] = [
        &[1, 2, 2],
        &[1, 2, 2, 12],
        &[1, 2, 2, 5, 1, 7],
        &[1, 2, 2, 7, 1, 5],
        &[1, 2, 2, 9, 1, 8],
        &[1, 2, 2, 9, 1, 9],
        &[1, 2, 2, 10, 1, 11, 7],
        &[1, 2, 2, 11, 1, 6],
    ];
    let all = [
        ("/v1/traces", traces.as_slice()),
        ("/v1/logs", &logs),
        ("/v1/metrics", &metrics),
    ];
    for (path, places) in all {
        for place in places {
            let few = post(&backend, path, &[PROTOBUF], nested(place, 1000)).await;
            assert_eq!(few.status(), 200, "{path} {place:?}");
            let many = post(&backend, path, &[PROTOBUF], nested(place, 500_001)).await;
            let message = refusal(many, 413).await;
            assert!(message.contains("500000 messages"), "{message}");
        }
    }

    // Behind a group, which decoders skip.
    let group = [
        &[9 << 3 | 3, 9 << 3 | 4],
        nested(&[1, 2, 2], 500_001).as_slice(),
    ]
    .concat();
    refusal(post(&backend, "/v1/traces", &[PROTOBUF], group).await, 413).await;

    for list in ["{},", "0,0,"] {
        let json = format!(r#"{{"resourceSpans":[],"x":[{}0]}}"#, list.repeat(250_000));
        let response = post(&backend, "/v1/traces", &[JSON], json).await;
        assert_eq!(response.status(), 413);
    }
}

#[tokio::test]
async fn a_body_announced_too_large_is_413_before_it_is_sent() {
    let backend = start();
    let mut connection = TcpStream::connect(backend.otlp_http()).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 16777217\r\nexpect: 100-continue\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":8"#), "{answer}");
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_413() {
    let backend = start();
    let mut connection = TcpStream::connect(backend.otlp_http()).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    for _ in 0..16 {
        connection.write_all(&chunk).await.unwrap();
    }
    connection.write_all(b"1\r\n \r\n0\r\n\r\n").await.unwrap();
    let mut answer = [0; 13];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer.as_slice(), b"HTTP/1.1 413 ");
}

#[tokio::test]
async fn a_refusal_reaches_a_sender_that_reads_only_when_it_has_sent_all() {
    let backend = start();
    let cases = [
        (
            "/v1/traces",
            "content-type: application/x-protobuf",
            16 << 20 | 1,
            "413",
        ),
        (
            "/v1/trace",
            "content-type: application/x-protobuf",
            8 << 20,
            "404",
        ),
        ("/v1/traces", "content-type: text/plain", 8 << 20, "415"),
        (
            "/v1/traces",
            "content-type: application/json\r\norigin: null",
            8 << 20,
            "403",
        ),
        (
            "/v1/traces",
            "content-type: application/json\r\ncontent-encoding: gzip",
            8 << 20,
            "400",
        ),
    ];
    for (path, headers, length, status) in cases {
        let mut connection = TcpStream::connect(backend.otlp_http()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&vec![b' '; length]).await.unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&answer),
            format!("HTTP/1.1 {status}"),
            "{headers}"
        );
    }
}

#[tokio::test]
async fn other_content_types_and_encodings_are_415() {
    let backend = start();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/protobuf",
        "application/jsonx",
        "",
    ] {
        let response = post(
            &backend,
            "/v1/traces",
            &[("content-type", content_type)],
            "{}",
        )
        .await;
        assert_eq!(response.status(), 415, "{content_type}");
        assert!(
            json(response).await["message"]
                .as_str()
                .unwrap()
                .contains("application/x-protobuf")
        );
    }
    assert_eq!(post(&backend, "/v1/traces", &[], "{}").await.status(), 415);

    let response = post(
        &backend,
        "/v1/traces",
        &[PROTOBUF, ("content-encoding", "br")],
        "",
    )
    .await;
    assert_eq!(response.headers()["accept-encoding"], "gzip, deflate, zstd");
    assert!(refusal(response, 415).await.contains("gzip"));
}

#[tokio::test]
async fn other_methods_are_405_and_other_paths_404() {
    let backend = start();
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        for method in [
            reqwest::Method::GET,
            reqwest::Method::PUT,
            reqwest::Method::OPTIONS,
        ] {
            let response = CLIENT
                .request(method, format!("http://{}{path}", backend.otlp_http()))
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 405);
            assert_eq!(response.headers()["allow"], "POST");
            assert_eq!(json(response).await["code"], 12);
        }
    }
    assert!(
        refusal(post(&backend, "/v1/trace", &[PROTOBUF], "").await, 404)
            .await
            .contains("/v1/traces")
    );
}

#[tokio::test]
async fn several_backends_do_not_know_each_other() {
    let (one, other) = (start(), start());
    assert_ne!(one.otlp_http(), other.otlp_http());
    assert!(one.otlp_http().ip().is_loopback());
    post(
        &one,
        "/v1/traces",
        &[PROTOBUF],
        sample::full_protobuf().encode_to_vec(),
    )
    .await;
    assert_eq!((one.store().len(), other.store().len()), (1, 0));
    let taken = Backend::start(Settings {
        otlp_http: one.otlp_http(),
        ..settings()
    })
    .unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn without_a_runtime_the_start_is_an_error() {
    assert!(Backend::start(settings()).is_err());
}

#[test]
fn the_sample_survives_its_own_encoding() {
    let request = sample::full_protobuf();
    assert_eq!(
        ExportTraceServiceRequest::decode(request.encode_to_vec().as_slice()).unwrap(),
        request
    );
}
