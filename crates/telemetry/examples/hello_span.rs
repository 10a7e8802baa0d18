//! One span with an attribute and two events, printed: `cargo run -p otel-setup --example hello_span`.
//!
//! The same span to Jaeger, or whatever else listens for OTLP at localhost:4318:
//! `OTEL_TRACES_EXPORTER=otlp cargo run -p otel-setup --example hello_span`.

use std::error::Error;
use std::ffi::OsString;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer};
use telemetry::{Service, Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Service::new("MyService", "1.0.0");
    let telemetry = telemetry::init(service, &Settings::from_env(&env)?)?;
    let tracer = telemetry.tracer("MyService");

    let mut span = tracer.start("hello-span");
    span.set_attribute(KeyValue::new("environment", "staging"));
    span.add_event("startEvent", vec![]);
    println!("Hello from inside the span.");
    span.add_event("endEvent", vec![]);
    span.end();

    // Without this the program ends before the span has been sent.
    telemetry.shutdown(Duration::from_secs(5)).await.report();
    Ok(())
}

/// The environment. What it leaves open: spans are printed.
#[expect(clippy::disallowed_methods, reason = "the one look-up")]
fn env(name: &str) -> Option<OsString> {
    let default = (name == "OTEL_TRACES_EXPORTER").then(|| "console".into());
    std::env::var_os(name).or(default)
}
