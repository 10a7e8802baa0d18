//! A queue of spans as the SDK has them, for an exporter that is not ours, such as the console's.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use settings::Batch;

use crate::attempt::Failure;
use crate::budget::Budget;
use crate::encoder;
use crate::health::Health;

/// The longest queue. The SDK allocates all of it at once.
pub(crate) const LONGEST: usize = 2_048;

/// The SDK's batch processor behind a door that counts.
#[derive(Debug)]
pub struct StockSpanQueue {
    health: Arc<Health>,
    budget: Arc<Budget>,
    processor: BatchSpanProcessor,
}

impl StockSpanQueue {
    /// `value_length` bounds texts in attributes, in characters.
    pub(crate) fn new<E: SpanExporter + 'static>(
        exporter: E,
        health: Arc<Health>,
        batch: &Batch,
        value_length: usize,
    ) -> Self {
        let budget = Arc::new(Budget::of(batch));
        let exporter = WatchedExporter {
            exporter,
            health: Arc::clone(&health),
            budget: Arc::clone(&budget),
            value_length,
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.max_queue_size)
            .with_max_export_batch_size(batch.max_export_batch_size)
            .with_scheduled_delay(batch.schedule_delay)
            .build();
        Self {
            health,
            budget,
            processor: BatchSpanProcessor::new(exporter, config),
        }
    }
}

impl SpanProcessor for StockSpanQueue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.health.started();
        self.processor.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        self.health.ended();
        // As in the queue for OTLP.
        if !span.span_context.is_sampled() {
            return;
        }
        // The clock was set back meanwhile.
        span.end_time = span.end_time.max(span.start_time);
        if !self.health.admit() {
            return;
        }
        if self.budget.take(length(&span)) {
            self.processor.on_end(span);
        } else {
            self.health.retract();
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

/// How long the span is by OTLP, which is about what it takes.
fn length(span: &SpanData) -> usize {
    let mut bytes = Vec::new();
    encoder::append_span(&mut bytes, span, usize::MAX);
    bytes.len()
}

/// An exporter whose results are counted, and whose values are bounded in length.
#[derive(Debug)]
struct WatchedExporter<E> {
    exporter: E,
    health: Arc<Health>,
    budget: Arc<Budget>,
    value_length: usize,
}

impl<E: SpanExporter> SpanExporter for WatchedExporter<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let held = batch.iter().map(length).sum();
        batch
            .iter_mut()
            .for_each(|span| shorten_span(span, self.value_length));
        self.health.take(count);
        let result = self.exporter.export(batch).await;
        self.budget.free(held);
        let result = result.map_err(|error| Failure::unknown(&error));
        self.health.exported(count, result)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// `OTEL_[SPAN_]ATTRIBUTE_VALUE_LENGTH_LIMIT`: the SDK has no such limit.
fn shorten_span(span: &mut SpanData, length: usize) {
    shorten_attributes(&mut span.attributes, length);
    for event in &mut span.events.events {
        shorten_attributes(&mut event.attributes, length);
    }
    for link in &mut span.links.links {
        shorten_attributes(&mut link.attributes, length);
    }
}

fn shorten_attributes(attributes: &mut [KeyValue], length: usize) {
    for KeyValue { value, .. } in attributes {
        match value {
            Value::String(text) => shorten(text, length),
            Value::Array(Array::String(texts)) => {
                texts.iter_mut().for_each(|text| shorten(text, length))
            }
            _ => {}
        }
    }
}

fn shorten(text: &mut StringValue, length: usize) {
    let cut = encoder::cut(text.as_str(), length);
    if cut.len() < text.as_str().len() {
        *text = cut.to_owned().into();
    }
}
