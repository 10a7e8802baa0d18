//! The operations routes: `/metrics`, `/healthz`, `/readyz`, `/`.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get};

use crate::{About, Readiness};

/// Adds the operations routes to `router`.
///
/// Call it after `router.layer(..)`. A layer covers only the routes that were added before it, so that scrapes and probes
/// are neither traced nor counted.
///
/// `metrics` serves `/metrics`, for example the route of `openmetrics::route`. Without it `/metrics` is 404 with the reason.
///
/// # Panics
///
/// If `router` has one of the four paths already.
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
    let content_type = (CONTENT_TYPE, "text/plain; charset=utf-8");
    let ready = async move || match readiness.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    };
    router
        .route("/", get(async move || ([content_type], index)))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", metrics)
}
