//! Why some traces are as they are: what they have and others have not.

use axum::{Json, extract::rejection::JsonRejection};
use serde::{Deserialize, Serialize};

use super::{Live, Refused, State, blocking};
use crate::{
    TraceId,
    store::{Difference, What},
};

/// Differences that are answered.
const LIMIT: usize = 10;

/// Traces of each kind that are looked at.
const TRACES: usize = 2_000;

/// Longest body of a question, in bytes: that many ids.
pub(super) const BODY: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    selected: Vec<String>,
    others: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    /// Traces that were looked at.
    selected: usize,
    others: usize,
    differences: Vec<Line>,
}

/// A span's attribute, or a service's operation; and how many of the traces have it.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Attribute {
        key: String,
        value: String,
        selected: usize,
        others: usize,
    },
    Operation {
        service: String,
        operation: String,
        selected: usize,
        others: usize,
    },
}

impl From<Difference> for Line {
    fn from(difference: Difference) -> Self {
        let [selected, others] = difference.counts;
        let [first, second] = difference.pair;
        match difference.what {
            What::Attribute => Self::Attribute {
                key: first,
                value: second,
                selected,
                others,
            },
            What::Operation => Self::Operation {
                service: first,
                operation: second,
                selected,
                others,
            },
        }
    }
}

/// `POST /api/differences`
pub(super) async fn differences(
    State(live): State<Live>,
    question: Result<Json<Question>, JsonRejection>,
) -> Result<Json<Answer>, Refused> {
    let Json(question) = question.map_err(|rejection| {
        Refused::wrong(format!(
            "the body is JSON, {{\"selected\": [trace ids], \"others\": [trace ids]}}: {}",
            rejection.body_text()
        ))
    })?;
    let (selected, others) = (ids(&question.selected)?, ids(&question.others)?);
    let answer = blocking(move || {
        let (traces, differences) = live.store.differences(&selected, &others, LIMIT);
        Answer {
            selected: traces[0],
            others: traces[1],
            differences: differences.into_iter().map(Line::from).collect(),
        }
    });
    answer.await.map(Json)
}

fn ids(texts: &[String]) -> Result<Vec<TraceId>, Refused> {
    if texts.len() > TRACES {
        return Err(Refused::wrong(format!(
            "at most {TRACES} traces of each kind are looked at"
        )));
    }
    let ids = texts.iter().map(|text| {
        let id = text.parse::<TraceId>();
        id.map_err(|error| Refused::wrong(format!("{text:?} is {error}")))
    });
    ids.collect()
}
