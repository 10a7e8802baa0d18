//! The routes that are for whoever runs the service: `/metrics`, `/healthz`, `/readyz`, `/`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use openmetrics::Exposition;
use tokio::sync::Semaphore;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::{About, Readiness};

/// Adds the operations routes to `router`.
///
/// Call it after `router.layer(..)`: a layer covers what was there before it, so that neither scrapes nor probes are
/// traced or counted. `router` must not have these four paths itself; axum panics then.
///
/// Without an `exposition`, `/metrics` answers 404 with the reason, and is still not counted.
pub fn operations(
    router: Router,
    about: &About,
    exposition: Option<Exposition>,
    readiness: Readiness,
) -> Router {
    let index = Bytes::from(about.index());
    let metrics = match exposition {
        Some(exposition) => get(metrics)
            // The fastest level runs on a worker that requests need; it already makes an exposition ten times smaller.
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
            .with_state(Scraped::new(exposition)),
        None => get(async || {
            (
                StatusCode::NOT_FOUND,
                "metrics are not served here: see OTEL_METRICS_EXPORTER and OTEL_SDK_DISABLED\n",
            )
        }),
    };
    router
        .route("/", get(async move || plain(index)))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || ready(&readiness)))
        .route("/metrics", metrics)
}

fn plain(text: Bytes) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn ready(readiness: &Readiness) -> (StatusCode, &'static str) {
    if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}

/// What is scraped, one scrape at a time: many at once would only hold as many copies in memory.
#[derive(Clone)]
struct Scraped {
    exposition: Exposition,
    turn: Arc<Semaphore>,
}

impl Scraped {
    fn new(exposition: Exposition) -> Self {
        Self {
            exposition,
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

async fn metrics(State(scraped): State<Scraped>, headers: HeaderMap) -> Response {
    let accept = accepted(&headers);
    let Ok(turn) = scraped.turn.acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    // Collecting and encoding take milliseconds when there are many series: too long for a worker that requests need.
    let encoded = tokio::task::spawn_blocking(move || {
        // Held by the work, not by the request: a client that hangs up does not end the work.
        let _turn = turn;
        scraped.exposition.encode(accept.as_deref())
    });
    match encoded.await {
        Ok(encoded) => (
            [
                (CONTENT_TYPE, HeaderValue::from_static(encoded.content_type)),
                (VARY, HeaderValue::from_static("accept, accept-encoding")),
            ],
            encoded.body,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `Accept` as one list, however many lines it came in (RFC 9110, section 5.3).
fn accepted(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}
