//! What the page shows, as it happens: JSON beside Jaeger's APIs, on the same port.
//!
//! | `GET` | answers |
//! | --- | --- |
//! | `/api/summaries` | a line for each trace that matches, newest first |
//! | `/api/live` | server-sent events: traces that are new or have changed, new figures |
//! | `/api/figures` | what was derived from the services' metrics, of the last 15 minutes |
//! | `/api/logs` | the newest log records that match a service, a least severity, a text, attributes, a trace or a span; bodies and attributes as JSON |
//! | `/api/map` | which service calls which |
//! | `/api/red` | rate, errors and duration percentiles of a `service`'s operations by the minute, from its spans |
//! | `/api/status` | how the receivers, the store and the services are |
//!
//! `POST /api/sql` answers a select; the crate's documentation has its views. `POST /api/differences` says in what some traces
//! differ from others, `{"selected": ["5b8e…", …], "others": […]}`, at most 2,000 of each: ten attributes or operations,
//! with the number of traces on either side that have them, the one whose shares differ most first.
//! `POST /api/load` takes what `/api/export` gives, and what [`Store::load`] takes, up to 16 MiB of whole lines at a time. It
//! answers with the numbers of `spans`, `logs` and `points` taken, of `faulty_lines`, and with the first `faults`.
//!
//! Times are milliseconds since 1970-01-01 UTC, durations milliseconds, both numbers with fractions; ids are lower-case
//! hex. What is asked wrongly is answered with 400 and `{"error": "…"}`.

mod announce;
mod differences;
mod events;
mod load;
mod logs;
mod map;
mod parameters;
mod reader;
mod red;
mod sql;
mod status;
mod summary;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::sync::{Semaphore, watch};

pub(crate) use announce::announce;
pub(crate) use events::Events;

use crate::{
    receive::{received::Receivers, upload::Uploads},
    scrape::Window,
    store::{Store, TooLong},
};

/// What the routes read from.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) store: Arc<Store>,
    pub(crate) events: Arc<Events>,
    pub(crate) window: Arc<Window>,
    pub(crate) receivers: Receivers,
    pub(crate) uploads: Uploads,
    /// A permit for each query that is answered at once.
    pub(crate) queries: Arc<Semaphore>,
    /// Closed when the backend stops: streams have no other end.
    pub(crate) stop: watch::Receiver<()>,
}

/// The routes.
pub(crate) fn router(live: Live) -> Router {
    Router::new()
        .route("/api/summaries", get(summary::summaries))
        .route("/api/live", get(reader::live))
        .route("/api/figures", get(figures))
        .route("/api/logs", get(logs::logs))
        .route("/api/map", get(map::map))
        .route("/api/red", get(red::red))
        .route(
            "/api/sql",
            post(sql::sql).layer(DefaultBodyLimit::max(sql::BODY)),
        )
        .route(
            "/api/differences",
            post(differences::differences).layer(DefaultBodyLimit::max(differences::BODY)),
        )
        .route("/api/load", post(load::load))
        .route("/api/status", get(status::status))
        .with_state(live)
}

/// `GET /api/figures`
async fn figures(State(live): State<Live>) -> impl IntoResponse {
    Json(live.window.figures())
}

/// Why a question is not answered, in a sentence.
struct Refused(StatusCode, String);

impl Refused {
    /// What is wrong with the question.
    fn wrong(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl From<TooLong> for Refused {
    fn from(error: TooLong) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Does what may take some tens of milliseconds where it holds up nothing else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Nanoseconds as milliseconds. Since 1970 that is exact to a quarter of a microsecond.
#[expect(clippy::cast_precision_loss, reason = "said above")]
fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
