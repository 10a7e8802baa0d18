//! Spans on their way out: a bounded queue, and what is done to a batch before it is exported.
//!
//! A finished span goes into the queue; a thread of its own takes batches from there and exports them. Nothing on a
//! request's way waits for a receiver: when the queue is full, spans are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::TraceState;
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use settings::Batch;

use crate::destination::{Destination, watched};
use crate::health::Health;

/// The SDK's batch processor behind a door that counts.
#[derive(Debug)]
pub struct SpanQueue {
    health: Arc<Health>,
    room: Arc<Room>,
    processor: BatchSpanProcessor,
}

impl SpanQueue {
    /// `destination` is that of an exporter that sends by OTLP; `value_length` bounds string values, in characters.
    pub(crate) fn new<E: SpanExporter + 'static>(
        exporter: E,
        destination: Option<Arc<Destination>>,
        health: Arc<Health>,
        batch: &Batch,
        value_length: Option<usize>,
    ) -> Self {
        let room = Arc::new(Room::default());
        let exporter = WatchedExporter {
            exporter,
            destination,
            health: Arc::clone(&health),
            room: Arc::clone(&room),
            value_length,
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.max_queue_size)
            .with_max_export_batch_size(batch.max_export_batch_size)
            .with_scheduled_delay(batch.schedule_delay)
            .build();
        Self {
            health,
            room,
            processor: BatchSpanProcessor::new(exporter, config),
        }
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.health.started();
        self.processor.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        self.health.ended();
        // The clock was set back meanwhile.
        span.end_time = span.end_time.max(span.start_time);
        let text = text(&span);
        if !self.room.take(text) {
            self.health.refuse();
        } else if self.health.admit() {
            self.processor.on_end(span);
        } else {
            self.room.free(text);
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

/// How much text finished spans may hold until they are exported, in bytes: eight times as much as those of ordinary
/// requests that fill the default queue. A client can put 16 KiB into each, which makes a bound on their number none on
/// memory.
const TEXT: usize = 8 << 20;

/// What of [`TEXT`] is taken.
#[derive(Debug, Default)]
struct Room(AtomicUsize);

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let fits = self.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= TEXT;
        if !fits {
            self.free(bytes);
        }
        fits
    }

    fn free(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How much text a span has from whoever called: what its own code states is short, and the same for all.
fn text(span: &SpanData) -> usize {
    let attributes = span.attributes.iter();
    let values = attributes.map(|attribute| match &attribute.value {
        Value::String(text) => text.as_str().len(),
        _ => 0,
    });
    let state = span.span_context.trace_state();
    let state = if *state == TraceState::NONE {
        0
    } else {
        state.header().len()
    };
    values.sum::<usize>() + state
}

/// An exporter whose results are counted, and whose values are bounded in length.
#[derive(Debug)]
struct WatchedExporter<E> {
    exporter: E,
    /// None for the console.
    destination: Option<Arc<Destination>>,
    health: Arc<Health>,
    room: Arc<Room>,
    value_length: Option<usize>,
}

impl<E: SpanExporter> SpanExporter for WatchedExporter<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let held = batch.iter().map(text).sum();
        if let Some(length) = self.value_length {
            batch.iter_mut().for_each(|span| shorten_span(span, length));
        }
        let export = self.exporter.export(batch);
        let result = watched(&self.health, self.destination.as_deref(), count, export).await;
        self.room.free(held);
        result
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

/// `OTEL_[SPAN_]ATTRIBUTE_VALUE_LENGTH_LIMIT`: the SDK has no such limit, so it is kept just before the export.
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

/// Cuts after `length` characters, never inside one.
fn shorten(text: &mut StringValue, length: usize) {
    if let Some((end, _)) = text.as_str().char_indices().nth(length) {
        *text = text.as_str()[..end].to_owned().into();
    }
}
