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

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use otlp::Pipelines;
use settings::LogsExporter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::own_thread;

mod events;
mod fields;
mod line;
mod lost;
mod record;
mod repeats;

pub(crate) use events::Events;
pub(crate) use line::Format;
pub(crate) use lost::Lost;
use lost::Refused;

/// How many lines may wait for a slow stdout. With [`line::LONGEST`] that is 8 MiB of text at most.
const WAITING_LINES: usize = 2_048;

/// How long the last lines may take when nobody has called [`Output::flush`].
const FLUSH_AT_DROP: Duration = Duration::from_millis(500);

const FLUSH_THREAD: &str = "log-flush";

/// Stdout behind a queue and a thread of its own.
#[derive(Debug)]
pub(crate) struct Output {
    writer: NonBlocking,
    guard: Option<WorkerGuard>,
    refused: Refused,
    format: Format,
}

impl Output {
    pub(crate) fn stdout(color: bool) -> Self {
        let stdout = io::stdout();
        let format = match stdout.is_terminal() {
            true => Format::Terminal { color },
            false => Format::Json,
        };
        Self::new(stdout, format)
    }

    fn new(writer: impl Write + Send + 'static, format: Format) -> Self {
        let refused = Refused::default();
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(refused.count(writer));
        Self {
            writer,
            guard: Some(guard),
            refused,
            format,
        }
    }

    /// What was lost since the start.
    pub(crate) fn lost(&self) -> Lost {
        Lost::new(self.writer.error_counter(), self.refused.clone())
    }

    /// Writes what waits, for `limit` at most, which is to be less than the second after which the writer gives up by
    /// itself and says nothing. Returns whether it was in time.
    pub(crate) async fn flush(&mut self, limit: Duration) -> bool {
        // Dropping the guard is the flush. On a blocked stdout it may never return.
        match self.guard.take() {
            Some(guard) => own_thread::wait(FLUSH_THREAD, limit, move || drop(guard))
                .await
                .is_some(),
            None => true,
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let _ = own_thread::run(FLUSH_THREAD, FLUSH_AT_DROP, move || drop(guard));
        }
    }
}

/// Registers the instrument for lines that stdout did not take: `telemetry.log.line.dropped`, a counter of {line}.
pub(crate) fn observe(meter: &Meter, lost: Lost) {
    let _ = meter
        .u64_observable_counter("telemetry.log.line.dropped")
        .with_unit("{line}")
        .with_description("Log lines that stdout did not take.")
        .with_callback(move |observer| observer.observe(lost.lines() as u64, &[]))
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
    Events::new(choice, output.format, output.writer.clone(), logger)
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
