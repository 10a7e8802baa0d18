//! Metrics on their way out. They wait in no queue: each push carries what there is at that time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use crate::attempt::Failure;
use crate::health::Health;
use crate::sender::Sender;

/// Sends metrics by OTLP, each as it has grown since the start.
#[derive(Debug)]
pub struct OtlpMetricExporter {
    pub(crate) sender: Sender,
    pub(crate) health: Arc<Health>,
}

impl PushMetricExporter for OtlpMetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let count = data_points(metrics);
        let request = ExportMetricsServiceRequest::from(metrics);
        let deadline = Instant::now() + self.sender.destination.timeout;
        self.health.take(count);
        let result = self.sender.send(&request.encode_to_vec().into(), deadline);
        self.health.exported(count, result)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// Another exporter, whose results are counted.
pub struct MetricExporter<E> {
    pub(crate) exporter: E,
    pub(crate) health: Arc<Health>,
}

impl<E> fmt::Debug for MetricExporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricExporter").finish_non_exhaustive()
    }
}

impl<E: PushMetricExporter> PushMetricExporter for MetricExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let count = data_points(metrics);
        self.health.take(count);
        let result = self.exporter.export(metrics).await;
        let result = result.map_err(|error| Failure::unknown(&error));
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
