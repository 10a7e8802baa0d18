//! The layer of `tracing-opentelemetry`, for spans only: without it every log line would be an event of its span.
//!
//! `Layer::with_filter` would do the same, but looks the span up once more whenever it is entered, left or closed: 600
//! instructions for each span.

use std::any::TypeId;

use tracing::Subscriber;
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Passes on all that happens to spans, and no events.
#[derive(Debug)]
pub(super) struct Spans<L>(pub(super) L);

impl<S: Subscriber, L: Layer<S>> Layer<S> for Spans<L> {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(span, values, context);
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, context: Context<'_, S>) {
        self.0.on_follows_from(span, follows, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
    }

    /// `OpenTelemetrySpanExt` finds the layer by this.
    #[expect(
        unsafe_code,
        reason = "the trait's only way to be looked through by `Dispatch::downcast_ref`"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        // SAFETY: the caller holds what the trait asks for, which the inner layer asks for as well. It returns a pointer to a
        // value of the type `id`, or none; the value lives as long as the layer, which is a part of `self`.
        unsafe { self.0.downcast_raw(id) }
    }
}
