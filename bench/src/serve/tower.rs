//! opentelemetry-instrumentation-tower: span and metrics of every request, straight by OpenTelemetry.

use opentelemetry_instrumentation_tower::http::server::Layer;

use super::rival;

pub(super) async fn run() -> Result<(), service::Error> {
    let telemetry = rival::init()?;
    super::listen(rival::router().layer(Layer::new())).await?;
    telemetry.shutdown().await
}
