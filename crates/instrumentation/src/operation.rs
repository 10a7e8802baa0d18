//! One request in progress, on either side: its span, its clock and its series.
//!
//! The conventions define the span and the metric of a request separately. Here both start and end together, so that
//! they agree on the duration, on `error.type` and on the status code.

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use opentelemetry::trace::{Span, SpanBuilder, SpanRef, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};

use crate::attribute::{ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE};
use crate::series::{Outcome, SeriesSet};

pub(crate) struct Operation {
    context: Context,
    is_recording: bool,
    started_at: SystemTime,
    started: Instant,
}

impl Operation {
    /// Starts the span that `builder` describes, as a child of the span of `parent`.
    ///
    /// `attributes` makes those that are known at the start. A sampler may look at them: the conventions list the ones that
    /// must be there when the span is created (http-spans, *the following attributes can be important for making sampling
    /// decisions*).
    pub(crate) fn start<T>(
        tracer: &T,
        mut builder: SpanBuilder,
        parent: &Context,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self
    where
        T: Tracer,
        T::Span: Send + Sync + 'static,
    {
        // The wall clock is read once, at the start, and the end is counted from there. A clock that is set in between
        // then makes no span end before it starts, and the span and the metric have the same duration.
        let started_at = SystemTime::now();
        let started = Instant::now();
        builder.start_time = Some(started_at);
        // A sampler that keeps traces whole does not sample below an unsampled parent, whatever the attributes are.
        // Making them would be wasted work in every service that an unsampled request passes through.
        let is_unsampled = {
            let parent = parent.span();
            parent.span_context().is_valid() && !parent.span_context().is_sampled()
        };
        let mut attributes = Some(attributes);
        if !is_unsampled {
            builder.attributes = attributes.take().map(|attributes| attributes());
        }
        let mut span = tracer.build_with_context(builder, parent);
        let is_recording = span.is_recording();
        let context = if is_recording {
            if let Some(attributes) = attributes {
                span.set_attributes(attributes());
            }
            parent.with_span(span)
        } else {
            // The ids and flags must travel on. The span itself does nothing, so it is not worth an allocation.
            parent.with_remote_span_context(span.span_context().clone())
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

    /// Records the duration and ends the span.
    ///
    /// `finish` sets the attributes that are known only now, and returns the description of the error, which is used if
    /// no status code tells it. It is called only if the span records.
    pub(crate) fn end(
        &self,
        series: &SeriesSet,
        outcome: Outcome,
        finish: impl FnOnce(&SpanRef<'_>) -> Cow<'static, str>,
    ) {
        let duration = self.started.elapsed();
        let ended_at = self.started_at + duration;
        let span = self.context.span();
        let is_sampled = self.is_recording && span.span_context().is_sampled();
        // An exemplar of an unsampled span would lead to a trace that was never exported.
        let exemplar = is_sampled.then(|| span.span_context());
        let error_type = series.record(outcome, duration, ended_at, exemplar);
        if !self.is_recording {
            return;
        }
        if let Some(status) = outcome.status {
            span.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        }
        let description = finish(&span);
        if let Some(error_type) = error_type {
            span.set_attribute(KeyValue::new(ERROR_TYPE, error_type));
            // Conventions, *Status*: no description if the reason can be inferred from `http.response.status_code`.
            let description = outcome.failure.map(|_| description).unwrap_or_default();
            span.set_status(Status::Error { description });
        }
        span.end_with_timestamp(ended_at);
    }
}
