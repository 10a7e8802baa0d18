//! The headers that carry a trace from service to service: `traceparent` and `tracestate`
//! ([W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/)) and `baggage`
//! ([W3C Baggage](https://www.w3.org/TR/baggage/)). Without them every service would start a trace of its own.
//!
//! The crate has a propagator for each of the two texts, for the OpenTelemetry API. They keep what the stock ones lose: the
//! second line of a header, the random flag, the grammar of keys, and the limits that the texts set. Each module has a table
//! of the rules, with the section of the text and the test of the rule.
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

// A type without `Debug` cannot be a field of a type that derives it.
#![warn(missing_debug_implementations)]

mod baggage;
mod trace_context;

pub use baggage::BaggagePropagator;
pub use trace_context::TraceContextPropagator;

/// The snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
