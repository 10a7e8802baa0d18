//! Exemplars: the way from a bucket of a histogram to a trace that was counted in it.
//!
//! The OpenTelemetry SDK for Rust has no exemplars, so the instrumentation hands each sampled measurement to a closure.
//! Whatever exposes the metrics supplies the closure and keeps the exemplars; this crate knows no exposition.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

/// Prepares the exemplars of one series of a histogram.
///
/// The arguments are the instrument's name, its unit, the attributes of the series, and the upper bounds of the
/// histogram's buckets, ascending and without infinity. It is called once for each series. The result is then called for
/// each sampled request of that series.
///
/// `Telemetry::exemplars` of the crate `otel-setup` returns one for its `/metrics`.
pub type Exemplars = Arc<dyn Fn(&str, &str, &[KeyValue], &[f64]) -> Remember + Send + Sync>;

/// Keeps one measurement as an exemplar.
///
/// The arguments are the measured value in the instrument's unit, the time of the measurement, and the span that it was
/// measured in. The function is called while a request is handled, so it should not block.
pub type Remember = Box<dyn Fn(f64, SystemTime, &SpanContext) + Send + Sync>;
