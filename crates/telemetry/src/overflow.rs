//! Logs, once for each instrument, that it has no room for more attribute sets.
//!
//! The SDK logs nothing when an instrument reaches its limit. The overflow series is visible in what is collected, so each
//! collection is inspected, and no request has to be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

/// The specification's name for the attribute of the overflow series, and its label.
const ATTRIBUTE: &str = "otel.metric.overflow";
const LABEL: &str = "otel_metric_overflow";

/// The instruments that were warned of.
#[derive(Debug, Default)]
pub(crate) struct Overflows(Mutex<BTreeSet<String>>);

impl Overflows {
    fn look_through(&self, metrics: &ResourceMetrics) {
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let overflows = match metric.data() {
                AggregatedMetrics::F64(data) => overflows(data),
                AggregatedMetrics::U64(data) => overflows(data),
                AggregatedMetrics::I64(data) => overflows(data),
            };
            if overflows {
                self.warn(metric.name(), ATTRIBUTE);
            }
        }
    }

    fn warn(&self, instrument: &str, attribute: &str) {
        // Nothing below can leave the set half changed.
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.contains(instrument) {
            warned.insert(instrument.to_owned());
            drop(warned);
            tracing::warn!(
                "{instrument} has no room for more attribute sets: those to come are one series, {attribute}=true"
            );
        }
    }
}

fn overflows<T>(data: &MetricData<T>) -> bool {
    match data {
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .any(|point| is_overflow(point.attributes())),
        MetricData::Sum(sum) => sum
            .data_points()
            .any(|point| is_overflow(point.attributes())),
        MetricData::Histogram(histogram) => histogram
            .data_points()
            .any(|point| is_overflow(point.attributes())),
        MetricData::ExponentialHistogram(histogram) => histogram
            .data_points()
            .any(|point| is_overflow(point.attributes())),
    }
}

fn is_overflow<'a>(mut attributes: impl Iterator<Item = &'a KeyValue>) -> bool {
    attributes.any(|attribute| {
        attribute.key.as_str() == ATTRIBUTE && attribute.value == Value::Bool(true)
    })
}

/// An exporter whose metrics are inspected before each push.
pub(crate) struct Pushed<E> {
    pub(crate) exporter: E,
    pub(crate) overflows: Arc<Overflows>,
}

impl<E: PushMetricExporter> PushMetricExporter for Pushed<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.overflows.look_through(metrics);
        self.exporter.export(metrics).await
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

/// A registry as a collector, whose metrics are inspected at each scrape. They have the names of the exposition.
pub(crate) struct Scraped {
    pub(crate) registry: prometheus::Registry,
    pub(crate) overflows: Arc<Overflows>,
}

impl Collector for Scraped {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new() // not known before they are collected
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let families = self.registry.gather();
        for family in &families {
            let mut labels = family
                .get_metric()
                .iter()
                .flat_map(|metric| metric.get_label());
            if labels.any(|label| label.name() == LABEL && label.value() == "true") {
                self.overflows.warn(family.name(), LABEL);
            }
        }
        families
    }
}
