//! Traces, metrics and propagation by the stock crates alone: `cargo run -p otel-setup --example stock`.
//!
//! Spans go to localhost:4318, or where `OTEL_EXPORTER_OTLP_ENDPOINT` says.

use std::error::Error;

use opentelemetry::trace::{Span, Tracer};
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Registry, TextEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    // Describes this program in everything that it sends.
    let resource = Resource::builder().with_service_name("MyService").build();

    // Spans wait in a queue, and a thread sends them in batches.
    let exporter = SpanExporter::builder().with_http().build()?;
    let traces = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(exporter)
        .build();
    global::set_tracer_provider(traces.clone());

    // Metrics wait in a registry until Prometheus asks for them.
    let registry = Registry::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()?;
    let metrics = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader)
        .build();
    global::set_meter_provider(metrics.clone());

    // Writes and reads the header `traceparent`.
    global::set_text_map_propagator(TraceContextPropagator::new());

    let mut span = global::tracer("MyService").start("hello-span");
    span.set_attribute(KeyValue::new("environment", "staging"));
    span.end();

    let meter = global::meter("MyService");
    let counter = meter.u64_counter("my_service.int_counter").build();
    counter.add(1, &[KeyValue::new("environment", "staging")]);

    // A service answers `GET /metrics` with this text.
    print!(
        "{}",
        TextEncoder::new().encode_to_string(&registry.gather())?
    );

    // Sends the span, which would be lost otherwise.
    traces.shutdown()?;
    metrics.shutdown()?;
    Ok(())
}
