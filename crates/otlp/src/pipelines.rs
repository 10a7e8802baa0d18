//! From settings to pipelines: a queue, an exporter behind it, and the figures of both.

use std::fmt;
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
use crate::grpc::{GrpcClient, GrpcRuntime};
use crate::health::{Health, LastFailure};
use crate::http::HttpClient;
use crate::logs::LogQueue;
use crate::metrics::{MetricExporter, OtlpMetricExporter};
use crate::queue::Queue;
use crate::sender::{Sender, Transport};
use crate::spans::SpanQueue;
use crate::stock_queue::{self, StockSpanQueue};

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

    /// A queue of spans that are sent by OTLP. Texts in attributes are cut after `value_length` characters.
    ///
    /// None, with a warning, when the exporter cannot be built: telemetry never keeps a service from starting.
    pub fn spans(
        &mut self,
        otlp: &Otlp,
        batch: &Batch,
        value_length: Option<usize>,
    ) -> Option<SpanQueue> {
        const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let queue = self.queue(otlp, batch, METHOD, Item::Span)?;
        let value_length = value_length.unwrap_or(usize::MAX);
        Some(SpanQueue {
            queue,
            value_length,
        })
    }

    /// As [`Pipelines::spans`], with another exporter, whose `otel.component.type` is `name`. It gets spans as the SDK has them,
    /// and at most 2,048 wait for it.
    pub fn spans_to<E: SpanExporter + 'static>(
        &mut self,
        exporter: E,
        name: &'static str,
        batch: &Batch,
        value_length: Option<usize>,
    ) -> StockSpanQueue {
        let mut batch = batch.clone();
        batch.max_queue_size = batch.max_queue_size.min(stock_queue::LONGEST);
        batch.max_export_batch_size = batch.max_export_batch_size.min(batch.max_queue_size);
        let health = self.health_of(Item::Span, Some(batch.max_queue_size), name);
        StockSpanQueue::new(exporter, health, &batch, value_length.unwrap_or(usize::MAX))
    }

    /// A queue of log records that are sent by OTLP. None as with [`Pipelines::spans`].
    pub fn logs(&mut self, otlp: &Otlp, batch: &Batch) -> Option<LogQueue> {
        const METHOD: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
        let queue = self.queue(otlp, batch, METHOD, Item::LogRecord)?;
        Some(LogQueue(queue))
    }

    /// An exporter of metrics by OTLP, for the SDK's periodic reader. `timeout` is the longest time that one push may take.
    /// None as with [`Pipelines::spans`].
    pub fn metrics(&mut self, otlp: &Otlp, timeout: Duration) -> Option<OtlpMetricExporter> {
        const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        let sender = self.sender(otlp, timeout, METHOD)?;
        let health = self.health_at(Item::DataPoint, None, &sender.destination);
        Some(OtlpMetricExporter { sender, health })
    }

    /// As [`Pipelines::metrics`], with another exporter, whose `otel.component.type` is `name`.
    pub fn metrics_to<E: PushMetricExporter>(
        &mut self,
        exporter: E,
        name: &'static str,
    ) -> MetricExporter<E> {
        MetricExporter {
            exporter,
            health: self.health_of(Item::DataPoint, None, name),
        }
    }

    fn queue(
        &mut self,
        otlp: &Otlp,
        batch: &Batch,
        method: &'static str,
        item: Item,
    ) -> Option<Queue> {
        let sender = self.sender(otlp, batch.export_timeout, method)?;
        let health = self.health_at(item, Some(batch.max_queue_size), &sender.destination);
        Queue::start(sender, health, batch, otlp.max_request_size)
            .map_err(|error| self.cannot_build(otlp, &error))
            .ok()
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
            destination.last_failure.clone(),
        );
        self.health.push(Arc::clone(&health));
        health
    }

    fn health_of(&mut self, item: Item, queue: Option<usize>, name: &'static str) -> Arc<Health> {
        let health = Health::new(item, queue, name, None, LastFailure::default());
        self.health.push(Arc::clone(&health));
        health
    }

    fn sender(&mut self, otlp: &Otlp, limit: Duration, method: &'static str) -> Option<Sender> {
        let destination = Destination::new(otlp, limit);
        let transport = self.transport(otlp, method, &destination);
        let transport = transport
            .map_err(|reason| self.cannot_build(otlp, &reason))
            .ok()?;
        Some(Sender {
            transport,
            destination,
            ending: self.ending.clone(),
            away: AtomicBool::new(false),
        })
    }

    fn cannot_build(&mut self, otlp: &Otlp, reason: &dyn fmt::Display) {
        self.warnings.push(format!(
            "the exporter for {} cannot be built: {reason}; used instead: none",
            otlp.endpoint
        ));
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
