//! A counter, printed every second: `cargo run -p otel-setup --example counter`.
//!
//! Takes three seconds; with `-- --quick` at its end a thirtieth of one. It uses the SDK alone: this is what `telemetry`
//! does for you.

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_stdout::MetricExporter;

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let second = Duration::from_millis(if quick { 10 } else { 1_000 });

    let resource = Resource::builder().with_service_name("MyService").build();
    let reader = PeriodicReader::builder(MetricExporter::default())
        .with_interval(second)
        .build();
    let provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader)
        .build();

    let meter = provider.meter("wesovilabs-meter");
    let counter = meter
        .u64_counter("my_service.int_counter")
        .with_description("Rounds of the loop")
        .with_unit("{round}")
        .build();
    for _ in 0..10 {
        counter.add(1, &[KeyValue::new("environment", "staging")]);
        sleep(second * 3 / 10);
    }

    // Prints once more what has been counted since the last second.
    provider.shutdown()?;
    Ok(())
}
