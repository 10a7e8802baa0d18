//! SQL over what is kept.

use std::time::Duration;

use axum::{
    extract::rejection::JsonRejection,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Live, Refused, State, blocking};
use crate::store::{Cell, Parameter, Table};

/// Rows of an answer to whoever does not say how many, and at most.
const LIMIT: usize = 1_000;
const MOST: usize = 100_000;

/// Longest body of a question, in bytes.
pub(super) const BODY: usize = 1 << 20;

/// How long a query waits for others.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    sql: String,
    #[serde(default)]
    parameters: Vec<serde_json::Value>,
    limit: Option<usize>,
}

/// `POST /api/sql`
pub(super) async fn sql(
    State(live): State<Live>,
    headers: HeaderMap,
    question: Result<axum::Json<Question>, JsonRejection>,
) -> Result<Response, Refused> {
    let axum::Json(question) = question.map_err(|rejection| {
        Refused::wrong(format!(
            "the body is JSON, {{\"sql\": \"select …\", \"parameters\": […], \"limit\": 1000}}: {}",
            rejection.body_text()
        ))
    })?;
    let parameters = question.parameters.into_iter().map(parameter);
    let parameters = parameters.collect::<Result<Vec<_>, Refused>>()?;
    let limit = question.limit.unwrap_or(LIMIT).min(MOST);
    let turn = timeout(PATIENCE, live.queries.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let busy = "other queries are being answered; ask again later";
        return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, busy.to_owned()));
    };
    let found = blocking(move || {
        let found = live.store.sql(&question.sql, &parameters, limit);
        drop(turn);
        found
    });
    let found = found.await?.map_err(Refused::wrong)?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    Ok(match accept {
        Some(accept) if accept.contains("text/csv") => {
            let truncated = found.truncated.to_string();
            (
                [
                    ("content-type", "text/csv; charset=utf-8".to_owned()),
                    ("x-truncated", truncated),
                ],
                csv(&found),
            )
                .into_response()
        }
        _ => axum::Json(found).into_response(),
    })
}

fn parameter(value: serde_json::Value) -> Result<Parameter, Refused> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => Parameter::Null,
        Json::Bool(truth) => Parameter::Integer(truth.into()),
        Json::String(text) => Parameter::Text(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Parameter::Integer(integer),
            (None, Some(real)) => Parameter::Real(real),
            (None, None) => return Err(Refused::wrong(format!("{number} is no parameter"))),
        },
        Json::Array(_) | Json::Object(_) => {
            return Err(Refused::wrong(
                "a parameter is text, a number, true, false or null",
            ));
        }
    })
}

/// As RFC 4180 has it, with names in the first line.
fn csv(table: &Table) -> String {
    let mut text = String::new();
    let names = table
        .columns
        .iter()
        .map(|name| Cell::Text(name.clone()))
        .collect();
    for row in std::iter::once(&names).chain(&table.rows) {
        for (place, cell) in row.iter().enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            match cell {
                Cell::Null => {}
                Cell::Integer(integer) => text.push_str(&integer.to_string()),
                Cell::Real(real) => text.push_str(&real.to_string()),
                Cell::Text(field) if field.contains(['"', ',', '\n', '\r']) => {
                    text.push('"');
                    text.push_str(&field.replace('"', "\"\""));
                    text.push('"');
                }
                Cell::Text(field) => text.push_str(field),
            }
        }
        text.push_str("\r\n");
    }
    text
}
