//! Jaeger's query API: what its page and Grafana's Jaeger data source ask, and its newer form, `/api/v3`.
//!
//! | path | parameters |
//! | --- | --- |
//! | `/api/services` | |
//! | `/api/services/{service}/operations` | |
//! | `/api/operations` | `service`, `spanKind` |
//! | `/api/traces` | `service`, `operation`, `start` and `end` (µs since 1970), `limit`, `minDuration` and `maxDuration` (as `1.5s`), `tag` (`key:value`), `tags` (a JSON object); or `traceID`, repeated |
//! | `/api/traces/{id}` | |
//! | `/api/dependencies` | `endTs` and `lookback` (ms), `service` |
//! | `/api/metrics/{metric}` | 501, as a Jaeger without a storage of metrics |
//! | `POST /api/transform` | the body is OTLP's JSON; the answer shows its traces as `/api/traces` does, and nothing is kept |
//! | `/api/v3/services` | |
//! | `/api/v3/operations` | `service`, `span_kind` |
//! | `/api/v3/traces` | `query.start_time_min` and `query.start_time_max` (RFC 3339), `query.service_name`, `query.operation_name`, `query.attributes`, `query.duration_min`, `query.duration_max`, `query.search_depth` or `query.num_traces` |
//! | `/api/v3/traces/{id}` | |
//! | `/api/v3/trace-summaries` | as `/api/v3/traces`; Jaeger's page from 2.19 on lists these |
//!
//! `prettyPrint=true` indents every answer but those of `/api/v3`. A name with a `_` may be written as Jaeger 2.20 writes it, too: `query.serviceName`, `spanKind`.
//!
//! `/api/export` is no part of it: everything kept, traces, logs and metrics, as lines of OTLP's JSON; see [`Store::save`].
//!
//! Answers are written while they are sent, so that their size costs no memory. A search that takes longer than 30 seconds
//! is cut off: 503 says so.
//!
//! # Differences
//!
//! `tests/jaeger` sends the same to a real Jaeger 2.2 and compares what it answers, in both forms. All is equal but for:
//!
//! | here | Jaeger 2.2 | because |
//! | --- | --- | --- |
//! | a service without a name is `unknown_service`; a name that is empty is so | `missing-service-name`, `service-name-wrong-type`, `empty-service-name` | the semantic conventions call it so |
//! | spans stay where their senders' clocks had them | those outside of their parents are moved, with a warning | one machine has one clock |
//! | a span that ends before it starts took 0 | 2⁶⁴ less that | there is no such duration |
//! | times after 2262 are shown | they are before 1970 | OTLP's times have no sign |
//! | NaN and the infinities are text | 500 | JSON has no such numbers |
//! | no bytes are `""`; text in arrays is as it is | `null`; `<` is `\u003c` | Go |
//! | numeric `ip` and `telemetry.sdk.*` of spans are left alone | a text; moved to the process | they are for Jaeger's old clients |
//! | a span id counts once in a trace | spans that differ are all there | so counts a span that is sent again |
//! | without `start`, all traces are searched | those of two days | a file that was loaded is older |
//! | `tag` and `tags` compare what is shown: bytes in base64, all digits of a double; attributes of scopes and `service.name` count | hex, ten digits; they do not | later versions take the same text |
//! | `/api/v3` gives spans back as they were sent | types of arrays and maps, attributes of scopes and links, counts, flags, schema URLs are lost; some statuses, names and parents are made up | 2.2 keeps the older form; later versions do not |
//! | `/api/v3/traces` needs no service, and knows `query.attributes` | needs one, ignores it | as later versions |
//! | a refusal is `application/json`, and says in other words why something cannot be read | `text/plain`, Go's words | |
//! | `/api/v3/traces` finds 100 traces unless told otherwise, and needs a start before the end | all; it does not | as later versions |
//! | a space in the place of a time's `+` is a `+` | 400 | Grafana leaves the `+` unescaped, which makes it a space |
//! | `/api/transform` shows a file as if its spans had arrived | events are not sorted, no warning names a missing parent | |
//! | `/api/metrics` is 501 whatever the parameters are | 400 if they cannot be read | |
//! | an empty list is `[]`; an unknown path is 404 | `null`; Jaeger's page | |
//!
//! Jaeger 2.20 says `internal` in `/api/v3/operations` where a span said nothing of its kind; here, as in 2.2, it is empty.

mod dependencies;
mod parameters;
mod stream;
mod summaries;
mod trace;
mod transform;
mod v3;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::task::spawn_blocking;

use self::{
    dependencies::dependencies,
    parameters::{Malformed, Parameters},
    trace::JaegerTrace,
};
use crate::{
    model::search::Query,
    receive::upload::Uploads,
    store::{Store, Stored, TooLong},
};

/// Traces in an answer to whoever does not say how many.
const LIMIT: i64 = 100;

/// The routes, reading from `store`.
pub(crate) fn router(store: Arc<Store>, uploads: Uploads) -> Router {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operation_names))
        .route("/api/operations", get(operations))
        .route("/api/traces", get(traces))
        .route("/api/traces/{id}", get(trace))
        .route("/api/dependencies", get(service_dependencies))
        .route("/api/metrics/{metric}", get(metrics))
        .route("/api/export", get(export))
        .merge(v3::router())
        .merge(transform::router(uploads))
        .with_state(store)
}

/// What every answer is in.
#[derive(Serialize)]
struct Envelope<T> {
    data: Option<T>,
    total: usize,
    limit: u32,
    offset: u32,
    errors: Option<Vec<Fault>>,
}

#[derive(Serialize)]
struct Fault {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl<T> Envelope<T> {
    fn new(data: T, total: usize) -> Self {
        Self {
            data: Some(data),
            total,
            limit: 0,
            offset: 0,
            errors: None,
        }
    }
}

/// A request that is not answered.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }
}

impl From<Unanswered> for Refusal {
    fn from(Unanswered(status, why): Unanswered) -> Self {
        Self(status, why)
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed { name, reason }: Malformed) -> Self {
        Self::bad_request(format!("unable to parse param '{name}': {reason}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, msg) = self;
        let fault = Fault {
            code: Some(status.as_u16()),
            msg,
            trace_id: None,
        };
        let envelope: Envelope<()> = Envelope {
            data: None,
            errors: Some(vec![fault]),
            ..Envelope::new((), 0)
        };
        (status, Json(envelope)).into_response()
    }
}

/// The answer to a request with `parameters`: indented if `prettyPrint` asks for it.
fn answer(parameters: &Parameters, value: impl Serialize + Send + 'static) -> Response {
    match parameters.get("prettyPrint") {
        None | Some("false") => stream::json(value),
        Some(_) => stream::indented_json(value),
    }
}

/// A question that was understood and is not answered.
struct Unanswered(StatusCode, String);

/// Does what may take seconds where it holds up nothing else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TooLong> + Send + 'static,
) -> Result<T, Unanswered> {
    match spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Unanswered(
            StatusCode::SERVICE_UNAVAILABLE,
            error.to_string(),
        )),
        Err(error) => Err(Unanswered(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
    }
}

async fn services(State(store): State<Arc<Store>>, parameters: Parameters) -> Response {
    let services = store.services();
    let total = services.len();
    answer(&parameters, Envelope::new(services, total))
}

async fn operation_names(
    State(store): State<Arc<Store>>,
    Path(service): Path<String>,
    parameters: Parameters,
) -> Response {
    let operations = store.operations(&service).into_iter();
    let names: BTreeSet<_> = operations.map(|operation| operation.name).collect();
    let total = names.len();
    answer(&parameters, Envelope::new(names, total))
}

async fn operations(
    State(store): State<Arc<Store>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let operations = operations_of(&store, service(&parameters)?, parameters.get("spanKind"));
    let total = operations.len();
    Ok(answer(&parameters, Envelope::new(operations, total)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    name: String,
    span_kind: &'static str,
}

/// The operations of `service`, of one kind if there is one.
fn operations_of(store: &Store, service: &str, kind: Option<&str>) -> Vec<Operation> {
    let operations = store
        .operations(service)
        .into_iter()
        .map(|operation| Operation {
            name: operation.name,
            span_kind: operation.kind.name(),
        });
    operations
        .filter(|operation| kind.is_none_or(|kind| kind == operation.span_kind))
        .collect()
}

fn service(parameters: &Parameters) -> Result<&str, Refusal> {
    parameters
        .get("service")
        .ok_or_else(|| Refusal::bad_request("parameter 'service' is required"))
}

async fn trace(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let id = parameters::trace_id(&id)
        .map_err(|expected| Refusal::bad_request(format!("{id:?} is not {expected}")))?;
    // What lies outside of these times is part of the trace all the same, as in Jaeger's memory storage.
    for name in ["start", "end"] {
        parameters.read(name, parameters::microseconds)?;
    }
    parameters.read("raw", parameters::truth)?;
    let trace = id.and_then(|id| Stored::find(&store, id));
    let trace = trace.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, NOT_FOUND.to_owned()))?;
    Ok(answer(&parameters, Envelope::new([JaegerTrace(trace)], 0)))
}

const NOT_FOUND: &str = "trace not found";

async fn traces(
    State(store): State<Arc<Store>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let search = search(&parameters)?;
    let ids = parameters.all("traceID").map(|id| {
        parameters::trace_id(id).map_err(|expected| {
            let message = format!("cannot parse traceID param: {id:?} is not {expected}");
            Refusal::bad_request(message)
        })
    });
    let ids = ids.collect::<Result<Vec<_>, Refusal>>()?;
    parameters.read("raw", parameters::truth)?;
    if ids.is_empty() {
        service(&parameters)?;
    }
    if let (Some(shortest), Some(longest)) = (search.duration_min, search.duration_max)
        && longest < shortest
    {
        return Err(Refusal::bad_request(
            "'maxDuration' should be greater than 'minDuration'",
        ));
    }
    if ids.is_empty() {
        let searched = store.clone();
        let found = blocking(move || searched.find_all(&search))
            .await?
            .into_iter();
        let traces: Vec<_> = found
            .map(|found| JaegerTrace(Stored::new(&store, found)))
            .collect();
        return Ok(answer(&parameters, Envelope::new(traces, 0)));
    }
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match id.and_then(|id| Stored::find(&store, id)) {
            Some(trace) => found.push(JaegerTrace(trace)),
            None => errors.push(Fault {
                code: None,
                msg: NOT_FOUND.to_owned(),
                trace_id: Some(id.map_or("0".repeat(16), trace::trace_id)),
            }),
        }
    }
    let envelope = Envelope {
        errors: (!errors.is_empty()).then_some(errors),
        ..Envelope::new(found, 0)
    };
    Ok(answer(&parameters, envelope))
}

/// What the parameters look for. They are read in Jaeger's order, so that the first fault is the same.
fn search(parameters: &Parameters) -> Result<Query, Refusal> {
    let start = parameters.read("start", parameters::microseconds)?;
    let end = parameters.read("end", parameters::microseconds)?;
    let attributes = tags(parameters)?;
    let limit = parameters
        .read("limit", parameters::integer)
        .map_err(|malformed| Refusal::bad_request(malformed.reason))?;
    let duration = |name| {
        let duration = parameters.read(name, parameters::duration)?;
        Ok::<_, Refusal>(duration.filter(|duration| !duration.is_zero()))
    };
    Ok(Query {
        service: parameters.get("service").map(str::to_owned),
        operation: parameters.get("operation").map(str::to_owned),
        attributes,
        start_min_unix_nanos: start,
        start_max_unix_nanos: end,
        duration_min: duration("minDuration")?,
        duration_max: duration("maxDuration")?,
        limit: limit_of(limit.unwrap_or(LIMIT)),
        ..Query::default()
    })
}

/// Keys and values: of every `tag`, then of every `tags`; of several values for a key the last counts.
fn tags(parameters: &Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in parameters.all("tag") {
        let Some((key, value)) = tag.split_once(':') else {
            return Err(Refusal::bad_request(format!(
                "malformed 'tag' parameter, expecting key:value, received: {tag}"
            )));
        };
        tags.insert(key.to_owned(), value.to_owned());
    }
    for json in parameters.all("tags") {
        let more: BTreeMap<String, String> = serde_json::from_str(json).map_err(|error| {
            Refusal::bad_request(format!(
                "malformed 'tags' parameter, cannot unmarshal JSON: {error}"
            ))
        })?;
        tags.extend(more);
    }
    Ok(tags.into_iter().collect())
}

/// Zero, or less, is no limit.
fn limit_of(limit: i64) -> usize {
    match usize::try_from(limit) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(limit) => limit,
    }
}

async fn service_dependencies(
    State(store): State<Arc<Store>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let now = || nanos(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
    let end = parameters
        .read("endTs", parameters::milliseconds)?
        .unwrap_or_else(now);
    let lookback = parameters.read("lookback", parameters::milliseconds)?;
    let start = end.saturating_sub(lookback.unwrap_or(nanos(dependencies::LOOKBACK)));
    let search = Query {
        // Neither of both moments counts.
        start_min_unix_nanos: Some(start.saturating_add(1)),
        start_max_unix_nanos: Some(end.saturating_sub(1)),
        ..Query::default()
    };
    let service = parameters.get("service").map(str::to_owned);
    let calls = blocking(move || dependencies(store.beginnings(&search), service.as_deref()));
    Ok(answer(&parameters, Envelope::new(calls.await?, 0)))
}

/// Jaeger's page asks here for the figures of its tab *Monitor*. The status is that of a Jaeger without a storage of
/// metrics: the tab then explains itself, where any other status shows as a failure.
async fn metrics() -> Refusal {
    let message = "no metrics are derived from spans here";
    Refusal(StatusCode::NOT_IMPLEMENTED, message.to_owned())
}

/// All that is kept, as a file.
async fn export(State(store): State<Arc<Store>>) -> Response {
    let lines = stream::stream("application/x-ndjson", move |pieces| store.save(pieces));
    let name = [(
        header::CONTENT_DISPOSITION,
        "attachment; filename=\"telemetry.jsonl\"",
    )];
    (name, lines).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_searches_too_long_is_told_what_to_do() {
        let Err(unanswered) = blocking(|| Err::<(), _>(TooLong)).await else {
            panic!("it is answered")
        };
        let Refusal(status, why) = unanswered.into();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(why.contains("name a service"), "{why}");
    }
}
