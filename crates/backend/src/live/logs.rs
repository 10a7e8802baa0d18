//! Log records: of a trace or a span, and those that match a search.

use axum::{Json, extract::Query};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Live, Refused, State, blocking, milliseconds, parameters::Parameters};
use crate::{Attributes, LogRecord, SpanId, TraceId, model::search_logs::LogQuery};

/// Records that are answered, the newest, if no other number is asked for; and at most.
const LIMIT: usize = 1_000;
const MOST: usize = 10_000;

#[derive(Serialize)]
pub(super) struct Logs {
    logs: Vec<Line>,
    /// Whether older ones may match.
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    time: f64,
    severity: String,
    body: Value,
    event: String,
    service: String,
    scope: Scope,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    attributes: Map<String, Value>,
    resource: Map<String, Value>,
}

/// In Java, Python and Go the name is the logger's.
#[derive(Serialize)]
struct Scope {
    name: String,
    version: String,
}

impl Line {
    fn of(log: &LogRecord) -> Self {
        Self {
            time: milliseconds(log.time()),
            severity: severity(log),
            body: log.body.to_json(),
            event: log.event_name.clone(),
            service: log.resource.service().to_owned(),
            scope: Scope {
                name: log.scope.name.clone(),
                version: log.scope.version.clone(),
            },
            trace_id: log.trace_id,
            span_id: log.span_id,
            attributes: as_json(&log.attributes),
            resource: as_json(&log.resource.attributes),
        }
    }
}

/// The severity's own name, or the one that its number has in OTLP's data model.
fn severity(log: &LogRecord) -> String {
    if !log.severity_text.is_empty() {
        return log.severity_text.clone();
    }
    let name = match log.severity_number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "",
    };
    name.to_owned()
}

fn as_json(attributes: &Attributes) -> Map<String, Value> {
    attributes
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_json()))
        .collect()
}

/// An id of up to 32 digits: `/api/traces` hands out short ones without the zeros in front.
fn trace_id(digits: &str) -> Result<TraceId, Refused> {
    let id = format!("{digits:0>32}").parse();
    id.map_err(|error| Refused::wrong(format!("trace is not understood: {error}")))
}

/// `GET /api/logs`, with `trace`, `span`, `service`, `severity` (a number, at least), `text`, `attribute` (`key=value`, any
/// number of them) and `limit`: by time, the newest that match.
pub(super) async fn logs(
    State(live): State<Live>,
    parameters: Query<Vec<(String, String)>>,
) -> Result<Json<Logs>, Refused> {
    let query = query(&parameters.into())?;
    let answer = blocking(move || {
        let found = live.store.latest_logs(&query);
        let mut logs: Vec<_> = found.logs.iter().map(|log| Line::of(log)).collect();
        logs.sort_by(|one, other| one.time.total_cmp(&other.time));
        Logs {
            logs,
            truncated: found.truncated,
        }
    });
    answer.await.map(Json)
}

fn query(parameters: &Parameters) -> Result<LogQuery, Refused> {
    let trace = parameters.text("trace");
    let query = LogQuery {
        trace: trace.map(|digits| trace_id(&digits)).transpose()?,
        span: parameters.parse("span")?,
        service: parameters.text("service"),
        severity: parameters.parse("severity")?.unwrap_or(0),
        text: parameters.text("text"),
        attributes: parameters.attributes()?,
        limit: parameters.parse("limit")?.unwrap_or(LIMIT).min(MOST),
    };
    if query.trace.is_none() && query.span.is_some() {
        return Err(Refused::wrong("a span is one of a trace: trace is missing"));
    }
    Ok(query)
}
