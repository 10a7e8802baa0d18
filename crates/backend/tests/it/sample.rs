//! One request with everything that a span can hold, as protobuf, as JSON written by hand, and as the views it must become.

use std::sync::Arc;

use backend::{
    Attributes, Event, Link, Resource, Scope, Span, SpanKind, Status, StatusCode, Value,
};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    resource::v1 as resource,
    trace::v1::{self as trace, ResourceSpans, ScopeSpans},
};
use prost::Message;

pub(crate) const TRACE: &str = "5b8efff798038103d269b633813fc60c";
pub(crate) const ROOT: &str = "eee19b7ec3c1b174";
pub(crate) const CHILD: &str = "eee19b7ec3c1b173";

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

/// A span with valid ids and nothing else.
pub(crate) fn bare(trace_id: [u8; 16], span_id: [u8; 8]) -> trace::Span {
    trace::Span {
        trace_id: trace_id.into(),
        span_id: span_id.into(),
        ..trace::Span::default()
    }
}

pub(crate) fn request(spans: Vec<trace::Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans {
        spans,
        ..ScopeSpans::default()
    }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

pub(crate) fn full_protobuf() -> ExportTraceServiceRequest {
    let root = trace::Span {
        trace_id: bytes(TRACE),
        span_id: bytes(ROOT),
        name: "GET /ping".into(),
        kind: trace::span::SpanKind::Server.into(),
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: 1_544_712_661_000_000_000,
        ..trace::Span::default()
    };
    let child = trace::Span {
        trace_id: bytes(TRACE),
        span_id: bytes(CHILD),
        trace_state: "vendor=état".into(),
        parent_span_id: bytes(ROOT),
        flags: 0x301,
        name: "ping-request".into(),
        kind: trace::span::SpanKind::Internal.into(),
        start_time_unix_nano: 1_544_712_660_300_000_000,
        end_time_unix_nano: u64::MAX,
        attributes: vec![
            attribute("text", Any::StringValue("NaN ☃ \u{0}".into())),
            attribute("truth", Any::BoolValue(true)),
            attribute("int", Any::IntValue(i64::MIN)),
            attribute("double", Any::DoubleValue(1.5)),
            attribute("infinite", Any::DoubleValue(f64::NEG_INFINITY)),
            attribute("bytes", Any::BytesValue(vec![0, 255, 16])),
            attribute(
                "array",
                Any::ArrayValue(ArrayValue {
                    values: vec![
                        any(Any::StringValue("a".into())),
                        any(Any::IntValue(2)),
                        AnyValue::default(),
                    ],
                }),
            ),
            attribute("no values", Any::ArrayValue(ArrayValue::default())),
            attribute(
                "map",
                Any::KvlistValue(KeyValueList {
                    values: vec![attribute(
                        "inner",
                        Any::KvlistValue(KeyValueList {
                            values: vec![attribute("", Any::IntValue(1))],
                        }),
                    )],
                }),
            ),
            KeyValue {
                key: "empty".into(),
                ..KeyValue::default()
            },
        ],
        dropped_attributes_count: 1,
        events: vec![trace::span::Event {
            time_unix_nano: 1_544_712_660_400_000_000,
            name: "Start request processing".into(),
            attributes: vec![attribute("n", Any::IntValue(1))],
            dropped_attributes_count: 2,
        }],
        dropped_events_count: 3,
        links: vec![trace::span::Link {
            trace_id: bytes(&TRACE.replace('5', "6")),
            span_id: bytes(&ROOT.replace('e', "f")),
            trace_state: "a=b".into(),
            attributes: vec![attribute("why", Any::StringValue("batch".into()))],
            dropped_attributes_count: 4,
            flags: 1,
        }],
        dropped_links_count: 5,
        status: Some(trace::Status {
            message: "broken".into(),
            code: trace::status::StatusCode::Error.into(),
        }),
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource::Resource {
                attributes: vec![attribute("service.name", Any::StringValue("Ping".into()))],
                dropped_attributes_count: 6,
                ..resource::Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "Ping".into(),
                    version: "1.0".into(),
                    attributes: vec![attribute("s", Any::BoolValue(false))],
                    dropped_attributes_count: 7,
                }),
                spans: vec![child, root],
                schema_url: "https://opentelemetry.io/schemas/1.44.0".into(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.43.0".into(),
        }],
    }
}

/// As other senders write it: numbers as strings and not, ids in capitals, fields that are null, absent or unknown.
/// A request of each signal, as protobuf.
pub(crate) fn of_all_signals() -> [Vec<u8>; 3] {
    let logs: ExportLogsServiceRequest = serde_json::from_str(LOGS_JSON).unwrap();
    let metrics: ExportMetricsServiceRequest = serde_json::from_str(METRICS_JSON).unwrap();
    [
        full_protobuf().encode_to_vec(),
        logs.encode_to_vec(),
        metrics.encode_to_vec(),
    ]
}

pub(crate) const LOGS_JSON: &str = r#"{"resourceLogs": [{"schemaUrl": "s", "scopeLogs": [{"schemaUrl": "s", "logRecords": [{
    "timeUnixNano": "5", "observedTimeUnixNano": "6", "severityNumber": 9, "severityText": "INFO",
    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "flags": 1, "eventName": "e",
    "body": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}},
    "attributes": [{"key": "k", "value": {"intValue": "1"}}], "droppedAttributesCount": 1}]}]}]}"#;

pub(crate) const METRICS_JSON: &str = r#"{"resourceMetrics": [{"schemaUrl": "s", "scopeMetrics": [{"schemaUrl": "s", "metrics": [
    {"name": "g", "description": "d", "unit": "s", "metadata": [], "gauge": {"dataPoints": [{"timeUnixNano": "5", "asDouble": 0.5}]}},
    {"name": "c", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [{"startTimeUnixNano": "4", "asInt": "5"}]}},
    {"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [{"count": "2", "sum": 1.5, "bucketCounts": ["1", "1"],
        "explicitBounds": [0.5], "min": 0.1, "max": 3, "exemplars": [{"asInt": "3"}]}]}}]}]}]}"#;

pub(crate) const FULL_JSON: &str = r#"{
  "aFieldOfTheFuture": [{}],
  "resourceSpans": [{
    "resource": {
      "attributes": [{"key": "service.name", "value": {"stringValue": "Ping"}}],
      "droppedAttributesCount": 6,
      "entityRefs": null
    },
    "scopeSpans": [{
      "scope": {
        "name": "Ping",
        "version": "1.0",
        "attributes": [{"key": "s", "value": {"boolValue": false}}],
        "droppedAttributesCount": "7"
      },
      "spans": [
        {
          "traceId": "5B8EFFF798038103D269B633813FC60C",
          "spanId": "EEE19B7EC3C1B173",
          "traceState": "vendor=état",
          "parentSpanId": "EEE19B7EC3C1B174",
          "flags": 769,
          "name": "ping-request",
          "kind": 1,
          "startTimeUnixNano": 1544712660300000000,
          "endTimeUnixNano": "18446744073709551615",
          "attributes": [
            {"key": "text", "value": {"stringValue": "NaN ☃ \u0000"}},
            {"key": "truth", "value": {"boolValue": true}},
            {"key": "int", "value": {"intValue": "-9223372036854775808"}},
            {"key": "double", "value": {"doubleValue": 1.5}},
            {"key": "infinite", "value": {"doubleValue": "-Infinity"}},
            {"key": "bytes", "value": {"bytesValue": "AP8Q"}},
            {"key": "array", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": 2}, {}]}}},
            {"key": "no values", "value": {"arrayValue": {}}},
            {"key": "map", "value": {"kvlistValue": {"values": [
              {"key": "inner", "value": {"kvlistValue": {"values": [{"value": {"intValue": "1"}}]}}}
            ]}}},
            {"key": "empty", "value": {"aTypeOfTheFuture": {"a": [1]}}}
          ],
          "droppedAttributesCount": 1,
          "events": [{
            "timeUnixNano": "1544712660400000000",
            "name": "Start request processing",
            "attributes": [{"key": "n", "value": {"intValue": 1}}],
            "droppedAttributesCount": 2
          }],
          "droppedEventsCount": "3",
          "links": [{
            "traceId": "6b8efff798038103d269b633813fc60c",
            "spanId": "fff19b7fc3c1b174",
            "traceState": "a=b",
            "attributes": [{"key": "why", "value": {"stringValue": "batch"}}],
            "droppedAttributesCount": 4,
            "flags": "1"
          }],
          "droppedLinksCount": 5,
          "status": {"message": "broken", "code": 2}
        },
        {
          "traceId": "5b8efff798038103d269b633813fc60c",
          "spanId": "eee19b7ec3c1b174",
          "parentSpanId": "",
          "name": "GET /ping",
          "kind": 2,
          "startTimeUnixNano": "1544712660000000000",
          "endTimeUnixNano": "1544712661000000000",
          "attributes": null,
          "status": {}
        }
      ],
      "schemaUrl": "https://opentelemetry.io/schemas/1.44.0"
    }],
    "schemaUrl": "https://opentelemetry.io/schemas/1.43.0"
  }]
}"#;

/// The spans of both, in the order in which a trace has them.
pub(crate) fn full_spans() -> Vec<Arc<Span>> {
    let resource = Arc::new(Resource {
        attributes: Attributes::from([("service.name", "Ping".into())]),
        dropped_attributes_count: 6,
        schema_url: "https://opentelemetry.io/schemas/1.43.0".into(),
    });
    let scope = Arc::new(Scope {
        name: "Ping".into(),
        version: "1.0".into(),
        attributes: Attributes::from([("s", false.into())]),
        dropped_attributes_count: 7,
        schema_url: "https://opentelemetry.io/schemas/1.44.0".into(),
    });
    let root = Span {
        trace_id: TRACE.parse().unwrap(),
        span_id: ROOT.parse().unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "GET /ping".into(),
        kind: SpanKind::Server,
        start_unix_nanos: 1_544_712_660_000_000_000,
        end_unix_nanos: 1_544_712_661_000_000_000,
        status: Status::default(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: vec![],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        resource: resource.clone(),
        scope: scope.clone(),
    };
    let child = Span {
        trace_id: TRACE.parse().unwrap(),
        span_id: CHILD.parse().unwrap(),
        parent_span_id: Some(ROOT.parse().unwrap()),
        trace_state: "vendor=état".into(),
        flags: 0x301,
        name: "ping-request".into(),
        kind: SpanKind::Internal,
        start_unix_nanos: 1_544_712_660_300_000_000,
        end_unix_nanos: u64::MAX,
        status: Status {
            code: StatusCode::Error,
            message: "broken".into(),
        },
        attributes: Attributes::from([
            ("text", "NaN ☃ \u{0}".into()),
            ("truth", true.into()),
            ("int", i64::MIN.into()),
            ("double", 1.5.into()),
            ("infinite", f64::NEG_INFINITY.into()),
            ("bytes", vec![0_u8, 255, 16].into()),
            (
                "array",
                Value::Array(vec!["a".into(), 2.into(), Value::Empty]),
            ),
            ("no values", Value::Array(vec![])),
            (
                "map",
                Attributes::from([("inner", Attributes::from([("", 1.into())]).into())]).into(),
            ),
            ("empty", Value::Empty),
        ]),
        dropped_attributes_count: 1,
        events: vec![Event {
            unix_nanos: 1_544_712_660_400_000_000,
            name: "Start request processing".into(),
            attributes: Attributes::from([("n", 1.into())]),
            dropped_attributes_count: 2,
        }],
        dropped_events_count: 3,
        links: vec![Link {
            trace_id: TRACE.replace('5', "6").parse().unwrap(),
            span_id: ROOT.replace('e', "f").parse().unwrap(),
            trace_state: "a=b".into(),
            flags: 1,
            attributes: Attributes::from([("why", "batch".into())]),
            dropped_attributes_count: 4,
        }],
        dropped_links_count: 5,
        resource,
        scope,
    };
    vec![Arc::new(root), Arc::new(child)]
}
