//! No telemetry.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

async fn pong() -> (StatusCode, &'static str) {
    (StatusCode::OK, "pong")
}

pub(super) async fn run() -> Result<(), service::Error> {
    super::listen(Router::new().route("/pong", get(pong))).await
}
