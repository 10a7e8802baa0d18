//! Sets OpenTelemetry up, once, for a service: resource, traces, metrics, logs, propagation, and the end of all that.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openmetrics::{Exemplars, Exposition};
use opentelemetry::metrics::{Meter, MeterProvider, NoopMeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, global};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

mod baggage;
mod error;
mod health;
mod logs;
mod metrics;
mod otlp;
mod process;
mod propagation;
mod resource;
mod runtime;
mod settings;
mod shutdown;
mod summary;
mod trace_context;
mod tracer;
mod traces;

pub use baggage::BaggagePropagator;
pub use error::{Error, SettingError, ShutdownError};
pub use propagation::SharedPropagator;
pub use settings::{Lookup, Settings};
pub use trace_context::TraceContextPropagator;
pub use tracer::Tracer;

/// The semantic conventions that resource, spans and metrics follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// Scope of the metrics that this crate makes itself.
const OWN_SCOPE: &str = "telemetry";

/// What telemetry says about the service when the environment says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// `service.name`, and the name of the tracer of manual spans.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
}

/// Everything that was set up. Ends with [`Telemetry::shutdown`].
pub struct Telemetry {
    service: Service,
    settings: Settings,
    providers: shutdown::Providers,
    propagator: SharedPropagator,
    exposition: Option<Exposition>,
    pipelines: Vec<Arc<health::Health>>,
    output: logs::Output,
    warnings: Vec<String>,
    summary: String,
    grpc: Option<otlp::GrpcRuntime>,
}

/// Sets telemetry up for `service`. Nothing is global: several can live side by side.
///
/// On a tokio runtime the runtime's figures are measured too. Exporters that cannot be built are warned of and left out.
///
/// # Errors
///
/// [`Error`] when the machine refuses a thread or the Prometheus exporter.
pub fn build(service: Service, settings: &Settings) -> Result<Telemetry, Error> {
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
        propagator: Arc::new(propagation::composite(&settings.propagators)),
        exposition: None,
        pipelines: Vec::new(),
        output: logs::Output::stdout(settings.logs.color),
        warnings: settings.warnings().to_vec(),
        summary,
        grpc: None,
    };
    if settings.disabled {
        return Ok(telemetry);
    }
    if settings.uses_grpc() {
        telemetry.grpc = Some(otlp::GrpcRuntime::new()?);
    }
    let mut builder = otlp::Builder {
        grpc: telemetry.grpc.as_ref(),
        warnings: &mut telemetry.warnings,
    };
    let (traces, pipelines) = traces::provider(&settings.traces, resource.clone(), &mut builder);
    telemetry.pipelines.extend(pipelines);
    telemetry.providers.traces = Some(traces);
    if let Some((logs, pipeline)) = logs::provider(&settings.logs, resource.clone(), &mut builder) {
        telemetry.pipelines.push(pipeline);
        telemetry.providers.logs = Some(logs);
    }
    let metrics = metrics::metrics(&settings.metrics, resource, &mut builder)?;
    telemetry.pipelines.extend(metrics.pipelines);
    telemetry.exposition = metrics.exposition;

    let own = metrics.provider.meter(OWN_SCOPE);
    telemetry.providers.metrics = Some(metrics.provider);
    process::observe(&own);
    runtime::observe(&own);
    health::observe(&own, &telemetry.pipelines);
    logs::observe(&own, telemetry.output.dropped());
    Ok(telemetry)
}

/// As [`build`], and makes it the process's: the `tracing` subscriber, OpenTelemetry's global providers and propagator.
/// Logs what is in effect, and the warnings.
///
/// # Errors
///
/// As [`build`]; [`Error::Installed`] when there is a subscriber already.
pub fn init(service: Service, settings: &Settings) -> Result<Telemetry, Error> {
    let mut telemetry = build(service, settings)?;
    if tracing::subscriber::set_global_default(telemetry.subscriber()).is_err() {
        // Nothing has been recorded yet: the providers may go without ceremony.
        drop(std::mem::take(&mut telemetry.providers));
        return Err(Error::Installed);
    }
    // OpenTelemetry logs each of these, which says nothing that the next line does not.
    tracing::subscriber::with_default(NoSubscriber::default(), || telemetry.set_globals());
    tracing::info!("telemetry: {}", telemetry.summary);
    for warning in &telemetry.warnings {
        tracing::warn!("{warning}");
    }
    Ok(telemetry)
}

impl Telemetry {
    fn set_globals(&self) {
        global::set_text_map_propagator(propagation::composite(&self.settings.propagators));
        if let Some(provider) = &self.providers.traces {
            global::set_tracer_provider(provider.clone());
        }
        if let Some(provider) = &self.providers.metrics {
            global::set_meter_provider(provider.clone());
        }
    }

    /// A tracer of that name; a service has one, for automatic and manual spans.
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

    /// A meter of that name.
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.meter_with_scope(InstrumentationScope::builder(scope).build())
    }

    /// A meter of that scope, for instruments that follow a version of the semantic conventions and say so.
    pub fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        match &self.providers.metrics {
            Some(provider) => provider.meter_with_scope(scope),
            None => NoopMeterProvider::new().meter_with_scope(scope),
        }
    }

    /// What carries the context from service to service; works even if telemetry is disabled.
    pub fn propagator(&self) -> SharedPropagator {
        Arc::clone(&self.propagator)
    }

    /// What `/metrics` answers. None: there are no metrics to fetch, and `/metrics` is to answer 404.
    pub fn exposition(&self) -> Option<Exposition> {
        self.exposition.clone()
    }

    /// Where to record exemplars for [`Telemetry::exposition`]. None: they are not wanted
    /// (`OTEL_METRICS_EXEMPLAR_FILTER=always_off`) or nobody could fetch them.
    pub fn exemplars(&self) -> Option<Exemplars> {
        let exposition = self.exposition.as_ref()?;
        self.settings
            .metrics
            .exemplars
            .then(|| exposition.exemplars().clone())
    }

    /// A subscriber that turns `tracing` spans into spans of the trace, and events into log lines. [`init`] installs it;
    /// tests pass it to `tracing::subscriber::set_default`.
    pub fn subscriber(
        &self,
    ) -> impl tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync + use<> {
        // Carries only what the code states: no source location, thread, timing, level or target.
        let spans = self.providers.traces.is_some().then(|| {
            tracing_opentelemetry::layer()
                .with_tracer(self.tracer(self.service.name))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_level(false)
                .with_target(false)
        });
        let events = logs::layer(
            &self.settings.logs.filter,
            &self.output,
            self.providers.logs.as_ref(),
        );
        Registry::default().with(spans).with(events)
    }

    /// What is in effect, as [`init`] logs it: exporters with protocol and endpoint, sampler, propagators, log filter.
    /// No header values, no credentials.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What is not understood, not supported or not possible, one sentence each, as [`init`] logs it.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sends what waits and ends everything: traces first, then logs, then metrics, which count the others until then.
    /// Takes no longer than `limit`, even if a collector hangs, and needs none of the runtime's workers.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] when anything was lost since the start: dropped for a full queue, not exported, not flushed in
    /// time, or not printed.
    pub async fn shutdown(mut self, limit: Duration) -> Result<(), ShutdownError> {
        let deadline = Instant::now() + limit;
        let for_lines = shutdown::FLUSH_LINES.min(limit / 4);
        let in_time = std::mem::take(&mut self.providers)
            .shutdown(deadline - for_lines)
            .await;
        let printed = self.output.flush(for_lines).await;
        let lines_dropped = self.output.dropped().dropped_lines();
        shutdown::verdict(&self.pipelines, in_time, lines_dropped, printed)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if !self.providers.is_empty() {
            // The providers still flush as they are dropped, but nobody bounds it and nobody hears what was lost.
            tracing::error!(
                "telemetry was dropped without shutdown: call and await `Telemetry::shutdown`"
            );
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}
