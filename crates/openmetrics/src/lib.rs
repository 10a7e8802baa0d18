//! What `/metrics` answers: Prometheus text 0.0.4 or OpenMetrics 1.0 with exemplars, over a
//! [`prometheus::Registry`] that `opentelemetry-prometheus` fills.
//!
//! Neither the OpenTelemetry SDK nor the `prometheus` crate carries exemplars, and the stock
//! text encoder trusts names and writes numbers (`inf`) that the formats do not have. Without this
//! crate a latency histogram leads to no trace, and one odd attribute key breaks a whole scrape.
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
//! // Once a series, under the names that the exposition has ...
//! let exemplars = exposition.exemplars().series(
//!     "request_duration_seconds",
//!     &[("route".into(), route.into())],
//!     &bounds,
//! );
//! // ... then at every request that is sampled.
//! duration.record(0.2, &[KeyValue::new("route", route)]);
//! exemplars.record(0.2, SystemTime::now(), [0xab; 16], [0xcd; 8]);
//!
//! // What the HTTP handler does with the request's `Accept`:
//! let answer = exposition.encode(Some("application/openmetrics-text; version=1.0.0"));
//! let body = String::from_utf8(answer.body)?;
//! assert!(body.contains(r#"le="1.0"} 1 # {span_id="cdcdcdcdcdcdcdcd",trace_id="abab"#));
//! assert!(body.ends_with("# EOF\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # What is guaranteed
//!
//! * **Negotiation** by `Accept` ([RFC 9110, 12.5.1]); Prometheus text where nothing decides. The answer depends
//!   on that header, so whoever serves it sends `Vary: Accept`.
//! * **The same series under the same names in both formats**: whichever a server picks, its queries hold. (Only
//!   `le` differs, as the formats want: `le="1"` and `le="1.0"`.)
//! * **Order**: `target_info` first, families by name, series by their labels, labels by their names. Two
//!   scrapes of the same values are equal byte for byte.
//! * **No series breaks a scrape.** Whatever the registry holds, the output follows the grammar; see below.
//! * **Exemplars** are the latest of each bucket, stand only on buckets that counted something, and only in OpenMetrics.
//!
//! # What is changed or left out, and why
//!
//! | the registry holds | exposed as |
//! | --- | --- |
//! | a character that a name may not have | `_`; a family name that begins with a digit gets a `_` in front |
//! | a label name that begins with `_` or a digit (reserved, invalid) | `key` or `key_` in front, as the OpenTelemetry Collector does |
//! | the label `le` on a histogram | `exported_le`, Prometheus' own word for it |
//! | two labels that are now named alike | one, its values sorted and joined by `;`, as OpenTelemetry's specification says |
//! | two series with equal labels | the first |
//! | a family whose samples could be mistaken for those of an earlier one (a gauge `x_count` beside a histogram `x`) | not at all; a counter, in OpenMetrics, as `unknown` if that helps |
//! | a counter without `_total`, or with a negative or NaN value, in OpenMetrics | `unknown` |
//! | a histogram that sums negative values, in OpenMetrics | without `_sum` and `_count`, which the format then forbids |
//! | summaries, untyped families, timestamps | not at all: OpenTelemetry's exporter never makes them |
//!
//! `# UNIT` is written where the family's name ends with a unit that the exporter appends (`_seconds`, `_bytes`).
//! There is no `_created`: the registry does not say when a series began.
//!
//! # Over HTTP
//!
//! With the feature `axum`, `route` makes the route for `/metrics`: `Router::new().route("/metrics", openmetrics::route(exposition))`.
//!
//! [RFC 9110, 12.5.1]: https://www.rfc-editor.org/rfc/rfc9110.html#section-12.5.1

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
