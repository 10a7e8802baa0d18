//! What is sent to both: OTLP requests in JSON.

use serde_json::{Value, json};

/// When everything happened: 2018-12-13T14:51:00Z, in nanoseconds. Long ago for both.
pub(crate) const START: u64 = 1_544_712_660_000_000_000;

pub(crate) const EVERYTHING: &str = "5b8efff798038103d269b633813fc60c";
pub(crate) const SERVICES: &str = "00000000000000010000000000000002";
pub(crate) const BROKEN: &str = "00000000000000000000000000000abc";
pub(crate) const EMPTY: &str = "ffffffffffffffffffffffffffffffff";

pub(crate) const LINKED: &str = "0000000000000000ffffffffffffffff";

/// The traces that both show alike in both forms.
pub(crate) const TRACES: [&str; 4] = [EVERYTHING, SERVICES, BROKEN, EMPTY];

pub(crate) fn attributes<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    attributes
        .into_iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

pub(crate) fn text(text: &str) -> Value {
    json!({ "stringValue": text })
}

/// One resource's part of a request, with one scope.
pub(crate) fn of(resource: Value, scope: Value, spans: Value) -> Value {
    json!({"resource": {"attributes": resource}, "scopeSpans": [{"scope": scope, "spans": spans}]})
}

pub(crate) fn service(name: &str) -> Value {
    attributes([("service.name", text(name))])
}

/// A span of `trace` from `from` to `to` microseconds after [`START`], with `more` fields.
pub(crate) fn span(trace: &str, id: u64, parent: u64, [from, to]: [u64; 2], more: Value) -> Value {
    let mut span = json!({
        "traceId": trace,
        "spanId": format!("{id:016x}"),
        "startTimeUnixNano": (START + from * 1_000 + 999).to_string(),
        "endTimeUnixNano": (START + to * 1_000 + 1).to_string(),
    });
    if parent > 0 {
        span["parentSpanId"] = format!("{parent:016x}").into();
    }
    for (field, value) in more.as_object().into_iter().flatten() {
        span[field] = value.clone();
    }
    span
}

fn event(micros: u64, name: &str, attributes: Value) -> Value {
    json!({"timeUnixNano": (START + micros * 1_000).to_string(), "name": name, "attributes": attributes})
}

fn link(trace: &str, span: u64, attributes: Value) -> Value {
    json!({"traceId": trace, "spanId": format!("{span:016x}"), "attributes": attributes, "traceState": "l=1"})
}

pub(crate) fn request() -> Value {
    let parts = [everything(), broken(), empty()].into_iter();
    let all: Value = parts.chain(linked()).chain(services()).collect();
    json!({ "resourceSpans": all })
}

fn values() -> Value {
    attributes([
        ("string", text("NaN ☃ <b> \u{0}\u{2028}\"\\")),
        ("bool", json!({"boolValue": true})),
        ("int", json!({"intValue": "5"})),
        ("int zero", json!({"intValue": "0"})),
        ("int min", json!({"intValue": i64::MIN.to_string()})),
        ("int max", json!({"intValue": i64::MAX.to_string()})),
        ("int exact", json!({"intValue": "9007199254740991"})),
        ("int inexact", json!({"intValue": "-9007199254740992"})),
        ("double", json!({"doubleValue": 1.5})),
        ("double one", json!({"doubleValue": 1.0})),
        ("double small", json!({"doubleValue": 5e-324})),
        ("double large", json!({"doubleValue": f64::MAX})),
        ("bytes", json!({"bytesValue": "AP8Q"})),
        (
            "array",
            json!({"arrayValue": {"values": [
                text("é\n"), {"intValue": i64::MAX.to_string()}, {"doubleValue": 1.0}, {"doubleValue": 1e-7}, {"doubleValue": 0.1},
                {"bytesValue": "AP8Q"}, {}, {"boolValue": false}, {"arrayValue": {"values": [text("")]}},
            ]}}),
        ),
        ("array empty", json!({"arrayValue": {}})),
        (
            "map",
            json!({"kvlistValue": {"values": [
                {"key": "z", "value": {"intValue": "1"}},
                {"key": "a", "value": {"kvlistValue": {"values": [{"key": "", "value": text("q")}]}}},
            ]}}),
        ),
        ("map empty", json!({"kvlistValue": {}})),
        ("empty", json!({})),
        ("", text("a key of nothing")),
        ("huge", text(&"ä".repeat(50_000))),
    ])
}

/// Every type of attribute everywhere, events, links, errors and counts.
fn everything() -> Value {
    let mut resource = values();
    let more = attributes([
        ("service.name", text("everything ☃/%")),
        ("host.name", text("one")), // who shares a host shares its clock
        ("ip", text("10.0.0.1")),
    ]);
    resource
        .as_array_mut()
        .unwrap()
        .extend(more.as_array().unwrap().clone());
    let root = json!({
        "name": "GET /everything", "kind": 2, "flags": 257, "traceState": "a=b,c=d",
        "status": {"code": 2, "message": "it \"broke\""}, "attributes": values(),
        "droppedAttributesCount": 1, "droppedEventsCount": 2, "droppedLinksCount": 3,
        "events": [
            event(50, "z", values()),
            event(40, "", attributes([("k", text("an event without a name"))])),
            event(30, "named", attributes([("event", text("otherwise")), ("a", text("b"))])),
            event(20, "first", json!([])),
        ],
        "links": [
            link("00000000000000000000000000000007", 9, attributes([("l", text("v"))])),
            link(SERVICES, 9, json!([])),
        ],
    });
    let child = json!({"name": "late", "kind": 3, "status": {"code": 1}});
    let described =
        json!({"name": "described", "kind": 1, "status": {"message": "without a code"}});
    let consumer = json!({"name": "consumer", "kind": 5});
    let scope = json!({"name": "scope", "version": "1.2", "attributes": attributes([("scope", text("attribute"))])});
    let spans = json!([
        span(EVERYTHING, 1, 0, [0, 100], root),
        span(EVERYTHING, 2, 1, [90, 150], child),
        span(EVERYTHING, 3, 1, [10, 20], described),
        span(EVERYTHING, 4, 3, [500, 600], consumer),
        span(
            EVERYTHING,
            u64::MAX,
            1,
            [10, 20],
            json!({"name": "producer", "kind": 4})
        ),
    ]);
    let mut part = of(resource, scope, spans);
    part["schemaUrl"] = "https://example.com/resource".into();
    part["resource"]["droppedAttributesCount"] = 4.into();
    part["scopeSpans"][0]["schemaUrl"] = "https://example.com/scope".into();
    part
}

/// Three services that call each other, and one that is its own second part.
fn services() -> Vec<Value> {
    let named = |name: &str| json!({"name": name});
    let spans = |spans: Vec<(u64, u64, [u64; 2], Value)>| -> Value {
        let spans = spans.into_iter();
        spans
            .map(|(id, parent, times, more)| span(SERVICES, id, parent, times, more))
            .collect()
    };
    let query = |n: u64| json!({"name": "SELECT", "kind": 3, "attributes": attributes([("n", json!({"intValue": n.to_string()}))])});
    let failed = json!({"name": "POST /cart", "kind": 2, "status": {"code": 2}});
    vec![
        of(
            service("gateway"),
            json!({"name": "http"}),
            spans(vec![
                (1, 0, [0, 1_000_000], json!({"name": "GET /", "kind": 2})),
                (2, 1, [10, 500_000], json!({"name": "POST", "kind": 3})),
                (3, 1, [500_010, 900_000], json!({"name": "POST", "kind": 3})),
            ]),
        ),
        of(
            service("cart"),
            json!({"name": "http", "version": "2"}),
            spans(vec![
                (4, 2, [100, 400_000], failed),
                (5, 3, [500_100, 800_000], named("POST /cart")),
            ]),
        ),
        of(
            service("cart"),
            json!({"name": "sql"}),
            spans(vec![
                (6, 4, [200, 300], query(1)),
                (7, 4, [300, 400], query(2)),
            ]),
        ),
        of(
            service("database"),
            json!({}),
            spans(vec![
                (8, 6, [210, 290], named("SELECT")),
                (9, 7, [310, 390], named("SELECT")),
            ]),
        ),
    ]
}

/// Parents that are not there. The id of the trace has 64 bits.
fn broken() -> Value {
    let linked = json!({"name": "linked", "links": [link("000000000000000000000000000000ff", 7, json!([]))]});
    let spans = json!([
        span(BROKEN, 1, 99, [0, 100], json!({"name": "orphan"})),
        span(BROKEN, 2, 0, [0, 100], linked),
        span(
            BROKEN,
            3,
            1,
            [10, 20],
            json!({"name": "child of an orphan"})
        ),
        span(BROKEN, 5, 5, [10, 20], json!({"name": "its own parent"})),
    ]);
    of(service("broken"), json!({"name": "scope"}), spans)
}

/// Links into the trace itself, which Jaeger may take for parents, also of spans of another service.
fn linked() -> [Value; 2] {
    let child_of = || attributes([("opentracing.ref_type", text("child_of"))]);
    let spans = json!([
        span(
            LINKED,
            1,
            0,
            [1_000, 1_100],
            json!({"name": "root", "links": [link(SERVICES, 8, json!([])), link(LINKED, 77, json!([]))]})
        ),
        span(
            LINKED,
            2,
            1,
            [1_010, 1_020],
            json!({"name": "parent twice", "links": [link(LINKED, 1, json!([]))]})
        ),
        span(
            LINKED,
            3,
            1,
            [1_010, 1_020],
            json!({"name": "two parents", "links": [link(LINKED, 1, json!([])), link(LINKED, 2, child_of())]})
        ),
        span(
            LINKED,
            4,
            1,
            [1_010, 1_020],
            json!({"name": "ref_type of no parent", "links": [link(SERVICES, 1, child_of())]})
        ),
    ]);
    let other = json!({"name": "called", "links": [link(LINKED, 1, json!([]))]});
    let other = json!([span(LINKED, 5, 0, [1_010, 1_020], other)]);
    [
        of(service("broken"), json!({}), spans),
        of(service("called by a link"), json!({}), other),
    ]
}

/// A span with nothing but ids.
fn empty() -> Value {
    of(
        service("nothing"),
        json!({}),
        json!([{"traceId": EMPTY, "spanId": "ffffffffffffffff"}]),
    )
}
