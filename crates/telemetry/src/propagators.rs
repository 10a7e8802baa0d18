//! The propagators. They carry the context from service to service in headers: `traceparent` and `tracestate` (W3C Trace
//! Context), `baggage` (W3C Baggage). Without them every service would start a trace of its own.

use std::sync::Arc;

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use propagation::{BaggagePropagator, TraceContextPropagator};

use settings::Propagator;

/// Extracts from and injects into the headers of HTTP requests.
pub type SharedPropagator = Arc<dyn TextMapPropagator + Send + Sync>;

pub(crate) fn composite(propagators: &[Propagator]) -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(
        propagators
            .iter()
            .map(|propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
                match propagator {
                    Propagator::TraceContext => Box::new(TraceContextPropagator::default()),
                    Propagator::Baggage => Box::new(BaggagePropagator::default()),
                }
            })
            .collect(),
    )
}
