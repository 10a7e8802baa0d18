//! The propagators. They carry the context from service to service in headers: `traceparent` and `tracestate` (W3C Trace
//! Context), `baggage` (W3C Baggage). Without them every service would start a trace of its own.

use std::sync::Arc;

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use propagation::{BaggagePropagator, TraceContextPropagator};

use settings::Propagator;

/// Extracts from and injects into the headers of HTTP requests.
pub type SharedPropagator = Arc<dyn TextMapPropagator + Send + Sync>;

/// Each reads headers of its own, so the order is free. Baggage comes first, because it remembers what it made of an empty
/// context.
pub(crate) fn composite(propagators: &[Propagator]) -> TextMapCompositePropagator {
    let mut all: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
    if propagators.contains(&Propagator::Baggage) {
        all.push(Box::new(BaggagePropagator::default()));
    }
    if propagators.contains(&Propagator::TraceContext) {
        all.push(Box::new(TraceContextPropagator::default()));
    }
    TextMapCompositePropagator::new(all)
}
