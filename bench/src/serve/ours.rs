//! This project, with the manual span through `tracing`: pong itself makes it by the API.

use std::time::Duration;

use instrumentation::server;
use opentelemetry::InstrumentationScope;
use telemetry::{Service, Settings};

use super::handler;

pub(super) async fn through_tracing() -> Result<(), service::Error> {
    let service = Service::new("Pong", "0.0.0").with_namespace("ping-pong");
    let telemetry = telemetry::init(service, &Settings::from_env(&crate::env)?)?;
    let scope = InstrumentationScope::builder("Pong")
        .with_schema_url(instrumentation::SCHEMA_URL)
        .build();
    let meter = telemetry.meter_with_scope(scope);
    let layer = server::Layer::new(telemetry.tracer("Pong"), &meter, telemetry.propagator())
        .with_exemplars(telemetry.exemplars());
    let mut router = handler::through_tracing(&telemetry.meter("manual-instrumentation"));
    if !telemetry.is_disabled() {
        router = router.layer(layer);
    }
    super::listen(router).await?;
    telemetry.shutdown(Duration::from_secs(3)).await.report();
    Ok(())
}
