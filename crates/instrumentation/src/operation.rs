//! One request while it is under way, on either side: its span, its clock, its series.

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};

use crate::attribute::{ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE};
use crate::series::{Outcome, SeriesSet};

pub(crate) struct Operation {
    context: Context,
    is_recording: bool,
    started_at: SystemTime,
    started: Instant,
}

/// What a span starts with.
pub(crate) struct Start<'a> {
    pub(crate) kind: SpanKind,
    pub(crate) name: Cow<'static, str>,
    pub(crate) parent: &'a Context,
}

impl Operation {
    /// Starts the span. `sampling` makes the attributes that a sampler may want to see (the conventions list
    /// them), with room for all; `add_rest` adds the others. A span that records nothing does not ask for these.
    pub(crate) fn start<T>(
        tracer: &T,
        start: Start<'_>,
        sampling: impl FnOnce() -> Vec<KeyValue>,
        add_rest: impl FnOnce(&mut T::Span),
    ) -> Self
    where
        T: Tracer,
        T::Span: Send + Sync + 'static,
    {
        // One reading of the wall clock, at the start; the end is counted from there. So a clock that is set
        // meanwhile makes no span end before it starts, and span and metric agree on the duration.
        let started_at = SystemTime::now();
        let started = Instant::now();
        let mut builder = SpanBuilder::from_name(start.name);
        builder.span_kind = Some(start.kind);
        builder.start_time = Some(started_at);
        // Below a parent that is not sampled there is nothing to decide, for any sampler that keeps traces whole:
        // attributes would be made to be thrown away, by every service that the unsampled call comes by.
        let is_decided = {
            let parent = start.parent.span();
            parent.span_context().is_valid() && !parent.span_context().is_sampled()
        };
        let mut sampling = Some(sampling);
        if !is_decided {
            builder.attributes = sampling.take().map(|sampling| sampling());
        }
        let mut span = tracer.build_with_context(builder, start.parent);
        let is_recording = span.is_recording();
        let context = if is_recording {
            if let Some(sampling) = sampling {
                span.set_attributes(sampling());
            }
            add_rest(&mut span);
            start.parent.with_span(span)
        } else {
            // Ids and flags go on; a box for a span that does nothing would be for nothing.
            start
                .parent
                .with_remote_span_context(span.span_context().clone())
        };
        Self {
            context,
            is_recording,
            started_at,
            started,
        }
    }

    /// The context whose span is the request's.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Records the duration and ends the span. `describe` words what went wrong where the status code does not;
    /// `rest` are the attributes that are known only now. Neither is asked by a span that records nothing.
    pub(crate) fn end(
        &self,
        series: &SeriesSet,
        outcome: Outcome,
        rest: impl IntoIterator<Item = KeyValue>,
        describe: impl FnOnce() -> Cow<'static, str>,
    ) {
        let duration = self.started.elapsed();
        let ended_at = self.started_at + duration;
        let span = self.context.span();
        let span_context = span.span_context();
        let is_sampled = self.is_recording && span_context.is_sampled();
        let error_type = series.record(
            outcome,
            duration,
            ended_at,
            is_sampled.then_some(span_context),
        );
        if !self.is_recording {
            return;
        }
        if let Some(status) = outcome.status {
            span.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        }
        for attribute in rest {
            span.set_attribute(attribute);
        }
        if let Some(error_type) = error_type {
            span.set_attribute(KeyValue::new(ERROR_TYPE, error_type));
            let description = outcome.failure.map(|_| describe()).unwrap_or_default();
            span.set_status(Status::Error { description });
        }
        span.end_with_timestamp(ended_at);
    }
}
