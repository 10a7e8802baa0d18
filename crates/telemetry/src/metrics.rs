//! The meter provider: metrics are served at `/metrics` for Prometheus to fetch, or pushed by OTLP.
//!
//! Every instrument keeps a bounded number of attribute sets. Later ones are counted in one series with the attribute
//! `otel.metric.overflow=true`. Without that bound, a client that sends a new user agent with each request would fill the
//! memory.

use std::sync::Arc;
use std::time::Duration;

use openmetrics::Exposition;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Stream,
};
use otlp::Pipelines;
use settings::{MeterProvider, MetricExporter, MetricReader};

use crate::Error;
use crate::overflow::{Overflows, Pushed, Scraped};

pub(crate) struct Metrics {
    pub(crate) provider: SdkMeterProvider,
    /// None: there is nothing to serve.
    pub(crate) exposition: Option<Exposition>,
}

/// Completes `builder`. Adds the provider's pipelines to `pipelines`.
pub(crate) fn metrics(
    builder: MeterProviderBuilder,
    settings: &MeterProvider,
    resource: Resource,
    pipelines: &mut Pipelines,
) -> Result<Metrics, Error> {
    let mut provider = builder
        .with_resource(resource)
        .with_view(bounded(settings.cardinality_limit));
    let overflows = Arc::new(Overflows::default());
    let is_pushed = settings
        .readers
        .iter()
        .any(|reader| *reader != MetricReader::Prometheus);
    let mut exposition = None;
    for reader in &settings.readers {
        match reader {
            MetricReader::Prometheus => {
                let registry = prometheus::Registry::new();
                let reader = opentelemetry_prometheus::exporter()
                    .with_registry(registry.clone())
                    .build()
                    .map_err(|error| Error::Prometheus(error.to_string()))?;
                provider = provider.with_reader(reader);
                // A push is inspected already, and an instrument has another name in a scrape: it would be logged twice.
                let registry = if is_pushed {
                    registry
                } else {
                    scraped(registry, &overflows)?
                };
                exposition = Some(Exposition::new(registry));
            }
            MetricReader::Periodic {
                interval,
                timeout,
                exporter: MetricExporter::Otlp(otlp),
            } => {
                if let Some(exporter) = pipelines.metrics(otlp, *timeout) {
                    provider = provider.with_reader(periodic(exporter, &overflows, *interval));
                }
            }
            MetricReader::Periodic {
                interval,
                exporter: MetricExporter::Console,
                ..
            } => {
                let exporter = pipelines.metrics_to(
                    opentelemetry_stdout::MetricExporter::default(),
                    "opentelemetry_stdout::MetricExporter",
                );
                provider = provider.with_reader(periodic(exporter, &overflows, *interval));
            }
        }
    }
    Ok(Metrics {
        provider: provider.build(),
        exposition,
    })
}

fn periodic<E: PushMetricExporter>(
    exporter: E,
    overflows: &Arc<Overflows>,
    interval: Duration,
) -> PeriodicReader<Pushed<E>> {
    let exporter = Pushed {
        exporter,
        overflows: Arc::clone(overflows),
    };
    PeriodicReader::builder(exporter)
        .with_interval(interval)
        .build()
}

/// A view that bounds every instrument.
fn bounded(limit: usize) -> impl Fn(&Instrument) -> Option<Stream> {
    move |instrument| {
        let stream = Stream::builder();
        // The SDK's processors count by the global meter, which can belong to another `Telemetry`. `otlp` counts for each.
        let stream = if instrument.scope().name() == "otel.sdk" {
            stream.with_aggregation(Aggregation::Drop)
        } else {
            stream.with_cardinality_limit(limit)
        };
        stream.build().ok()
    }
}

/// Wraps `registry`, whose metrics are inspected at each scrape.
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
