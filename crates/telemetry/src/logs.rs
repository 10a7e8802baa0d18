//! Logs: `tracing` events, printed to stdout and exported by OTLP on demand. The crate `subscriber` makes both of an event.

use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use otlp::Pipelines;
use settings::{LogRecordExporter, LogRecordProcessor, LoggerProvider, Tracing};
use subscriber::{Choice, Events, Output};

/// None when logs are not exported.
pub(crate) fn provider(
    settings: &LoggerProvider,
    resource: Resource,
    pipelines: &mut Pipelines,
) -> Option<SdkLoggerProvider> {
    let queues = settings.processors.iter();
    let mut queues = queues
        .filter_map(
            |LogRecordProcessor::Batch { batch, exporter }| match exporter {
                LogRecordExporter::Otlp(otlp) => pipelines.logs(otlp, batch),
            },
        )
        .peekable();
    queues.peek()?;
    let provider = SdkLoggerProvider::builder().with_resource(resource);
    let provider = queues.fold(provider, |provider, queue| {
        provider.with_log_processor(queue)
    });
    Some(provider.build())
}

/// Prints the events that `filter` lets through, and exports them if there is a provider.
pub(crate) fn events(
    filter: &str,
    settings: &Tracing,
    output: &Output,
    provider: Option<&SdkLoggerProvider>,
) -> Events {
    let choice = Choice {
        filter: filter.to_owned(),
        span_level: settings.span_level,
        exception_events: settings.exception_events,
    };
    // The scope's name is empty: a record's scope is its target, the module that the code states.
    let logger = provider.map(|provider| provider.logger(""));
    Events::new(&choice, output.clone(), logger)
}

/// Registers the counter `telemetry.log.line.dropped` of {line}: lines that stdout did not take.
pub(crate) fn observe(meter: &Meter, output: Output) {
    let _ = meter
        .u64_observable_counter("telemetry.log.line.dropped")
        .with_unit("{line}")
        .with_description("Log lines that stdout did not take.")
        .with_callback(move |observer| {
            observer.observe(output.lost().map(|lost| lost.count).sum(), &[]);
        })
        .build();
}
