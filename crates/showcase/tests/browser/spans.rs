//! Traces of services that do not exist, as OTLP's JSON.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap()
}

/// A span of `service` that takes `millis`; `parent` 0 is none.
pub(crate) fn span(trace: u64, id: u64, parent: u64, name: &str, start: u64, millis: u64) -> Value {
    let parent = if parent == 0 {
        String::new()
    } else {
        format!("{parent:016x}")
    };
    json!({
        "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "parentSpanId": parent,
        "name": name, "kind": 1,
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": (start + millis * 1_000_000).to_string(),
    })
}

/// A request with these spans of one service.
pub(crate) fn of(service: &str, spans: Vec<Value>) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
        "scopeSpans": [{"scope": {"name": "tests"}, "spans": spans}],
    }]})
}
