//! The `tracing` subscriber: spans become spans of the trace, events become log lines.
//!
//! Three parts, innermost first:
//! - [`Base`]: `tracing-subscriber`'s registry. It lets `Span::current()` carry the span that the OpenTelemetry API made
//!   current, such as a server span. Without it, work spawned with `tracing`'s own means starts a trace of its own.
//! - `tracing-opentelemetry`'s layer, for spans only. Without the filter every log line would be an event of its span.
//! - [`Events`](crate::logs::Events): prints and exports events, and marks the spans whose errors they report.
//!
//! All parts hand on what they see, so that a layer on top of the subscriber sees the same spans and events.

use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::logs::Events;
use crate::tracer::Tracer;

mod base;
mod tracer;

use base::Base;
use tracer::SpanTracer;

/// `tracer` makes the spans; spans and events that `events` lets through are those that exist at all.
pub(crate) fn subscriber(
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
        .with_target(false)
        .with_filter(filter_fn(|metadata| metadata.is_span()));
    Base::default().with(spans).with(events)
}
