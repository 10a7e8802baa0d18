//! The headers that carry a trace from service to service: `traceparent` and `tracestate`
//! ([W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/)) and `baggage`
//! ([W3C Baggage](https://www.w3.org/TR/baggage/)). Without them every service would start a trace of its own.
//!
//! Two propagators for the OpenTelemetry API. They keep what the stock ones lose: a second line of a header, the random
//! flag, the grammar of keys and the limits of the two texts. The modules have a table of rules, with the test of each.
//!
//! ```
//! use opentelemetry::{global, propagation::TextMapCompositePropagator};
//! use propagation::{BaggagePropagator, TraceContextPropagator};
//!
//! global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
//!     Box::new(TraceContextPropagator::default()),
//!     Box::new(BaggagePropagator::default()),
//! ]));
//! ```

mod baggage;
mod trace_context;

pub use baggage::BaggagePropagator;
pub use trace_context::TraceContextPropagator;

/// The snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
