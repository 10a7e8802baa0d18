//! Jaeger's API.

use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value;

use super::{client, within};

pub(crate) struct Jaeger {
    http: Client,
    url: String,
}

/// A span as Jaeger hands it out.
#[derive(Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) service: String,
    /// Names of its events, which Jaeger calls logs, in order of time.
    pub(crate) events: Vec<String>,
}

impl Jaeger {
    /// The one at `url`, for example `http://127.0.0.1:16686`.
    pub(crate) fn at(url: String) -> Self {
        Self {
            http: client(),
            url,
        }
    }

    /// `data` of the answer to a path below `/api` with these parameters; `None` without a good answer.
    pub(crate) async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = Url::parse_with_params(&format!("{}/api/{path}", self.url), parameters).ok()?;
        let answer = self.http.get(url).send().await.ok()?;
        let answer = answer.error_for_status().ok()?.text().await.ok()?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        Some(answer["data"].clone())
    }

    /// The trace of that id, if it is there.
    pub(crate) async fn trace(&self, id: &str) -> Option<Value> {
        let found = self.get(&format!("traces/{id}"), &[]).await?;
        found.get(0).cloned()
    }

    /// The trace of that id once it has `spans` spans.
    pub(crate) async fn wait_for(&self, id: &str, spans: usize, limit: Duration) -> Value {
        let mut last = None;
        let found = within(limit, async || {
            last = self.trace(id).await;
            last.clone().filter(|trace| spans_of(trace).len() == spans)
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("not {spans} spans of {id}: {last:#?}"))
    }
}

pub(crate) fn spans_of(trace: &Value) -> &[Value] {
    trace["spans"].as_array().map_or(&[], Vec::as_slice)
}

/// The spans from the one whose parent is not in the trace down, each the only child of the one before.
pub(crate) fn chain(trace: &Value) -> Vec<Span> {
    let spans = spans_of(trace);
    let parent = |span: &Value| {
        let parent = span["references"].as_array()?.first()?;
        assert_eq!(parent["refType"], "CHILD_OF");
        Some(parent["spanID"].clone())
    };
    let is_there = |id: &Value| spans.iter().any(|span| span["spanID"] == *id);
    let mut found = Vec::new();
    let mut next: Vec<_> = spans
        .iter()
        .filter(|span| !parent(span).is_some_and(|parent| is_there(&parent)))
        .collect();
    while let [span] = next.as_slice() {
        found.push(read(trace, span));
        let children = spans
            .iter()
            .filter(|child| parent(child).as_ref() == Some(&span["spanID"]));
        next = children.collect();
    }
    assert!(
        next.is_empty() && found.len() == spans.len(),
        "no chain: {trace:#?}"
    );
    found
}

fn read(trace: &Value, span: &Value) -> Span {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let field = |fields: &Value, key: &str| {
        let mut fields = fields.as_array().into_iter().flatten();
        let field = fields.find(|field| field["key"] == key);
        field.map(|field| text(&field["value"])).unwrap_or_default()
    };
    let mut logs: Vec<_> = span["logs"].as_array().into_iter().flatten().collect();
    logs.sort_by_key(|log| log["timestamp"].as_u64());
    Span {
        name: text(&span["operationName"]),
        kind: field(&span["tags"], "span.kind"),
        service: text(&trace["processes"][text(&span["processID"])]["serviceName"]),
        events: logs
            .iter()
            .map(|log| field(&log["fields"], "event"))
            .collect(),
    }
}

/// What one good `GET /ping` leaves.
pub(crate) fn one_ping() -> Vec<Span> {
    let span = |name: &str, kind: &str, service: &str, events: &[&str]| Span {
        name: name.to_owned(),
        kind: kind.to_owned(),
        service: service.to_owned(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
    };
    let success = ["Response success", "Update metrics"];
    let start = ["Start request processing", "Invoke external endpoint"];
    vec![
        span("GET /ping", "server", "Ping", &[]),
        span(
            "ping-request",
            "internal",
            "Ping",
            &[start, success].concat(),
        ),
        span("GET", "client", "Ping", &[]),
        span("GET /pong", "server", "Pong", &[]),
        span("pong-request", "internal", "Pong", &success),
    ]
}
