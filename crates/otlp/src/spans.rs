//! Spans that are sent by OTLP: each is encoded when it ends, and freed.
//!
//! Nothing on a request's way waits for a receiver: what does not fit into the queue is dropped and counted.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::encoder;
use crate::queue::Queue;

/// A queue of spans, and the exporter behind it. Other processors of a provider still get each span as the SDK has it.
#[derive(Debug)]
pub struct SpanQueue {
    pub(crate) queue: Queue,
    /// The longest text in an attribute, in characters.
    pub(crate) value_length: usize,
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.queue.health().started();
    }

    fn on_end(&self, span: SpanData) {
        self.queue.health().ended();
        // A sampler can have it recorded for other processors alone.
        if !span.span_context.is_sampled() {
            return;
        }
        self.queue.push(&span.instrumentation_scope, None, |bytes| {
            encoder::append_span(bytes, &span, self.value_length);
        });
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.end(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}
