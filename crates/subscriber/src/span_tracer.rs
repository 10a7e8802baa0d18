//! The tracer behind `tracing` spans.
//!
//! Some of them are no spans of their own in the trace, and carry the span around them on:
//! - stand-ins, see [`super::registry`];
//! - those below a span of this process that is not sampled. None of the samplers of `OTEL_TRACES_SAMPLER` samples any of
//!   them, and an SDK span that records nothing costs as much as its ids.

use opentelemetry::Context;
use opentelemetry::trace::{SpanBuilder, TraceContextExt};

use super::registry::STAND_IN;
use crate::tracer::{Span, Tracer};

#[derive(Debug)]
pub(super) struct SpanTracer {
    spans: Tracer,
    carriers: Tracer,
}

impl SpanTracer {
    pub(super) fn new(tracer: Tracer) -> Self {
        Self {
            spans: tracer,
            carriers: Tracer::disabled(),
        }
    }
}

impl opentelemetry::trace::Tracer for SpanTracer {
    type Span = Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
        let tracer = if builder.name == STAND_IN || is_unsampled(parent) {
            &self.carriers
        } else {
            &self.spans
        };
        tracer.build_with_context(builder, parent)
    }
}

/// Whether the span around is one of this process, and not sampled.
fn is_unsampled(parent: &Context) -> bool {
    let span = parent.span();
    let context = span.span_context();
    context.is_valid() && !context.is_remote() && !context.is_sampled()
}
