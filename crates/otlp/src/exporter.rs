//! The exporters of the three signals: each encodes a batch once, and sends it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message;
use prost::bytes::Bytes;

use crate::encoder::{self, EncodedResource};
use crate::sender::Sender;

/// Sends spans, which `encoder` makes bytes of.
#[derive(Debug)]
pub(crate) struct OtlpSpanExporter {
    sender: Sender,
    resource: EncodedResource,
    /// That of the last batch: the next one is about as long.
    buffer: Mutex<Vec<u8>>,
}

impl OtlpSpanExporter {
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            sender,
            resource: EncodedResource::default(),
            buffer: Mutex::default(),
        }
    }
}

impl SpanExporter for OtlpSpanExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut kept = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = encoder::encode(&self.resource, &batch, std::mem::take(&mut *kept));
        drop(batch);
        let message = Bytes::from(encoded);
        let result = self.sender.send(&message);
        if message.is_unique() {
            *kept = message.into();
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = EncodedResource::new(resource);
    }
}

/// Sends log records.
#[derive(Debug)]
pub(crate) struct OtlpLogExporter {
    sender: Sender,
    resource: ResourceAttributesWithSchema,
}

impl OtlpLogExporter {
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            sender,
            resource: ResourceAttributesWithSchema::default(),
        }
    }
}

impl LogExporter for OtlpLogExporter {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let request = ExportLogsServiceRequest {
            resource_logs: group_logs_by_resource_and_scope(&batch, &self.resource),
        };
        self.sender.send(&request.encode_to_vec().into())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// Sends metrics, each as it has grown since the start.
#[derive(Debug)]
pub struct OtlpMetricExporter(Sender);

impl OtlpMetricExporter {
    pub(crate) fn new(sender: Sender) -> Self {
        Self(sender)
    }
}

impl PushMetricExporter for OtlpMetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let request = ExportMetricsServiceRequest::from(metrics);
        self.0.send(&request.encode_to_vec().into())
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
