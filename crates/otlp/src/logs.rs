//! Log records that are sent by OTLP: each is encoded when it is emitted.

use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use prost::encoding::message;

use crate::queue::Queue;

/// A queue of log records, and the exporter behind it.
#[derive(Debug)]
pub struct LogQueue(pub(crate) Queue);

impl LogProcessor for LogQueue {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let encoded = LogRecord::from(&*record);
        let target = record.target().map(|target| &**target);
        self.0.push(scope, target, |bytes| {
            message::encode(2, &encoded, bytes);
        });
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.end(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
