//! Two operations at the same time, in one trace: `cargo run -p otel-setup --example two_operations`.
//!
//! Takes ten seconds; with `-- --quick` at its end a tenth of one. `OTEL_TRACES_EXPORTER=otlp` sends the spans instead.

use std::error::Error;
use std::ffi::OsString;
use std::time::Duration;

use opentelemetry::trace::{Span, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};
use telemetry::{Service, Settings, Tracer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let second = Duration::from_millis(if quick { 10 } else { 1_000 });

    let service = Service::new("MyService", "1.0.0");
    let telemetry = telemetry::init(service, &Settings::from_env(&env)?)?;
    let tracer = telemetry.tracer("MyService");

    // The context holds the parent. Without it each operation would begin a trace of its own.
    let parent = Context::current_with_span(tracer.start("two-operations"));
    tokio::join!(
        operation("operationA", second, &tracer, &parent),
        operation("operationB", 2 * second, &tracer, &parent),
    );
    parent.span().end();

    telemetry.shutdown(Duration::from_secs(5)).await.report();
    Ok(())
}

async fn operation(name: &'static str, pause: Duration, tracer: &Tracer, parent: &Context) {
    let mut span = tracer.start_with_context(name, parent);
    for iteration in 1..=5 {
        span.add_event("iteration", vec![KeyValue::new("iteration", iteration)]);
        tokio::time::sleep(pause).await;
    }
    span.end();
}

/// The environment. What it leaves open: spans are printed.
#[expect(clippy::disallowed_methods, reason = "the one look-up")]
fn env(name: &str) -> Option<OsString> {
    let default = (name == "OTEL_TRACES_EXPORTER").then(|| "console".into());
    std::env::var_os(name).or(default)
}
