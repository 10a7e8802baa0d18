//! The newer form of the query API, `/api/v3`: OTLP's messages in protobuf's JSON.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};
use serde_json::json;

use super::{
    Unanswered, blocking,
    parameters::{self, Malformed, Parameters},
    stream,
    summaries::Summaries,
};
use crate::{
    model::{encode::by_resource, search::Query},
    store::{Found, Pages, Store, Stored},
};

pub(crate) fn router() -> Router<Arc<Store>> {
    Router::new()
        .route("/api/v3/services", get(services))
        .route("/api/v3/operations", get(operations))
        .route("/api/v3/traces", get(traces))
        .route("/api/v3/traces/{id}", get(trace))
        .route("/api/v3/trace-summaries", get(summaries))
}

/// A request that is not answered: `{"error": {"httpCode": …, "message": …}}`.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        let error = json!({ "error": { "httpCode": status.as_u16(), "message": message } });
        (status, Json(error)).into_response()
    }
}

impl From<Unanswered> for Refusal {
    fn from(Unanswered(status, why): Unanswered) -> Self {
        Self(status, why)
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed { name, reason }: Malformed) -> Self {
        Self(
            StatusCode::BAD_REQUEST,
            format!("malformed parameter {name}: {reason}"),
        )
    }
}

async fn services(State(store): State<Arc<Store>>) -> Response {
    stream::json(json!({ "services": store.services() }))
}

async fn operations(State(store): State<Arc<Store>>, parameters: Parameters) -> Response {
    let service = parameters.get("service").unwrap_or_default();
    let kind = parameters.get("span_kind").or(parameters.get("spanKind"));
    let operations = super::operations_of(&store, service, kind);
    stream::json(json!({ "operations": operations }))
}

async fn trace(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let id = parameters::trace_id(&id).map_err(|expected| Malformed {
        name: "trace_id",
        reason: format!("{id:?} is not {expected}"),
    })?;
    // What lies outside of these times is part of the trace all the same, as in Jaeger's memory storage.
    for names in [["startTime", "start_time"], ["endTime", "end_time"]] {
        either(&parameters, names, parameters::time)?;
    }
    either(&parameters, ["rawTraces", "raw_traces"], parameters::truth)?;
    let trace = id
        .and_then(|id| Stored::find(&store, id))
        .ok_or_else(not_found)?;
    Ok(stream::json(Answer {
        result: TracesData(vec![trace]),
    }))
}

async fn traces(
    State(store): State<Arc<Store>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let found = find_all(&store, &parameters).await?;
    if found.is_empty() {
        return Err(not_found());
    }
    let traces = found.into_iter().map(|found| Stored::new(&store, found));
    Ok(stream::json(Answer {
        result: TracesData(traces.collect()),
    }))
}

async fn summaries(
    State(store): State<Arc<Store>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let found = find_all(&store, &parameters).await?;
    Ok(stream::json(Summaries { store, found }))
}

/// Where the traces are that the parameters look for.
async fn find_all(store: &Arc<Store>, parameters: &Parameters) -> Result<Vec<Found>, Refusal> {
    let (store, query) = (store.clone(), query(parameters)?);
    Ok(blocking(move || store.find_all(&query)).await?)
}

fn not_found() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "No traces found".to_owned())
}

fn query(parameters: &Parameters) -> Result<Query, Refusal> {
    let attributes = parameters.read("query.attributes", |text| {
        let map: std::collections::BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|_| "a JSON object of strings")?;
        Ok(map.into_iter().collect())
    })?;
    let from = either(
        parameters,
        ["query.startTimeMin", "query.start_time_min"],
        parameters::time,
    )?;
    let to = either(
        parameters,
        ["query.startTimeMax", "query.start_time_max"],
        parameters::time,
    )?;
    if from.is_none() || to.is_none() {
        let message = "query.start_time_min and query.start_time_max are required";
        return Err(Refusal(StatusCode::BAD_REQUEST, message.to_owned()));
    }
    if from >= to {
        let message = "query.start_time_min must be before query.start_time_max";
        return Err(Refusal(StatusCode::BAD_REQUEST, message.to_owned()));
    }
    let depth = match either(
        parameters,
        ["query.searchDepth", "query.search_depth"],
        parameters::integer,
    )? {
        None => parameters.read("query.num_traces", parameters::integer)?,
        depth => depth,
    };
    let [shortest, longest] = [
        ["query.durationMin", "query.duration_min"],
        ["query.durationMax", "query.duration_max"],
    ]
    .map(|names| either(parameters, names, parameters::duration));
    either(
        parameters,
        ["query.rawTraces", "query.raw_traces"],
        parameters::truth,
    )?;
    let text = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|name| parameters.get(name))
            .map(str::to_owned)
    };
    Ok(Query {
        service: text(["query.serviceName", "query.service_name"]),
        operation: text(["query.operationName", "query.operation_name"]),
        attributes: attributes.unwrap_or_default(),
        start_min_unix_nanos: from,
        start_max_unix_nanos: to,
        duration_min: shortest?.filter(|duration| !duration.is_zero()),
        duration_max: longest?.filter(|duration| !duration.is_zero()),
        limit: super::limit_of(depth.unwrap_or(super::LIMIT)),
        ..Query::default()
    })
}

/// A parameter by its name of now, or its older one.
fn either<T>(
    parameters: &Parameters,
    names: [&'static str; 2],
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, Malformed> {
    match parameters.read(names[0], &read)? {
        None => parameters.read(names[1], read),
        value => Ok(value),
    }
}

/// What every stream of Jaeger's API puts around a message.
#[derive(Serialize)]
struct Answer<T> {
    result: T,
}

/// One trace after the other, read while they are written.
struct TracesData(Vec<Stored>);

impl Serialize for TracesData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("TracesData", 1)?;
        data.serialize_field("resourceSpans", &ResourceSpans(&self.0))?;
        data.end()
    }
}

/// Those of a trace; of a large one, a resource has several.
struct ResourceSpans<'a>(&'a [Stored]);

impl Serialize for ResourceSpans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for page in self.0.iter().flat_map(Stored::pages) {
            for of_resource in by_resource(&page) {
                all.serialize_element(&of_resource)?;
            }
        }
        all.end()
    }
}
