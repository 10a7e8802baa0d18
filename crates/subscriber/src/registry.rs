//! The registry of spans. It has a current span wherever OpenTelemetry has one.
//!
//! In a handler whose only span is the one that a layer made with the OpenTelemetry API, `tracing` knows no current span:
//! `future.in_current_span()` would carry nothing, and what the future does would belong to no trace. So `Span::current()`
//! makes a *stand-in* there: a `tracing` span that holds the ids and the other values of the current
//! [`Context`](opentelemetry::Context). It is never exported, and entering it makes that context current again.
//!
//! Nothing is made until somebody asks. `Span::current()` asks in two steps: which span is current, and a clone of its id.
//! Layers that look the current span up do only the first. So the first step answers with one permanent, empty span, and
//! only a clone of that one makes a stand-in, which closes with the last handle to it.

use std::any::TypeId;
use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_core::callsite::DefaultCallsite;
use tracing_core::span::Current;
use tracing_core::{Kind, Level, LevelFilter};
use tracing_subscriber::filter::FilterId;
use tracing_subscriber::registry::{self, Data, LookupSpan};

/// Name of stand-ins, by which [`super::span_tracer`] knows them.
pub(super) const STAND_IN: &str = "current OpenTelemetry context";

static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
static METADATA: Metadata<'static> = tracing_core::metadata! {
    name: STAND_IN,
    target: "telemetry",
    level: Level::ERROR,
    fields: &[],
    callsite: &CALLSITE,
    kind: Kind::SPAN
};

#[derive(Debug)]
pub(super) struct Registry {
    registry: registry::Registry,
    /// The permanent span that stands for "what OpenTelemetry says".
    placeholder: Id,
    /// The subscriber that this is part of.
    whole: OnceLock<WeakDispatch>,
}

impl Default for Registry {
    fn default() -> Self {
        let registry = registry::Registry::default();
        let placeholder = registry.new_span(&Attributes::new_root(
            &METADATA,
            &METADATA.fields().value_set(&[]),
        ));
        Self {
            registry,
            placeholder,
            whole: OnceLock::new(),
        }
    }
}

impl Registry {
    fn stand_in(&self) -> Option<Id> {
        let whole = self.whole.get()?.upgrade()?;
        let id = whole.new_span(&Attributes::new(
            &METADATA,
            &METADATA.fields().value_set(&[]),
        ));
        // Binds it to the context that is current now, not to the one in which it is entered first.
        let _ = tracing_opentelemetry::get_otel_context(&id, &whole);
        Some(id)
    }
}

impl Subscriber for Registry {
    fn current_span(&self) -> Current {
        let current = self.registry.current_span();
        let only_opentelemetry = || {
            Context::map_current(|context| {
                context.has_active_span() && context.span().span_context().is_valid()
            })
        };
        if current.id().is_none() && only_opentelemetry() {
            Current::new(self.placeholder.clone(), &METADATA)
        } else {
            current
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        let stand_in = (*id == self.placeholder).then(|| self.stand_in()).flatten();
        stand_in.unwrap_or_else(|| self.registry.clone_span(id))
    }

    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.whole.set(subscriber.downgrade());
        self.registry.on_register_dispatch(subscriber);
    }

    /// The registry answers for the layers that have a filter of their own. If none of those wants a span or an event, the
    /// layers without one may still, so they have to be asked. `tracing-subscriber` knows that of its own registry alone.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = self.registry.register_callsite(metadata);
        if interest.is_never() {
            Interest::sometimes()
        } else {
            interest
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.registry.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.registry.max_level_hint()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.registry.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.registry.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.registry.record_follows_from(span, follows);
    }

    fn event_enabled(&self, event: &Event<'_>) -> bool {
        self.registry.event_enabled(event)
    }

    fn event(&self, event: &Event<'_>) {
        self.registry.event(event);
    }

    fn enter(&self, span: &Id) {
        self.registry.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.registry.exit(span);
    }

    fn try_close(&self, id: Id) -> bool {
        self.registry.try_close(id)
    }

    /// Layers above look for the registry by this: it removes a span that has closed only after all of them have seen that.
    /// Without it every span would stay for ever.
    #[expect(
        unsafe_code,
        reason = "the trait's only way to be looked through by `Dispatch::downcast_ref`"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        // SAFETY: the caller holds what the trait asks for, which the registry asks for as well. It returns a pointer to a
        // value of the type `id`, or none; the value lives as long as the registry, which is a part of `self`.
        unsafe { self.registry.downcast_raw(id) }
    }
}

impl<'a> LookupSpan<'a> for Registry {
    type Data = Data<'a>;

    fn span_data(&'a self, id: &Id) -> Option<Data<'a>> {
        self.registry.span_data(id)
    }

    fn register_filter(&mut self) -> FilterId {
        self.registry.register_filter()
    }
}
