//! Sets OpenTelemetry up for a service: resource, traces, metrics, logs and propagation. Shuts it down at the end.
//!
//! # What is emitted
//!
//! | what | which | where to, by default |
//! | --- | --- | --- |
//! | spans | those of [`Telemetry::tracer`], and `tracing` spans from INFO on ([`Settings::with_span_level`]), with what the code states, and the failures that `#[instrument(err)]` and ERROR events report | OTLP over HTTP, `localhost:4318` |
//! | metrics | those of [`Telemetry::meter`] | `/metrics`, if the app serves [`Telemetry::exposition`] there |
//! | | `process.cpu.time`, `.memory.usage`, `.memory.virtual`, `.thread.count`, `.unix.file_descriptor.count` (`.windows.handle.count`), `.uptime` | the same |
//! | | `tokio.worker.count`, `.worker.busy`, `.worker.busy.time`, `.worker.park.count`, `tokio.task.alive`, `tokio.global_queue.depth` | the same |
//! | | `otel.sdk.exporter.span.exported`, `.inflight`, `otel.sdk.processor.span.processed`, `.queue.size`, `.queue.capacity`; `log` and `metric_data_point` where those are exported | the same |
//! | | `telemetry.log.line.dropped` | the same |
//! | log lines | events of `tracing` and `log` that `RUST_LOG` lets through, with `trace_id`, `span_id`, and the fields of the spans around | stdout: readable on a terminal, else JSON lines |
//! | headers | `traceparent`, `tracestate`, `baggage` | requests, by [`Telemetry::propagator`] |
//! | resource | `service.name`, `.version`, `.namespace`, `.instance.id`, `host.name`, `os.type`, `process.pid`, `telemetry.sdk.*` | with all of the above |
//!
//! Resource and spans follow the semantic conventions 1.44. Which settings there are: `docs/settings.md` of the project;
//! the values in effect: the line that [`init`] logs, [`Telemetry::summary`].
//!
//! # What is guaranteed
//!
//! - **Telemetry never stops the service.** An `OTEL_*` value that is not understood is logged as one warning and counts as
//!   unset. The same holds for a part of `RUST_LOG` that is not a directive; the rest of the filter applies. An exporter that
//!   cannot be built is logged as one warning and left out.
//! - **No request waits** for a collector or for stdout. Queues are bounded, in items and in bytes. What does not fit is dropped and counted, and
//!   one warning in ten seconds gives the count and the reason.
//! - **Memory is bounded**: 2,000 attribute sets an instrument ([`Settings::with_cardinality_limit`]), then one series for
//!   the rest, and a line in the log; 128 attributes, events and links a span; log lines of 4 KiB.
//! - **Shutdown is bounded and reports losses**: [`Telemetry::shutdown`] flushes within its limit, even if the collector
//!   hangs, under any executor, and returns what was lost since the start.
//! - **Secrets stay secret**: no log line, error or `Debug` output contains header values or the credentials of a URL.
//! - **Nothing is global** but what [`init`] makes so, and nothing is read from the environment but through the look-up
//!   that [`Settings::from_env`] is given. Two leaks are the exporters': in the process's environment
//!   `OTEL_EXPORTER_OTLP_*COMPRESSION=gzip` holds when the look-up has none, and over gRPC
//!   `OTEL_EXPORTER_OTLP_*HEADERS` are added to the look-up's.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use opentelemetry::KeyValue;
//! use telemetry::{Service, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a service: `|name: &str| std::env::var_os(name)`.
//! let environment = |name: &str| (name == "OTEL_TRACES_EXPORTER").then(|| "console".into());
//! let settings = Settings::from_env(&environment)?;
//! let service = Service::new("Ping", env!("CARGO_PKG_VERSION"));
//! let telemetry = telemetry::init(service, &settings)?;
//!
//! let requests = telemetry.meter("my-service").u64_counter("request_count").build();
//! {
//!     let _request = tracing::info_span!("ping-request", environment = "staging").entered();
//!     tracing::info!("this line carries the ids of that span");
//!     requests.add(1, &[KeyValue::new("userAgent", "curl")]);
//! }
//!
//! let metrics = telemetry.exposition().ok_or("there is something to fetch")?.encode(None);
//! assert!(String::from_utf8(metrics.body)?.contains("request_count_total{"));
//!
//! telemetry.shutdown(Duration::from_secs(5)).await.report();
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openmetrics::Exposition;
use opentelemetry::metrics::{Meter, MeterProvider, NoopMeterProvider};
use opentelemetry::trace::{SpanContext, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue, global};
use opentelemetry_sdk::logs::LoggerProviderBuilder;
use opentelemetry_sdk::metrics::MeterProviderBuilder;
use opentelemetry_sdk::trace::TracerProviderBuilder;
use subscriber::{Events, Output};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

mod error;
mod logs;
mod losses;
mod metrics;
mod overflow;
mod own_thread;
mod process;
mod propagators;
mod resource;
mod runtime;
mod shutdown;
mod summary;
#[cfg(feature = "testing")]
pub mod testing;
mod traces;

pub use error::{Error, FlushError};
pub use losses::{Loss, Losses};
pub use propagators::SharedPropagator;
use settings::ExemplarFilter;
pub use settings::{Lookup, SettingError, Settings};
pub use subscriber::Tracer;

/// The semantic conventions that resource, spans and metrics follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The scope of this crate's own metrics.
const OWN_SCOPE: &str = "telemetry";

/// What telemetry says about the service. The environment beats all of it (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// `service.name`, and the name of the tracer of `tracing` spans.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
    /// `service.namespace`: what the services of one system have in common.
    pub namespace: Option<&'static str>,
}

impl Service {
    /// A service without a namespace. The version usually is `env!("CARGO_PKG_VERSION")`.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            namespace: None,
        }
    }

    /// Sets `service.namespace`.
    #[must_use]
    pub const fn with_namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }
}

/// Records exemplars. The instrumentation calls it once for each series, with the instrument's name and unit, the attributes
/// and the upper bounds of the buckets. It calls the function that is returned for each sampled measurement.
pub type Exemplars = Arc<dyn Fn(&str, &str, &[KeyValue], &[f64]) -> Remember + Send + Sync>;

/// Records one exemplar: the value, the time, and the span in which it was measured.
pub type Remember = Box<dyn Fn(f64, SystemTime, &SpanContext) + Send + Sync>;

/// Everything that was set up. Call [`Telemetry::shutdown`] at the end.
pub struct Telemetry {
    service: Service,
    settings: Settings,
    providers: shutdown::Providers,
    propagator: SharedPropagator,
    exposition: Option<Exposition>,
    pipelines: Vec<Arc<otlp::Health>>,
    output: Output,
    warnings: Vec<String>,
    summary: String,
    /// Whether it records in memory, so that a drop without shutdown loses nothing.
    in_memory: bool,
    /// Whether [`Telemetry::shutdown`] has run.
    is_ended: bool,
}

/// Sets telemetry up for `service`. Nothing is global: several can exist side by side.
///
/// On a tokio runtime, the metrics of the runtime are registered too. An exporter that cannot be built becomes a warning and is
/// left out.
///
/// # Errors
///
/// [`Error`] when the machine refuses a thread or the Prometheus exporter.
pub fn build(service: Service, settings: &Settings) -> Result<Telemetry, Error> {
    let output = Output::stdout(settings.tracing.color)?;
    build_onto(Builders::default(), output, service, settings)
}

/// The SDK's builders, before what the settings name is added to them. Only tests put something into them.
#[derive(Default)]
struct Builders {
    traces: TracerProviderBuilder,
    /// None: log records are made only if the settings name an exporter for them.
    logs: Option<LoggerProviderBuilder>,
    metrics: MeterProviderBuilder,
}

/// As [`build`], for all that builds a [`Telemetry`].
fn build_onto(
    builders: Builders,
    output: Output,
    service: Service,
    settings: &Settings,
) -> Result<Telemetry, Error> {
    let resource = resource::resource(service, settings);
    let summary = summary::summary(
        &resource::service_name(&resource),
        service.version,
        settings,
    );
    let mut telemetry = Telemetry {
        service,
        settings: settings.clone(),
        providers: shutdown::Providers::default(),
        propagator: Arc::new(propagators::composite(&settings.propagators)),
        exposition: None,
        pipelines: Vec::new(),
        output,
        warnings: settings.warnings().to_vec(),
        summary,
        in_memory: false,
        is_ended: false,
    };
    if settings.disabled {
        return Ok(telemetry);
    }
    let mut pipelines = otlp::Pipelines::new(telemetry.providers.ending.subscribe());
    let traces = traces::provider(
        builders.traces,
        &settings.tracer_provider,
        resource.clone(),
        &mut pipelines,
    );
    telemetry.providers.traces = Some(traces);
    telemetry.providers.logs = match builders.logs {
        Some(builder) => Some(builder.with_resource(resource.clone()).build()),
        None => logs::provider(&settings.logger_provider, resource.clone(), &mut pipelines),
    };
    let metrics = metrics::metrics(
        builders.metrics,
        &settings.meter_provider,
        resource,
        &mut pipelines,
    )?;
    telemetry.exposition = metrics.exposition;
    telemetry.pipelines = pipelines.health;
    telemetry.warnings.extend(pipelines.warnings);

    let own = metrics.provider.meter(OWN_SCOPE);
    telemetry.providers.metrics = Some(metrics.provider);
    process::observe(&own);
    runtime::observe(&own);
    otlp::observe(&own, &telemetry.pipelines);
    logs::observe(&own, telemetry.output.clone());
    Ok(telemetry)
}

/// As [`build`], and installs the result for the whole process: the `tracing` subscriber, OpenTelemetry's global providers and
/// propagator. Logs the settings in effect and the warnings.
///
/// # Errors
///
/// As [`build`]; [`Error::Installed`] when there is a subscriber already.
pub fn init(service: Service, settings: &Settings) -> Result<Telemetry, Error> {
    let mut telemetry = build(service, settings)?;
    if tracing::subscriber::set_global_default(telemetry.subscriber()).is_err() {
        // Nothing has been recorded yet: the providers may go without ceremony.
        let providers = std::mem::take(&mut telemetry.providers);
        tracing::subscriber::with_default(NoSubscriber::default(), || drop(providers));
        return Err(Error::Installed);
    }
    #[cfg(feature = "log")]
    if subscriber::bridge_log().is_err() {
        let elsewhere =
            "lines of libraries that use `log` go to the logger that is installed already";
        telemetry.warnings.push(elsewhere.to_owned());
    }
    // OpenTelemetry logs each of these, which says nothing that the next line does not.
    tracing::subscriber::with_default(NoSubscriber::default(), || telemetry.set_globals());
    tracing::info!("telemetry: {}", telemetry.summary);
    if settings.tracing.filter.is_doubtful {
        tracing::subscriber::with_default(telemetry.all_warnings(), || telemetry.log_warnings());
    } else {
        telemetry.log_warnings();
    }
    Ok(telemetry)
}

impl Telemetry {
    fn set_globals(&self) {
        global::set_text_map_propagator(propagators::composite(&self.settings.propagators));
        if let Some(provider) = &self.providers.traces {
            global::set_tracer_provider(provider.clone());
        }
        if let Some(provider) = &self.providers.metrics {
            global::set_meter_provider(provider.clone());
        }
    }

    /// A subscriber for the warnings about the filter itself, which the filter could suppress.
    fn all_warnings(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        Registry::default().with(self.events("warn"))
    }

    fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Whether `OTEL_SDK_DISABLED` is true: nothing is recorded, and only the propagator works.
    pub fn is_disabled(&self) -> bool {
        self.settings.disabled
    }

    /// Returns a tracer with the scope `name`. A service usually has one, for automatic and manual spans.
    pub fn tracer(&self, name: &'static str) -> Tracer {
        match &self.providers.traces {
            Some(provider) => {
                let scope = InstrumentationScope::builder(name)
                    .with_schema_url(SCHEMA_URL)
                    .build();
                Tracer::sdk(provider.tracer_with_scope(scope))
            }
            None => Tracer::disabled(),
        }
    }

    /// Returns a meter with that scope.
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.meter_with_scope(InstrumentationScope::builder(scope).build())
    }

    /// Returns a meter with that scope, for instruments that follow a version of the semantic conventions: the scope has the
    /// URL of its schema.
    pub fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        match &self.providers.metrics {
            Some(provider) => provider.meter_with_scope(scope),
            None => NoopMeterProvider::new().meter_with_scope(scope),
        }
    }

    /// Returns the propagator, which carries the context from service to service. It works even if telemetry is disabled.
    pub fn propagator(&self) -> SharedPropagator {
        Arc::clone(&self.propagator)
    }

    /// Returns what `/metrics` must answer; the app must serve it. None: there are no metrics to fetch, and `/metrics` should
    /// answer 404.
    pub fn exposition(&self) -> Option<Exposition> {
        self.exposition.clone()
    }

    /// Returns the function that records exemplars for [`Telemetry::exposition`]. None: exemplars are off
    /// (`OTEL_METRICS_EXEMPLAR_FILTER=always_off`), or there is no exposition.
    pub fn exemplars(&self) -> Option<Exemplars> {
        let exemplars = self.exposition.as_ref()?.exemplars().clone();
        let series: Exemplars = Arc::new(move |instrument, unit, attributes, bounds| {
            let label = |label: &KeyValue| (label.key.to_string(), label.value.to_string());
            let labels: Vec<_> = attributes.iter().map(label).collect();
            let series = exemplars.instrument(instrument, unit, &labels, bounds);
            Box::new(move |value, at, span| {
                let (trace_id, span_id) = (span.trace_id(), span.span_id());
                series.record(value, at, trace_id.to_bytes(), span_id.to_bytes());
            })
        });
        let is_wanted = self.settings.meter_provider.exemplar_filter != ExemplarFilter::AlwaysOff;
        is_wanted.then_some(series)
    }

    /// A subscriber that turns `tracing` spans into spans of the trace, and events into log lines. [`init`] installs it;
    /// tests pass it to `tracing::subscriber::set_default`.
    ///
    /// A layer of your own goes on top, by [`SubscriberExt::with`]. It sees the spans down to
    /// [`Settings::with_span_level`], the events that `RUST_LOG` lets through, and all ERROR events.
    ///
    /// [`SubscriberExt::with`]: tracing_subscriber::layer::SubscriberExt::with
    pub fn subscriber(
        &self,
    ) -> impl tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync + use<> {
        let events = self.events(&self.settings.tracing.filter.directives);
        subscriber::subscriber(self.tracer(self.service.name), events)
    }

    fn events(&self, filter: &str) -> Events {
        let logs = self.providers.logs.as_ref();
        logs::events(filter, &self.settings.tracing, &self.output, logs)
    }

    /// Returns the settings in effect, as [`init`] logs them: exporters with protocol and endpoint, sampler, propagators, log
    /// filter. It contains no header values and no credentials.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Returns one sentence for each setting that is not understood, not supported or not possible, as [`init`] logs them.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Exports what is queued: for a job that reports at its end, or a function that is frozen after each call. Returns within
    /// `limit`. Traces, logs and metrics have five seconds each at most. Works under any executor.
    ///
    /// # Errors
    ///
    /// [`FlushError`] if an export fails or takes too long. What was not sent counts as lost; see [`Telemetry::shutdown`].
    pub async fn force_flush(&self, limit: Duration) -> Result<(), FlushError> {
        self.providers.force_flush(limit).await
    }

    /// Exports what is queued and shuts everything down: first traces, then logs, then metrics, which count the exports of the
    /// others. Returns within `limit`, even if a collector hangs. Works under any executor and uses no worker of a runtime:
    /// threads of its own do the work and keep the time.
    ///
    /// Returns what was lost since the start: dropped because a queue was full, not exported, not flushed in time, not confirmed
    /// by the receiver, or not printed. A loss is not a failure of the service: [`Losses::report`] prints it to stderr.
    pub async fn shutdown(mut self, limit: Duration) -> Losses {
        let for_lines = shutdown::FLUSH_LINES.min(limit / 4);
        let in_time = std::mem::take(&mut self.providers)
            .shutdown(limit.saturating_sub(for_lines))
            .await;
        let flushed = own_thread::wait("log-flush", for_lines, self.output.flush());
        let printed = flushed.await.is_some();
        self.is_ended = true;
        let lines = self.output.lost();
        shutdown::verdict(&self.pipelines, in_time, lines, printed)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        if !self.providers.is_empty() && !self.in_memory {
            // What is still queued is lost if the process ends now: global providers and tracers keep the queues alive,
            // so dropping this flushes nothing.
            tracing::error!(
                "telemetry was dropped without shutdown: call and await `Telemetry::shutdown`"
            );
        }
        let _ = own_thread::run("log-flush", shutdown::FLUSH_LINES, self.output.flush());
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

/// The snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
