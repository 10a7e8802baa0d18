//! What `/metrics` answers: a [`prometheus::Registry`] that `opentelemetry-prometheus` fills, as Prometheus text 0.0.4 or
//! as OpenMetrics 1.0 with exemplars.
//!
//! Neither the OpenTelemetry SDK nor the `prometheus` crate has exemplars, so without this crate no latency histogram leads
//! to a trace. The stock text encoder also writes names as they are, and numbers (`inf`) that the formats do not have:
//! one unusual attribute key then breaks the whole scrape.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use openmetrics::Exposition;
//! use opentelemetry::{KeyValue, metrics::MeterProvider};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = prometheus::Registry::new();
//! let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
//! let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().with_reader(reader).build();
//! let exposition = Exposition::new(registry);
//!
//! let bounds = [0.1, 1.0];
//! let route = "/ping";
//! let duration = provider
//!     .meter("example")
//!     .f64_histogram("request.duration")
//!     .with_unit("s")
//!     .with_boundaries(bounds.to_vec())
//!     .build();
//! // Once for each series, under the names of the exposition ...
//! let exemplars = exposition.exemplars().series(
//!     "request_duration_seconds",
//!     &[("route".into(), route.into())],
//!     &bounds,
//! );
//! // ... and at each sampled request.
//! duration.record(0.2, &[KeyValue::new("route", route)]);
//! exemplars.record(0.2, SystemTime::now(), [0xab; 16], [0xcd; 8]);
//!
//! // In the HTTP handler, with the request's `Accept`:
//! let answer = exposition.encode(Some("application/openmetrics-text; version=1.0.0"));
//! let body = String::from_utf8(answer.body)?;
//! assert!(body.contains(r#"le="1.0"} 1 # {span_id="cdcdcdcdcdcdcdcd",trace_id="abab"#));
//! assert!(body.ends_with("# EOF\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! * **Negotiation** follows `Accept` ([RFC 9110, 12.5.1]); without a preference the format is Prometheus text. The response
//!   depends on that header, so it should have `Vary: Accept`.
//! * **The same series have the same names in both formats**, so queries work with either. Only `le` differs, as the formats
//!   demand: `le="1"` and `le="1.0"`.
//! * **The order is fixed**: `target_info` first, families by name, series by their labels, labels by their names. Two
//!   scrapes of the same values are equal byte for byte.
//! * **No series breaks a scrape.** The output follows the grammar, whatever the registry holds; the next section says how.
//! * **Exemplars** are only in OpenMetrics. A bucket that counted something shows its latest one.
//!
//! # Changes and omissions
//!
//! | in the registry | in the exposition |
//! | --- | --- |
//! | a character that is not allowed in a name | `_`; a family name with a leading digit gets a leading `_` |
//! | a label name with a leading `_` (reserved) or digit (invalid) | with a leading `key` or `key_`, as in the OpenTelemetry Collector |
//! | the label `le` of a histogram | `exported_le`, as in Prometheus |
//! | two labels that now have the same name | one label, its values sorted and joined by `;`, as in OpenTelemetry's specification |
//! | two series with the same labels | the first one |
//! | a family whose samples could be mistaken for those of an earlier one (a gauge `x_count` beside a histogram `x`) | nothing; a counter, in OpenMetrics, as `unknown` if that helps |
//! | a counter without `_total`, or with a negative or NaN value, in OpenMetrics | `unknown` |
//! | a histogram with a sum of negative values, in OpenMetrics | without `_sum` and `_count`, which the format then forbids |
//! | a summary, an untyped family, a timestamp | nothing: OpenTelemetry's exporter never makes them |
//!
//! `# UNIT` is there if the family's name ends with a unit that the exporter appends (`_seconds`, `_bytes`). `_created` is
//! not there, because the registry does not know when a series began.
//!
//! # Over HTTP
//!
//! With the feature `axum`, `route` returns the route for `/metrics`:
//! `Router::new().route("/metrics", openmetrics::route(exposition))`.
//!
//! [RFC 9110, 12.5.1]: https://www.rfc-editor.org/rfc/rfc9110.html#section-12.5.1

// A type without `Debug` cannot be a field of a type that derives it.
#![warn(missing_debug_implementations)]

#[cfg(feature = "axum")]
mod copies;
mod encoder;
mod exemplars;
mod exposition;
mod family;
mod labels;
mod negotiation;
mod number;
#[cfg(feature = "axum")]
mod route;

pub use exemplars::{Exemplars, SeriesExemplars};
pub use exposition::{Encoded, Exposition};
#[cfg(feature = "axum")]
pub use route::route;

/// The snippets of the README.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
