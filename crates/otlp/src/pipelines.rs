//! From settings to pipelines: a queue, an exporter behind it, and the figures of both.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanExporter;
use settings::{Batch, Otlp, Protocol};
use tokio::sync::watch;

use crate::Item;
use crate::certificates::Files;
use crate::destination::Destination;
use crate::exporter::{OtlpLogExporter, OtlpMetricExporter, OtlpSpanExporter};
use crate::grpc::{GrpcClient, GrpcRuntime};
use crate::health::{Health, LastWords};
use crate::http::HttpClient;
use crate::logs::LogQueue;
use crate::metrics::MetricExporter;
use crate::sender::{Sender, Transport};
use crate::spans::SpanQueue;

/// Builds pipelines, and keeps what there is to know of them.
#[derive(Debug)]
pub struct Pipelines {
    /// One sentence for each exporter that cannot be built, and each certificate that cannot be read.
    pub warnings: Vec<String>,
    /// One for each pipeline, in the order in which they were built.
    pub health: Vec<Arc<Health>>,
    ending: watch::Receiver<bool>,
    /// There once an exporter speaks gRPC.
    grpc: Option<Arc<GrpcRuntime>>,
}

impl Pipelines {
    /// `ending` becomes true when the shutdown begins. From then on, a receiver that cannot be reached is not waited for.
    pub fn new(ending: watch::Receiver<bool>) -> Self {
        Self {
            warnings: Vec::new(),
            health: Vec::new(),
            ending,
            grpc: None,
        }
    }

    /// A queue of spans that are sent by OTLP. Strings longer than `value_length` characters are cut.
    ///
    /// None, with a warning, when the exporter cannot be built: telemetry never keeps a service from starting.
    pub fn spans(
        &mut self,
        otlp: &Otlp,
        batch: &Batch,
        value_length: Option<usize>,
    ) -> Option<SpanQueue> {
        const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let (sender, destination) = self.sender(otlp, batch.export_timeout, METHOD)?;
        let health = self.health_at(Item::Span, Some(batch.max_queue_size), &destination);
        let exporter = OtlpSpanExporter::new(sender);
        let destination = Some(destination);
        Some(SpanQueue::new(
            exporter,
            destination,
            health,
            batch,
            value_length,
        ))
    }

    /// As [`Pipelines::spans`], with another exporter, whose `otel.component.type` is `name`.
    pub fn spans_to<E: SpanExporter + 'static>(
        &mut self,
        exporter: E,
        name: &'static str,
        batch: &Batch,
        value_length: Option<usize>,
    ) -> SpanQueue {
        let health = self.health_of(Item::Span, Some(batch.max_queue_size), name);
        SpanQueue::new(exporter, None, health, batch, value_length)
    }

    /// A queue of log records that are sent by OTLP. None as with [`Pipelines::spans`].
    pub fn logs(&mut self, otlp: &Otlp, batch: &Batch) -> Option<LogQueue> {
        const METHOD: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
        let (sender, destination) = self.sender(otlp, batch.export_timeout, METHOD)?;
        let health = self.health_at(Item::LogRecord, Some(batch.max_queue_size), &destination);
        let exporter = OtlpLogExporter::new(sender);
        Some(LogQueue::new(exporter, destination, health, batch))
    }

    /// An exporter of metrics by OTLP, for the SDK's periodic reader. `timeout` is the longest time that one push may take.
    /// None as with [`Pipelines::spans`].
    pub fn metrics(
        &mut self,
        otlp: &Otlp,
        timeout: Duration,
    ) -> Option<MetricExporter<OtlpMetricExporter>> {
        const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        let (sender, destination) = self.sender(otlp, timeout, METHOD)?;
        let health = self.health_at(Item::DataPoint, None, &destination);
        Some(MetricExporter {
            exporter: OtlpMetricExporter::new(sender),
            destination: Some(destination),
            health,
        })
    }

    /// As [`Pipelines::metrics`], with another exporter, whose `otel.component.type` is `name`.
    pub fn metrics_to<E: PushMetricExporter>(
        &mut self,
        exporter: E,
        name: &'static str,
    ) -> MetricExporter<E> {
        MetricExporter {
            exporter,
            destination: None,
            health: self.health_of(Item::DataPoint, None, name),
        }
    }

    fn health_at(
        &mut self,
        item: Item,
        queue: Option<usize>,
        destination: &Destination,
    ) -> Arc<Health> {
        let health = Health::new(
            item,
            queue,
            destination.component(item),
            Some(destination.server.clone()),
            destination.last_words.clone(),
        );
        self.health.push(Arc::clone(&health));
        health
    }

    fn health_of(&mut self, item: Item, queue: Option<usize>, name: &'static str) -> Arc<Health> {
        let health = Health::new(item, queue, name, None, LastWords::default());
        self.health.push(Arc::clone(&health));
        health
    }

    fn sender(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
        method: &'static str,
    ) -> Option<(Sender, Arc<Destination>)> {
        let destination = Destination::new(otlp, limit);
        let transport = self.transport(otlp, method, &destination);
        let transport = transport
            .map_err(|reason| {
                self.warnings.push(format!(
                    "the exporter for {} cannot be built: {reason}; used instead: none",
                    otlp.endpoint
                ));
            })
            .ok()?;
        let sender = Sender {
            transport,
            destination: Arc::clone(&destination),
            ending: self.ending.clone(),
            away: AtomicBool::new(false),
        };
        Some((sender, destination))
    }

    fn transport(
        &mut self,
        otlp: &Otlp,
        method: &'static str,
        destination: &Arc<Destination>,
    ) -> Result<Transport, String> {
        let files = Files::read(otlp, &mut self.warnings);
        match otlp.protocol {
            Protocol::HttpProtobuf => {
                HttpClient::new(otlp, &files, destination).map(Transport::Http)
            }
            Protocol::Grpc => {
                let runtime = match &self.grpc {
                    Some(runtime) => Arc::clone(runtime),
                    None => {
                        let runtime = GrpcRuntime::start().map_err(|error| error.to_string())?;
                        Arc::clone(self.grpc.insert(Arc::new(runtime)))
                    }
                };
                GrpcClient::new(otlp, method, files, destination, runtime).map(Transport::Grpc)
            }
        }
    }
}
