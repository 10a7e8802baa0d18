//! Exports by OTLP, over HTTP or gRPC. Queues are bounded, and what is lost is counted with the reason.
//!
//! | emitted | when |
//! | --- | --- |
//! | requests of OTLP, one a batch | by the settings of [`settings::Batch`], or at each interval for metrics |
//! | metrics `otel.sdk.exporter.*` and `otel.sdk.processor.*` | always; [`observe`] registers them |
//! | warnings of failed exports, full queues and what receivers say | at most every ten seconds for each |
//!
//! The stock exporters read no certificate settings, follow redirects, hide the receiver's message of a failure, and apply a
//! `Retry-After` to all later pauses. They queue spans as the SDK has them, bounded by their number alone. Hence this crate.
//!
//! The way of a span: `spans` gets it at its end, `encoder` makes bytes of it in one of the `buffers`, within a `budget`. The
//! thread of the `queue` takes all that waits and makes a `request` of it, `sender` retries until the time limit, `http` and
//! `grpc` make one attempt, `answer` and `destination` make the messages, `health` keeps the counts, `instruments` makes metrics
//! of them. Log records go the same way. Metrics do not wait. `stock_queue` is for exporters that want spans as the SDK has them.
//!
//! Failures that the [specification](https://opentelemetry.io/docs/specs/otlp/) lists as retryable (429, 502, 503, 504, gRPC's
//! `UNAVAILABLE` and similar, no connection) are retried until the export's time limit, with exponential back-off and jitter,
//! or when the receiver asks for it (`Retry-After`, `RetryInfo`). During shutdown, one failed connection ends an export: there
//! is no time to wait for a receiver that is down. Items that a receiver rejects (partial success) count as failed.
//!
//! TLS is rustls: an `https://` endpoint works without OpenSSL.
//!
//! ```no_run
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use otlp::Pipelines;
//! use settings::{Settings, SpanExporter, SpanProcessor};
//!
//! let settings = Settings::from_env(&|name: &str| std::env::var_os(name))?;
//! let (ending, ended) = tokio::sync::watch::channel(false);
//! let mut pipelines = Pipelines::new(ended);
//! let mut provider = SdkTracerProvider::builder();
//! for SpanProcessor::Batch { batch, exporter } in &settings.tracer_provider.processors {
//!     if let SpanExporter::Otlp(otlp) = exporter
//!         && let Some(queue) = pipelines.spans(otlp, batch, None)
//!     {
//!         provider = provider.with_span_processor(queue);
//!     }
//! }
//! let provider = provider.build();
//! // … spans …
//! ending.send_replace(true);
//! provider.shutdown()?;
//! for health in &pipelines.health {
//!     health.losses().iter().for_each(|loss| eprintln!("telemetry was lost: {loss}"));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod attempt;
mod budget;
mod buffers;
mod certificates;
mod destination;
mod encoder;
mod grpc;
mod health;
mod http;
mod instruments;
mod item;
mod logs;
mod loss;
mod metrics;
mod pipelines;
mod queue;
mod request;
mod sender;
mod spans;
mod stock_queue;

pub use health::Health;
pub use instruments::observe;
pub use item::Item;
pub use logs::LogQueue;
pub use loss::{Loss, Reason};
pub use metrics::{MetricExporter, OtlpMetricExporter};
pub use pipelines::Pipelines;
pub use spans::SpanQueue;
pub use stock_queue::StockSpanQueue;

/// `User-Agent`, as the specification wants it: what exports, and its version.
const AGENT: &str = concat!("OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));
