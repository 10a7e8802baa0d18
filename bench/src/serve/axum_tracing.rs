//! axum-tracing-opentelemetry: a `tracing` span of every request; it has no metrics of requests.

use axum_tracing_opentelemetry::middleware::OtelAxumLayer;

use super::rival;

pub(super) async fn run() -> Result<(), service::Error> {
    let telemetry = rival::init()?;
    super::listen(rival::router().layer(OtelAxumLayer::default())).await?;
    telemetry.shutdown().await
}
