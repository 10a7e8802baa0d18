//! Exemplars: how a bucket of a histogram leads to a trace. Whoever exposes the metrics has a place for them; here is only when
//! to call it, so that this crate knows nothing of an exposition.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

/// Called once a series of a histogram, with the instrument's name and unit, the series' attributes, and the histogram's
/// upper bounds, ascending, without infinity. Returns what is called for each sampled request of that series.
///
/// `Telemetry::exemplars` of the crate `otel-setup` makes one for its `/metrics`.
pub type Exemplars = Arc<dyn Fn(&str, &str, &[KeyValue], &[f64]) -> Remember + Send + Sync>;

/// Called with what was measured, when that was, and the span in which it was measured.
pub type Remember = Box<dyn Fn(f64, SystemTime, &SpanContext) + Send + Sync>;
