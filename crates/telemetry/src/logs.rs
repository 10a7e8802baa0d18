//! Log lines: `tracing` events, printed to stdout and, on demand, sent by OTLP.
//!
//! On a terminal a line is for people: time, level, message, fields, the start of the trace id. Elsewhere it is one JSON
//! object with `trace_id` and `span_id` where there is a span. Both have the fields of the enclosing spans after their own.
//! `RUST_LOG` decides which events are printed and exported. It has no say over spans, so that `RUST_LOG=off` loses no
//! trace, and no failed span its mark.
//!
//! With the feature `log`, which is on unless switched off, [`crate::init`] makes what libraries say through the crate `log`
//! `tracing` events.
//!
//! What holds under every fault:
//! - a blocked stdout blocks no request: lines wait in a bounded queue, then are dropped and counted
//!   (`telemetry.log.line.dropped`), as are those that a full disk or a closed stdout refuses;
//! - a line has at most 4 KiB of text and 32 fields of enclosing spans; an open span keeps at most 1 KiB of text for them;
//! - a value cannot forge a line: control characters are escaped;
//! - the exporter's own traffic makes no telemetry, and warnings of the SDK and of the HTTP crates come at
//!   most every ten seconds each.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use otlp::Pipelines;
use settings::LogsExporter;

mod events;
mod fields;
mod line;
mod output;
mod record;
mod repeats;

pub(crate) use events::Events;
pub(crate) use output::{Lost, Output};

/// Registers the instrument for lines that stdout did not take: `telemetry.log.line.dropped`, a counter of {line}.
pub(crate) fn observe(meter: &Meter, lost: Arc<Lost>) {
    let _ = meter
        .u64_observable_counter("telemetry.log.line.dropped")
        .with_unit("{line}")
        .with_description("Log lines that stdout did not take.")
        .with_callback(move |observer| observer.observe(lost.lines(), &[]))
        .build();
}

/// A layer that prints the events that `filter` lets through, and exports them if there is a provider.
pub(crate) fn layer(
    filter: &str,
    traces: &settings::Traces,
    output: &Output,
    provider: Option<&SdkLoggerProvider>,
) -> Events {
    let choice = events::Choice {
        filter,
        spans: traces.span_level,
        exceptions: traces.exception_events,
    };
    // The scope's name is empty: a record's scope is its target, the module that the code states.
    let logger = provider.map(|provider| provider.logger(""));
    Events::new(choice, output.clone(), logger)
}

/// Turns what libraries say through the crate `log` into `tracing` events, for the whole process.
///
/// `log` is asked no more than `tracing` wants to know: the level of the subscriber that is installed now.
#[cfg(feature = "log")]
pub(crate) fn bridge_log() -> Result<(), log::SetLoggerError> {
    use tracing_log::AsLog;
    tracing_log::LogTracer::builder()
        .with_max_level(tracing::level_filters::LevelFilter::current().as_log())
        .init()
}

/// None when logs are not exported.
pub(crate) fn provider(
    settings: &settings::Logs,
    resource: Resource,
    pipelines: &mut Pipelines,
) -> Option<SdkLoggerProvider> {
    if !settings.exporters.contains(&LogsExporter::Otlp) {
        return None;
    }
    let queue = pipelines.logs(&settings.otlp, &settings.batch)?;
    let provider = SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_log_processor(queue)
        .build();
    Some(provider)
}

/// Whether the thread works for telemetry itself.
fn is_suppressed() -> bool {
    Context::is_current_telemetry_suppressed()
}

#[cfg(test)]
mod tests;
