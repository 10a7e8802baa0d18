//! Log records on their way out: a bounded queue, and an exporter whose results are counted.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord,
};
use settings::Batch;

use crate::destination::{Destination, watched};
use crate::health::Health;

/// The SDK's batch processor behind a door that counts.
#[derive(Debug)]
pub struct LogQueue {
    health: Arc<Health>,
    processor: BatchLogProcessor,
}

impl LogQueue {
    pub(crate) fn new<E: LogExporter + 'static>(
        exporter: E,
        destination: Arc<Destination>,
        health: Arc<Health>,
        batch: &Batch,
    ) -> Self {
        let exporter = WatchedExporter {
            exporter,
            destination,
            health: Arc::clone(&health),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.max_queue_size)
            .with_max_export_batch_size(batch.max_export_batch_size)
            .with_scheduled_delay(batch.schedule_delay)
            .build();
        Self {
            health,
            processor: BatchLogProcessor::builder(exporter)
                .with_batch_config(config)
                .build(),
        }
    }
}

impl LogProcessor for LogQueue {
    fn emit(&self, record: &mut SdkLogRecord, scope: &opentelemetry::InstrumentationScope) {
        if self.health.admit() {
            self.processor.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

/// An exporter whose results are counted.
#[derive(Debug)]
struct WatchedExporter<E> {
    exporter: E,
    destination: Arc<Destination>,
    health: Arc<Health>,
}

impl<E: LogExporter> LogExporter for WatchedExporter<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        let export = self.exporter.export(batch);
        watched(&self.health, Some(&self.destination), count, export).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
