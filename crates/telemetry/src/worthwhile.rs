//! Which `tracing` spans are made: not those that nobody would get to see.
//!
//! Below a span of this process that is not sampled, none of the samplers of `OTEL_TRACES_SAMPLER` samples any. Made all
//! the same, such a span costs nearly half of what telemetry costs an unsampled request. Log lines lose nothing: they
//! carry the ids of the span that is there.
//!
//! `tracing` says nothing of a span's parent at this point. So this holds for spans with `parent: None` too: a trace of
//! its own has to begin where no span is current, for example within `Context::new().attach()`.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as LayerContext;

/// A layer that lets these spans be made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Worthwhile {
    /// All: the filter of the log wants to see them.
    All,
    /// Those that may be sampled.
    Sampled,
    /// None: there are no traces.
    Nothing,
}

impl Worthwhile {
    /// `has_traces`: whether spans go anywhere; `filter`: `RUST_LOG`'s.
    pub(crate) fn new(has_traces: bool, filter: &str) -> Self {
        // As in `[span]=debug`: within such spans there are other log lines.
        match (filter.contains('['), has_traces) {
            (true, _) => Self::All,
            (false, true) => Self::Sampled,
            (false, false) => Self::Nothing,
        }
    }
}

impl<S: Subscriber> Layer<S> for Worthwhile {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self {
            Self::Sampled if metadata.is_span() => Interest::sometimes(),
            Self::Nothing if metadata.is_span() => Interest::never(),
            _ => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: LayerContext<'_, S>) -> bool {
        match self {
            Self::Sampled if metadata.is_span() => !Context::map_current(is_unsampled),
            Self::Nothing if metadata.is_span() => false,
            _ => true,
        }
    }
}

/// Whether the current span is one of this process, and not sampled.
fn is_unsampled(current: &Context) -> bool {
    let span = current.span();
    let context = span.span_context();
    context.is_valid() && !context.is_remote() && !context.is_sampled()
}
