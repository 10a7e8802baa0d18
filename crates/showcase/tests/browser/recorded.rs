//! Telemetry that real SDKs have sent: a shop of services in Node, Go, Python and Java, as `crates/backend/tests/senders`
//! records it. It comes as if it happened just now.

use std::path::Path;

use serde_json::Value;

use crate::{showcase::Showcase, spans::now};

/// Sends all of it to the showcase.
pub(crate) async fn send(showcase: &Showcase) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/recorded.jsonl");
    let lines = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut newest = 0;
    for line in &mut lines {
        times(line, &mut |time| newest = newest.max(*time));
    }
    let later = now() - newest;
    for line in &mut lines {
        times(line, &mut |time| *time += later);
        let path = match line {
            _ if line.get("resourceSpans").is_some() => "/v1/traces",
            _ if line.get("resourceLogs").is_some() => "/v1/logs",
            _ => "/v1/metrics",
        };
        assert_eq!(showcase.post(path, line).await, "{}");
    }
}

/// Each point in time of a message; OTLP names them all alike. Zero is none.
fn times(value: &mut Value, change: &mut impl FnMut(&mut u64)) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| times(one, change)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let time = field.as_str().and_then(|text| text.parse().ok());
                match time {
                    Some(mut time) if time > 0 && name.ends_with("UnixNano") => {
                        change(&mut time);
                        *field = time.to_string().into();
                    }
                    _ => times(field, change),
                }
            }
        }
        _ => {}
    }
}
