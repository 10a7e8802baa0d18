//! A trace in a line.

use std::time::Duration;

use axum::{Json, extract};
use serde::Serialize;

use super::{Live, Refused, State, blocking, milliseconds, parameters::Parameters};
use crate::{
    TraceId,
    model::search::Query,
    store::{Outline, TooLong},
};

/// Traces that are answered if nothing else is asked for, and at most.
const LIMIT: usize = 200;
const MOST: usize = 10_000;

/// Services that are named, those with the most spans; and characters of a name. A line stays a line, whatever is sent.
const SERVICES: usize = 32;
const NAME: usize = 200;

/// What a list of traces shows of one.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    id: TraceId,
    start: f64,
    duration: f64,
    /// The span that it begins with: the root, or the first whose parent is not there. None if they form a circle.
    root: Option<Place>,
    caller: Caller,
    services: Vec<Participant>,
    spans: usize,
    errors: usize,
    /// How often an error began, and where it did first.
    failures: usize,
    failed: Option<Place>,
    complete: bool,
}

/// Who called the span that a trace begins with.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Caller {
    None,
    /// Another process, which sends no spans here.
    Outside,
    /// A span that has not arrived.
    Missing,
}

#[derive(Debug, PartialEq, Serialize)]
struct Place {
    service: String,
    name: String,
}

impl From<(String, String)> for Place {
    fn from((service, name): (String, String)) -> Self {
        Self {
            service: short(&service),
            name: short(&name),
        }
    }
}

#[derive(Debug, PartialEq, Serialize)]
struct Participant {
    name: String,
    spans: usize,
}

impl Summary {
    pub(crate) fn of(outline: Outline) -> Self {
        let complete = outline.is_complete();
        let services = outline.services.into_iter();
        let mut services: Vec<_> = services.map(|(name, spans)| (name, spans.all)).collect();
        services.sort_by(|(one, spans), (other, others)| others.cmp(spans).then(one.cmp(other)));
        services.truncate(SERVICES);
        services.sort();
        let participants = services.into_iter().map(|(name, spans)| Participant {
            name: short(&name),
            spans,
        });
        Self {
            id: outline.id,
            start: milliseconds(outline.start_unix_nanos),
            duration: milliseconds(outline.duration_nanos),
            caller: match &outline.called {
                None => Caller::None,
                Some(called) if called.from_outside => Caller::Outside,
                Some(_) => Caller::Missing,
            },
            root: outline
                .root
                .or_else(|| outline.called.map(|called| (called.service, called.name)))
                .map(Place::from),
            failures: outline.failures,
            failed: outline.failed.map(Place::from),
            services: participants.collect(),
            spans: outline.spans.all,
            errors: outline.spans.errors,
            complete,
        }
    }
}

/// The name, or the beginning of a long one.
pub(super) fn short(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

#[derive(Serialize)]
pub(super) struct Summaries {
    traces: Vec<Summary>,
    /// How many traces there are, whatever was asked for.
    kept: usize,
}

/// `GET /api/summaries`
pub(super) async fn summaries(
    State(live): State<Live>,
    parameters: extract::Query<Vec<(String, String)>>,
) -> Result<Json<Summaries>, Refused> {
    let query = query(&parameters.into())?;
    let summaries = blocking(move || {
        let found = live.store.find_all(&query)?.into_iter();
        let outlines = found.filter_map(|found| live.store.outline(found));
        Ok::<_, TooLong>(Summaries {
            traces: outlines.map(Summary::of).collect(),
            kept: live.store.len(),
        })
    });
    Ok(Json(summaries.await??))
}

fn query(parameters: &Parameters) -> Result<Query, Refused> {
    let duration_min = parameters.parse("minDuration")?.map(|milliseconds: f64| {
        Duration::try_from_secs_f64(milliseconds / 1e3)
            .map_err(|error| Refused::wrong(format!("minDuration is not understood: {error}")))
    });
    Ok(Query {
        service: parameters.text("service"),
        operation: parameters.text("operation"),
        attributes: parameters.attributes()?,
        duration_min: duration_min.transpose()?,
        errors_only: parameters.parse("errors")?.unwrap_or(false),
        text: parameters.text("text"),
        limit: parameters.parse("limit")?.unwrap_or(LIMIT).min(MOST),
        ..Query::default()
    })
}
