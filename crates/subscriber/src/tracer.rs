//! The tracer that services use: the SDK's, or none.
//!
//! With `OTEL_SDK_DISABLED=true` the specification demands a tracer that records nothing and passes the caller's context on
//! unchanged. The SDK's tracer cannot: unsampled, it still gives every span an id of its own and clears the flags, so a
//! service in the middle that is switched off would cut its callers' traces.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::noop::{NoopSpan, NoopTracer};
use opentelemetry::trace::{self, SpanBuilder, SpanContext, Status};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

/// Starts spans.
#[derive(Clone, Debug)]
pub struct Tracer(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Sdk(SdkTracer),
    Disabled(NoopTracer),
}

/// A span of [`Tracer`].
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box for the usual variant would allocate at every span"
)]
pub enum Span {
    /// One of the SDK's.
    Sdk(opentelemetry_sdk::trace::Span),
    /// The parent's context, unchanged.
    Disabled(NoopSpan),
}

impl Tracer {
    /// Spans of the SDK.
    pub fn sdk(tracer: SdkTracer) -> Self {
        Self(Kind::Sdk(tracer))
    }

    /// Spans that record nothing and pass the parent's context on.
    pub fn disabled() -> Self {
        Self(Kind::Disabled(NoopTracer::new()))
    }
}

impl trace::Tracer for Tracer {
    type Span = Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
        match &self.0 {
            Kind::Sdk(tracer) => Span::Sdk(tracer.build_with_context(builder, parent)),
            Kind::Disabled(tracer) => Span::Disabled(tracer.build_with_context(builder, parent)),
        }
    }
}

/// Calls the same method of whichever span it is.
macro_rules! either {
    ($self:expr, $span:ident => $call:expr) => {
        match $self {
            Span::Sdk($span) => $call,
            Span::Disabled($span) => $call,
        }
    };
}

impl trace::Span for Span {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        either!(self, span => span.add_event_with_timestamp(name, timestamp, attributes));
    }

    fn span_context(&self) -> &SpanContext {
        either!(self, span => span.span_context())
    }

    fn is_recording(&self) -> bool {
        either!(self, span => span.is_recording())
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        either!(self, span => span.set_attribute(attribute));
    }

    fn set_status(&mut self, status: Status) {
        either!(self, span => span.set_status(status));
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        either!(self, span => span.update_name(new_name));
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        either!(self, span => span.add_link(span_context, attributes));
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        either!(self, span => span.end_with_timestamp(timestamp));
    }
}
