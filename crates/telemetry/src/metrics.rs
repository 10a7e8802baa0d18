//! Metrics: served at `/metrics` for Prometheus to fetch, or pushed by OTLP.
//!
//! Every instrument keeps a bounded number of attribute sets; what comes later is added to one series with the attribute
//! `otel.metric.overflow=true`. Without that bound, a client that invents user agents would fill the memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openmetrics::Exposition;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Stream,
    Temporality,
};

use crate::Error;
use crate::health::{Failure, Health, Item, LastWords};
use crate::otlp::{Builder, Destination};
use crate::overflow::{Overflows, Scraped};
use crate::settings::{self, MetricsExporter};

pub(crate) struct Metrics {
    pub(crate) provider: SdkMeterProvider,
    /// None: there is nothing to serve.
    pub(crate) exposition: Option<Exposition>,
    pub(crate) pipelines: Vec<Arc<Health>>,
}

pub(crate) fn metrics(
    settings: &settings::Metrics,
    resource: Resource,
    builder: &mut Builder<'_>,
) -> Result<Metrics, Error> {
    let mut provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_view(bounded(settings.cardinality_limit));
    let overflows = Arc::new(Overflows::default());
    let is_pushed = settings
        .exporters
        .iter()
        .any(|exporter| *exporter != MetricsExporter::Prometheus);
    let mut exposition = None;
    let mut pipelines = Vec::new();
    for exporter in &settings.exporters {
        match exporter {
            MetricsExporter::Prometheus => {
                let registry = prometheus::Registry::new();
                let reader = opentelemetry_prometheus::exporter()
                    .with_registry(registry.clone())
                    .build()
                    .map_err(|error| Error::Prometheus(error.to_string()))?;
                provider = provider.with_reader(reader);
                // Pushes are looked through already, and an instrument has another name there.
                let registry = if is_pushed {
                    registry
                } else {
                    scraped(registry, &overflows)?
                };
                exposition = Some(Exposition::new(registry));
            }
            MetricsExporter::Otlp => {
                let Some((exporter, destination)) =
                    builder.metric_exporter(&settings.otlp, settings.timeout)
                else {
                    continue;
                };
                let health = Health::new(
                    Item::DataPoint,
                    None,
                    destination.component("metric"),
                    Some(destination.server.clone()),
                    destination.last_words.clone(),
                );
                provider = pushed(
                    provider,
                    exporter,
                    Some(destination),
                    &health,
                    &overflows,
                    settings.interval,
                );
                pipelines.push(health);
            }
            MetricsExporter::Console => {
                let exporter = opentelemetry_stdout::MetricExporter::default();
                let health = Health::new(
                    Item::DataPoint,
                    None,
                    "opentelemetry_stdout::MetricExporter",
                    None,
                    LastWords::default(),
                );
                provider = pushed(
                    provider,
                    exporter,
                    None,
                    &health,
                    &overflows,
                    settings.interval,
                );
                pipelines.push(health);
            }
        }
    }
    Ok(Metrics {
        provider: provider.build(),
        exposition,
        pipelines,
    })
}

/// A view that bounds every instrument.
fn bounded(limit: usize) -> impl Fn(&Instrument) -> Option<Stream> {
    move |instrument| {
        let stream = Stream::builder();
        // The SDK's processors count by the global meter, whichever `Telemetry` that belongs to; `health` counts for each.
        let stream = if instrument.scope().name() == "otel.sdk" {
            stream.with_aggregation(Aggregation::Drop)
        } else {
            stream.with_cardinality_limit(limit)
        };
        stream.build().ok()
    }
}

/// A registry with what is in `registry`, looked through at each scrape.
fn scraped(
    registry: prometheus::Registry,
    overflows: &Arc<Overflows>,
) -> Result<prometheus::Registry, Error> {
    let scraped = prometheus::Registry::new();
    scraped
        .register(Box::new(Scraped {
            registry,
            overflows: Arc::clone(overflows),
        }))
        .map_err(|error| Error::Prometheus(error.to_string()))?;
    Ok(scraped)
}

fn pushed<E: PushMetricExporter>(
    provider: MeterProviderBuilder,
    exporter: E,
    destination: Option<Arc<Destination>>,
    health: &Arc<Health>,
    overflows: &Arc<Overflows>,
    interval: Duration,
) -> MeterProviderBuilder {
    let exporter = WatchedExporter {
        exporter,
        destination,
        health: Arc::clone(health),
        overflows: Arc::clone(overflows),
    };
    provider.with_reader(
        PeriodicReader::builder(exporter)
            .with_interval(interval)
            .build(),
    )
}

/// An exporter whose results are counted.
struct WatchedExporter<E> {
    exporter: E,
    /// None for the console.
    destination: Option<Arc<Destination>>,
    health: Arc<Health>,
    overflows: Arc<Overflows>,
}

impl<E> fmt::Debug for WatchedExporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedExporter").finish_non_exhaustive()
    }
}

impl<E: PushMetricExporter> PushMetricExporter for WatchedExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.overflows.look_through(metrics);
        let count = data_points(metrics);
        self.health.take(count);
        let export = self.exporter.export(metrics);
        let result = match &self.destination {
            Some(destination) => destination.outcome(export).await,
            None => export.await.map_err(|error| Failure::unknown(&error)),
        };
        self.health.exported(count, result)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

fn data_points(metrics: &ResourceMetrics) -> usize {
    metrics
        .scope_metrics()
        .flat_map(|scope| scope.metrics())
        .map(|metric| match metric.data() {
            AggregatedMetrics::F64(data) => points(data),
            AggregatedMetrics::U64(data) => points(data),
            AggregatedMetrics::I64(data) => points(data),
        })
        .sum()
}

fn points<T>(data: &MetricData<T>) -> usize {
    match data {
        MetricData::Gauge(gauge) => gauge.data_points().count(),
        MetricData::Sum(sum) => sum.data_points().count(),
        MetricData::Histogram(histogram) => histogram.data_points().count(),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
    }
}
