//! What arrived, as it is read and as JSON.

use std::time::Duration;

use backend::{Attributes, Span, Trace, Value};
use serde_json::json;

use crate::sample;

fn trace(spans: Vec<Span>) -> Trace {
    let store = backend::Store::temporary(1 << 20).unwrap();
    store.insert_spans(spans);
    store.latest(1).remove(0)
}

/// The root and the child of the sample.
fn full() -> [Span; 2] {
    let spans: Vec<_> = sample::full_spans()
        .iter()
        .map(|span| Span::clone(span))
        .collect();
    spans.try_into().unwrap()
}

#[test]
fn a_trace_is_complete_with_a_root_and_every_parent() {
    let [root, child] = full();
    assert!(trace(vec![root.clone(), child.clone()]).is_complete());
    assert!(trace(vec![root.clone()]).is_complete());
    let own_parent = Span {
        parent_span_id: Some(child.span_id),
        ..child.clone()
    };
    assert!(!trace(vec![own_parent]).is_complete(), "no root");
    let orphan = Span {
        parent_span_id: Some("0101010101010101".parse().unwrap()),
        ..child
    };
    assert!(
        !trace(vec![root, orphan]).is_complete(),
        "a parent is missing"
    );
}

#[test]
fn a_trace_lasts_from_its_first_start_to_its_last_end() {
    let [root, child] = full();
    let end_unix_nanos = root.end_unix_nanos + 7;
    let trace = trace(vec![
        Span {
            end_unix_nanos,
            ..child
        },
        root.clone(),
    ]);
    assert_eq!(trace.start_unix_nanos(), root.start_unix_nanos);
    assert_eq!(trace.duration(), Duration::from_nanos(1_000_000_007));
    assert_eq!(trace.root().unwrap().span_id, root.span_id);
}

#[test]
fn a_span_that_ends_before_it_starts_lasts_no_time() {
    let [root, _] = full();
    let backwards = Span {
        start_unix_nanos: 5,
        end_unix_nanos: 2,
        ..root
    };
    assert_eq!(backwards.duration(), Duration::ZERO);
    assert_eq!(trace(vec![backwards]).duration(), Duration::ZERO);
}

#[test]
fn attributes_compare_as_sets_and_keep_what_a_sender_repeats() {
    let attributes = Attributes::from([("b", 1.into()), ("a", true.into()), ("b", 2.into())]);
    assert_eq!(
        attributes,
        Attributes::from([("a", true.into()), ("b", 1.into()), ("b", 2.into())])
    );
    assert_ne!(
        attributes,
        Attributes::from([("a", true.into()), ("b", 1.into())])
    );
    assert_eq!(
        (attributes.len(), attributes.get("b"), attributes.get("c")),
        (3, Some(&Value::Int(1)), None)
    );
    assert_eq!(attributes.to_string(), "{a=true, b=1, b=2}");
    let nested = Value::from([
        Value::from("x"),
        Value::Map(attributes),
        vec![1, 255].into(),
        Value::Empty,
    ]);
    assert_eq!(nested.to_string(), "[x, {a=true, b=1, b=2}, 01ff, ]");
}

#[test]
fn a_value_is_text_the_way_the_collector_and_jaeger_have_it() {
    for (value, text) in [
        (Value::Empty, ""),
        ("NaN ☃".into(), "NaN ☃"),
        (true.into(), "true"),
        (i64::MIN.into(), "-9223372036854775808"),
        (2.0.into(), "2"),
        ((-1.5).into(), "-1.5"),
        (0.000001.into(), "0.000001"),
        (0.00000015.into(), "1.5e-7"),
        (1e20.into(), "100000000000000000000"),
        (1e21.into(), "1e+21"),
        (f64::NAN.into(), "json: unsupported value: NaN"),
        (f64::NEG_INFINITY.into(), "json: unsupported value: -Inf"),
        (vec![0, 255, 16].into(), "AP8Q"),
        (
            [Value::from("a\""), 2.0.into(), vec![1].into(), Value::Empty].into(),
            r#"["a\"",2,"AQ==",null]"#,
        ),
        (
            Attributes::from([("b", 1.into()), ("a", Attributes::default().into())]).into(),
            r#"{"a":{},"b":1}"#,
        ),
    ] {
        assert_eq!(value.to_text(), text);
    }
}

#[test]
fn a_trace_in_json_loses_nothing_to_the_numbers_of_javascript() {
    let [root, child] = full();
    let resource = json!({
        "attributes": {"service.name": {"type": "string", "value": "Ping"}},
        "dropped_attributes_count": 6,
        "schema_url": "https://opentelemetry.io/schemas/1.43.0",
    });
    let scope = json!({
        "name": "Ping",
        "version": "1.0",
        "attributes": {"s": {"type": "bool", "value": false}},
        "dropped_attributes_count": 7,
        "schema_url": "https://opentelemetry.io/schemas/1.44.0",
    });
    let int = |int: &str| json!({"type": "int", "value": int});
    let expected = json!({"id": sample::TRACE, "spans": [
        {
            "trace_id": sample::TRACE,
            "span_id": sample::ROOT,
            "parent_span_id": null,
            "trace_state": "",
            "flags": 0,
            "name": "GET /ping",
            "kind": "server",
            "start_unix_nanos": "1544712660000000000",
            "end_unix_nanos": "1544712661000000000",
            "status": {"code": "unset", "message": ""},
            "attributes": {},
            "dropped_attributes_count": 0,
            "events": [],
            "dropped_events_count": 0,
            "links": [],
            "dropped_links_count": 0,
            "resource": resource,
            "scope": scope,
        },
        {
            "trace_id": sample::TRACE,
            "span_id": sample::CHILD,
            "parent_span_id": sample::ROOT,
            "trace_state": "vendor=état",
            "flags": 769,
            "name": "ping-request",
            "kind": "internal",
            "start_unix_nanos": "1544712660300000000",
            "end_unix_nanos": "18446744073709551615",
            "status": {"code": "error", "message": "broken"},
            "attributes": {
                "text": {"type": "string", "value": "NaN ☃ \u{0}"},
                "truth": {"type": "bool", "value": true},
                "int": int("-9223372036854775808"),
                "double": {"type": "double", "value": 1.5},
                "infinite": {"type": "double", "value": "-Infinity"},
                "bytes": {"type": "bytes", "value": [0, 255, 16]},
                "array": {"type": "array", "value": [{"type": "string", "value": "a"}, int("2"), {"type": "empty"}]},
                "no values": {"type": "array", "value": []},
                "map": {"type": "map", "value": {"inner": {"type": "map", "value": {"": int("1")}}}},
                "empty": {"type": "empty"},
            },
            "dropped_attributes_count": 1,
            "events": [{
                "unix_nanos": "1544712660400000000",
                "name": "Start request processing",
                "attributes": {"n": int("1")},
                "dropped_attributes_count": 2,
            }],
            "dropped_events_count": 3,
            "links": [{
                "trace_id": sample::TRACE.replace('5', "6"),
                "span_id": sample::ROOT.replace('e', "f"),
                "trace_state": "a=b",
                "flags": 1,
                "attributes": {"why": {"type": "string", "value": "batch"}},
                "dropped_attributes_count": 4,
            }],
            "dropped_links_count": 5,
            "resource": resource,
            "scope": scope,
        },
    ]});
    assert_eq!(
        serde_json::to_value(trace(vec![root, child])).unwrap(),
        expected
    );
}
