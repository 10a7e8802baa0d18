//! What the page lets people try: ordinary requests to ping, and restarts of the services with other settings.
//!
//! | request | body | does |
//! | --- | --- | --- |
//! | `GET /api/try` | | says how ping and pong run, and which lines for a shell do the same as the requests below |
//! | `POST /api/try/ping` | `{"count": 1..100}` | sends so many pings, and answers with their statuses |
//! | `POST /api/try/load` | `{"rate": 0..200}` | sends so many pings a second from now on; 0 stops |
//! | `POST /api/try/pong` | `{"running", "latency", "failureRate"}` | restarts pong so, or stops it |
//! | `POST /api/try/start` | `{"service": "ping" or "pong"}` | starts it, if it does not run |
//! | `POST /api/try/sampling` | `{"ratio": 0..1}` | restarts ping, which then samples so many traces |
//!
//! What goes wrong is `{"error": "…"}`. Web pages of other origins are kept out where the routes are served.

mod load;
mod pings;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use load::Load;

use self::pings::{Pings, Sent};
use crate::services::{ByHand, Change, Command, Name, Shown, ShownService};

/// Most pings at one press.
const MOST: usize = 100;

/// Largest body, in bytes.
const BODY: usize = 4 << 10;

/// What the routes act on.
#[derive(Clone)]
pub(crate) struct TryIt {
    pings: Pings,
    commands: mpsc::Sender<Command>,
    services: watch::Receiver<Shown>,
    rate: Arc<watch::Sender<u32>>,
    ping: SocketAddr,
}

impl TryIt {
    /// On the services of `commands`, of which `ping` is one. Changes wait one for the other.
    ///
    /// # Errors
    ///
    /// There is no HTTP client to be had.
    pub(crate) fn new(
        ping: SocketAddr,
        commands: mpsc::Sender<Command>,
        services: watch::Receiver<Shown>,
    ) -> std::io::Result<(Self, Load)> {
        let pings = Pings::new(ping)?;
        let (rate, rates) = watch::channel(0);
        let load = Load::new(pings.clone(), rates);
        let rate = Arc::new(rate);
        Ok((
            Self {
                pings,
                commands,
                services,
                rate,
                ping,
            },
            load,
        ))
    }

    /// The routes.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/api/try", get(shown))
            .route("/api/try/ping", post(ping))
            .route("/api/try/load", post(set_load))
            .route("/api/try/pong", post(pong))
            .route("/api/try/start", post(start))
            .route("/api/try/sampling", post(sampling))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(self)
    }

    fn settings(&self) -> Json<Settings> {
        let Shown {
            ping,
            pong,
            by_hand,
        } = self.services.borrow().clone();
        let rate = *self.rate.borrow();
        Json(Settings {
            ping,
            pong,
            by_hand,
            load: ShownLoad {
                running: rate > 0,
                rate,
            },
            curl: format!("curl http://localhost:{}/ping", self.ping.port()),
        })
    }

    /// Returns when it is done.
    async fn change(&self, change: Change) -> Result<Json<Settings>, Failed> {
        let gone = || {
            Failed(
                StatusCode::SERVICE_UNAVAILABLE,
                "the showcase is stopping".to_owned(),
            )
        };
        let (done, is_done) = oneshot::channel();
        let command = Command { change, done };
        self.commands.send(command).await.map_err(|_| gone())?;
        let changed = is_done.await.map_err(|_| gone())?;
        changed.map_err(|error| Failed(StatusCode::INTERNAL_SERVER_ERROR, error))?;
        Ok(self.settings())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    ping: ShownService,
    pong: ShownService,
    by_hand: ByHand,
    load: ShownLoad,
    curl: String,
}

#[derive(Serialize)]
struct ShownLoad {
    running: bool,
    rate: u32,
}

/// What was not done, and why.
struct Failed(StatusCode, String);

impl Failed {
    fn wanted(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl From<JsonRejection> for Failed {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

async fn shown(State(this): State<TryIt>) -> Json<Settings> {
    this.settings()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PingBody {
    count: usize,
}

async fn ping(
    State(this): State<TryIt>,
    body: Result<Json<PingBody>, JsonRejection>,
) -> Result<Json<Sent>, Failed> {
    let Json(PingBody { count }) = body?;
    if !(1..=MOST).contains(&count) {
        return Err(Failed::wanted(format!("count is 1 to {MOST}")));
    }
    Ok(Json(this.pings.send(count).await))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadBody {
    rate: u32,
}

async fn set_load(
    State(this): State<TryIt>,
    body: Result<Json<LoadBody>, JsonRejection>,
) -> Result<Json<Settings>, Failed> {
    let Json(LoadBody { rate }) = body?;
    if rate > load::MOST {
        return Err(Failed::wanted(format!("rate is 0 to {}", load::MOST)));
    }
    this.rate.send_replace(rate);
    Ok(this.settings())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PongBody {
    running: bool,
    latency: Option<String>,
    failure_rate: Option<f64>,
}

async fn pong(
    State(this): State<TryIt>,
    body: Result<Json<PongBody>, JsonRejection>,
) -> Result<Json<Settings>, Failed> {
    let Json(PongBody {
        running,
        latency,
        failure_rate,
    }) = body?;
    let asked = |name: &str| match name {
        "PONG_LATENCY" => latency.clone().map(Into::into),
        "PONG_FAILURE_RATE" => failure_rate.map(|rate| rate.to_string().into()),
        _ => None,
    };
    // Pong itself would say no, and end.
    pong::Settings::from_env(&asked).map_err(|error| Failed::wanted(error.to_string()))?;
    let change = Change::Pong {
        running,
        latency,
        failure_rate,
    };
    this.change(change).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartBody {
    service: Name,
}

async fn start(
    State(this): State<TryIt>,
    body: Result<Json<StartBody>, JsonRejection>,
) -> Result<Json<Settings>, Failed> {
    let Json(StartBody { service }) = body?;
    this.change(Change::Start(service)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SamplingBody {
    ratio: f64,
}

async fn sampling(
    State(this): State<TryIt>,
    body: Result<Json<SamplingBody>, JsonRejection>,
) -> Result<Json<Settings>, Failed> {
    let Json(SamplingBody { ratio }) = body?;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(Failed::wanted("ratio is 0 to 1"));
    }
    this.change(Change::Sampling { ratio }).await
}
