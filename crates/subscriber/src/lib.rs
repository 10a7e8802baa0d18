//! The `tracing` subscriber of a service with OpenTelemetry: spans become spans of the trace, events become log lines.
//!
//! # What is emitted
//!
//! - **Spans**, by the tracer that [`subscriber`] is given, for `tracing` spans down to [`Choice::span_level`]. They carry
//!   what the code states and nothing else: no source location, thread or timing. An ERROR event, or
//!   `#[tracing::instrument(err)]`, marks the span around it as failed.
//! - **Log lines** on stdout, by [`Output`]. On a terminal a line is for people: time, level, message, fields, the start of
//!   the trace id. Elsewhere it is one JSON object with `trace_id` and `span_id` where there is a span. Both have the fields
//!   of the enclosing spans after their own.
//! - **Log records**, if there is a logger: the same events, for an exporter.
//!
//! [`Choice::filter`] (`RUST_LOG`) decides which events are printed and exported. It has no say over spans, so that
//! `RUST_LOG=off` loses no trace, and no failed span its mark. With the feature `log`, `bridge_log` turns what libraries
//! say through the crate `log` into `tracing` events.
//!
//! # What is guaranteed
//!
//! - A blocked stdout blocks no request: lines wait in a bounded queue, then are dropped and counted, as are those that a
//!   full disk or a closed stdout refuses.
//! - A line has at most 4 KiB of text and 32 fields of enclosing spans. An open span keeps at most 1 KiB of text for them.
//! - A value cannot forge a line: control characters are escaped.
//! - The traffic of the exporters makes no telemetry. Warnings of the SDK and of the HTTP crates come at most every ten
//!   seconds each.
//!
//! # Parts, innermost first
//!
//! - The registry of `tracing-subscriber`, whose `Span::current()` carries the span that the OpenTelemetry API made current,
//!   such as a server span. Otherwise work spawned with the means of `tracing` would start a trace of its own.
//! - The layer of `tracing-opentelemetry`, for spans only.
//! - [`Events`]: prints and exports events, and marks the spans whose errors they report.
//!
//! All parts pass on what they see, so a layer on top of the subscriber sees the same spans and events.
//!
//! # Why not a formatter that exists
//!
//! `json-subscriber` 0.3 and the JSON of `tracing-subscriber` 0.3 were tried first. The former takes the ids of
//! `tracing-opentelemetry` 0.25, so that it prints none with a current one; the latter has no ids. Both print a value of 100 kB
//! whole, so that a queue of lines has no bound in bytes, and both print only the outermost message of an error.
//!
//! # Example
//!
//! With the stock SDK, and nothing else of this project:
//!
//! ```
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use subscriber::{Choice, Events, Output, Tracer};
//!
//! let provider = SdkTracerProvider::builder().build();
//! let output = Output::stdout(true)?;
//! let events = Events::new(&Choice::default(), output.clone(), None);
//! let subscriber = subscriber::subscriber(Tracer::sdk(provider.tracer("orders")), events);
//! tracing::subscriber::with_default(subscriber, || {
//!     let _span = tracing::info_span!("pack", order = 42).entered();
//!     tracing::info!("this line carries the ids of that span");
//! });
//! output.flush()(); // before the process ends
//! # Ok::<(), std::io::Error>(())
//! ```

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

mod escape;
mod events;
mod fields;
mod line;
mod output;
mod record;
mod registry;
mod repeats;
mod span_tracer;
mod spans;
#[cfg(test)]
mod tests;
mod tracer;

pub use escape::is_unsafe_on_terminal;
pub use events::{Choice, Events};
pub use line::Format;
pub use output::{LostLines, Output};
use registry::Registry;
use span_tracer::SpanTracer;
use spans::Spans;
pub use tracer::{Span, Tracer};

/// A subscriber whose spans `tracer` makes. Only the spans and events that `events` lets through exist.
///
/// Pass it to `tracing::subscriber::set_global_default`, or in a test to `set_default`.
pub fn subscriber(
    tracer: Tracer,
    events: Events,
) -> impl tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync + use<> {
    // Carries only what the code states: no source location, thread, timing, level or target.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(SpanTracer::new(tracer))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_level(false)
        .with_target(false);
    Registry::default().with(Spans(spans)).with(events)
}

/// Turns what libraries say through the crate `log` into `tracing` events, for the whole process.
///
/// `log` then asks for no more than the level that the current subscriber wants, so install the subscriber first.
///
/// # Errors
///
/// Fails when a logger is installed already.
#[cfg(feature = "log")]
pub fn bridge_log() -> Result<(), log::SetLoggerError> {
    use tracing_log::AsLog;
    tracing_log::LogTracer::builder()
        .with_max_level(tracing::level_filters::LevelFilter::current().as_log())
        .init()
}

/// The snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
