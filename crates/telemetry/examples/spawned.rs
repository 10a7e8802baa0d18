//! A task does not inherit the context of whoever spawns it: `cargo run -p otel-setup --example spawned`.

use std::error::Error;
use std::ffi::OsString;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, Span, TraceContextExt, Tracer as _};
use telemetry::{Service, Settings, Tracer};
use tracing::Instrument;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Service::new("MyService", "1.0.0");
    let telemetry = telemetry::init(service, &Settings::from_env(&env)?)?;
    let tracer = telemetry.tracer("MyService");

    let request = Context::current_with_span(tracer.start("request"));
    spawn(&tracer).with_context(request).await?;

    telemetry.shutdown(Duration::from_secs(5)).await.report();
    Ok(())
}

/// Runs while the span `request` is the current one.
async fn spawn(tracer: &Tracer) -> Result<(), tokio::task::JoinError> {
    tokio::spawn(work("lost", tracer.clone())).await?;
    tokio::spawn(work("kept by the API", tracer.clone()).with_current_context()).await?;
    tokio::spawn(work("kept by tracing", tracer.clone()).in_current_span()).await
}

async fn work(name: &'static str, tracer: Tracer) {
    tracer.start(name).end();
}

/// The environment. What it leaves open: spans are printed.
#[expect(clippy::disallowed_methods, reason = "the one look-up")]
fn env(name: &str) -> Option<OsString> {
    let default = (name == "OTEL_TRACES_EXPORTER").then(|| "console".into());
    std::env::var_os(name).or(default)
}
