//! `hello_axum_before.rs` with telemetry: spans by OTLP, `/metrics`, trace ids in the log, the context of callers, and a stop that
//! drains requests and flushes spans.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use instrumentation::server::Layer;
use telemetry::{Service, Settings};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env(&|name| std::env::var_os(name))?;
    let telemetry = telemetry::init(Service::new("Hello", "1.0.0"), &settings)?;
    let (tracer, meter) = (telemetry.tracer("Hello"), telemetry.meter("Hello"));
    let layer = Layer::new(tracer, &meter, telemetry.propagator());
    let app = Router::new().route("/", get(async || "Hello, World!"));
    let app = app.layer(layer);
    let app = app.route("/metrics", openmetrics::route(telemetry.exposition()));
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    service::serve_until_signal(listener, app).await;
    telemetry.shutdown(Duration::from_secs(5)).await.report();
    Ok(())
}
