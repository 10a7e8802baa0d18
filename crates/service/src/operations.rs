//! The routes that are for whoever runs the service: `/metrics`, `/healthz`, `/readyz`, `/`.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::{About, Readiness};

/// Adds the operations routes to `router`.
///
/// Call it after `router.layer(..)`: a layer covers what was there before it, so that neither scrapes nor probes are
/// traced or counted. `router` must not have these four paths itself; axum panics then.
///
/// `metrics` is the route that answers `/metrics`, such as `openmetrics::route` makes; without one it answers 404 with the
/// reason, and is still not counted.
pub fn operations(
    router: Router,
    about: &About,
    metrics: Option<MethodRouter>,
    readiness: Readiness,
) -> Router {
    let index = Bytes::from(about.index());
    let metrics = metrics.unwrap_or_else(|| {
        let reason = if about.telemetry {
            "metrics are not served here: see OTEL_METRICS_EXPORTER and OTEL_SDK_DISABLED\n"
        } else {
            "this service has no metrics\n"
        };
        get(async move || (StatusCode::NOT_FOUND, reason))
    });
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
