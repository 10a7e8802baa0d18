//! The one layer for events: filters, prints, sends, and stops them.
//!
//! One layer with one filter instead of a filter a layer: those cost every span some thousand instructions.

use std::fmt;
use std::io::Write;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

use super::Bridge;
use super::line::{Format, Line};
use super::repeats::Repeats;

/// Spans from this level on become spans of a trace, whatever `RUST_LOG` says. Libraries trace their insides below it.
const SPANS: LevelFilter = LevelFilter::INFO;

/// What the exporters send with. At debug level each export makes lines, which, exported, make more exports.
const TRANSPORT: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tonic",
    "tower",
];

/// How the events of the OTLP exporter's HTTP client begin: some show the whole endpoint, with the token that may be in
/// its query, and the receiver's answer.
const INDISCREET: &str = "HttpClient.";

/// The SDK's events for an export that failed or is put off. [`crate::health`] tells of the former with the address
/// and the reason; the latter comes at every try, and nothing is lost yet.
const TOLD_BETTER: [&str; 4] = [
    "BatchSpanProcessor.ExportError",
    "BatchLogProcessor.ExportError",
    "PeriodicReader.ExportError",
    "Export.InProgress.Throttled",
];

pub(crate) struct Events {
    filter: EnvFilter,
    /// Whether the filter has directives such as `[span]=debug`, for which it must see the spans.
    follows_spans: bool,
    /// Those of [`TRANSPORT`] that `RUST_LOG` does not ask for by name.
    muted: Vec<&'static str>,
    format: Format,
    writer: NonBlocking,
    bridge: Option<Bridge>,
    repeats: Repeats,
}

impl Events {
    pub(super) fn new(
        filter: &str,
        format: Format,
        writer: NonBlocking,
        bridge: Option<Bridge>,
    ) -> Self {
        let muted = TRANSPORT
            .into_iter()
            .filter(|target| {
                !filter
                    .split(',')
                    .any(|directive| belongs_to(directive.trim(), target))
            })
            .collect();
        Self {
            filter: EnvFilter::builder().parse_lossy(filter),
            follows_spans: filter.contains('['),
            muted,
            format,
            writer,
            bridge,
            repeats: Repeats::default(),
        }
    }

    fn is_muted(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() > Level::INFO
            && self
                .muted
                .iter()
                .any(|target| belongs_to(metadata.target(), target))
    }

    fn handle<S>(&self, event: &Event<'_>, context: LayerContext<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let metadata = event.metadata();
        let by_sdk = metadata.target().starts_with("opentelemetry");
        let by_transport = TRANSPORT
            .iter()
            .any(|target| belongs_to(metadata.target(), target));
        let is_warning = *metadata.level() <= Level::WARN;
        let mut repeated = 0;
        if by_sdk
            && (TOLD_BETTER.contains(&metadata.name())
                || metadata.name().starts_with("Export.Failed")
                || metadata.name().starts_with(INDISCREET))
        {
            return;
        }
        // A client can have them made as well: h2 warns of every connection that floods it.
        if (by_sdk || by_transport) && is_warning {
            match self.repeats.admit(&metadata.callsite()) {
                Some(number) => repeated = number,
                None => return,
            }
        }
        let mut line = Line::of(event);
        if repeated > 0 {
            line.field("repeated", repeated.into());
        }
        // Not for the SDK's own: it may speak while it holds the current context, and asking for that then panics.
        if !by_sdk {
            Context::map_current(|current| line.span(current.span().span_context()));
        }
        // A line that is dropped is counted by the writer; there is nothing else to do about it.
        let _ = self
            .writer
            .clone()
            .write_all(line.render(self.format).as_bytes());

        if let Some(bridge) = &self.bridge
            && !by_sdk
            && !by_transport
            && !super::is_suppressed()
        {
            Layer::<S>::on_event(bridge, event, context);
        }
    }
}

/// Whether `target` is the crate `name` or a module of it.
fn belongs_to(target: &str, name: &str) -> bool {
    target
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('='))
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Events
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked for spans too: it notes those that its directives name.
        let interest = Layer::<S>::register_callsite(&self.filter, metadata);
        if metadata.is_span() {
            return if *metadata.level() <= SPANS {
                Interest::always()
            } else {
                Interest::never()
            };
        }
        if self.is_muted(metadata) {
            Interest::never()
        } else {
            interest
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: LayerContext<'_, S>) -> bool {
        if metadata.is_span() {
            return *metadata.level() <= SPANS;
        }
        !self.is_muted(metadata) && Layer::<S>::enabled(&self.filter, metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(
            Layer::<S>::max_level_hint(&self.filter)
                .map_or(LevelFilter::TRACE, |hint| hint.max(SPANS)),
        )
    }

    /// Takes the event and stops it: the layer below would turn every log line into an event of the span, but span
    /// events are those that the code adds by name.
    fn event_enabled(&self, event: &Event<'_>, context: LayerContext<'_, S>) -> bool {
        self.handle(event, context);
        false
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        if self.follows_spans {
            Layer::<S>::on_new_span(&self.filter, attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: LayerContext<'_, S>) {
        if self.follows_spans {
            Layer::<S>::on_record(&self.filter, id, values, context);
        }
    }

    fn on_enter(&self, id: &Id, context: LayerContext<'_, S>) {
        if self.follows_spans {
            Layer::<S>::on_enter(&self.filter, id, context);
        }
    }

    fn on_exit(&self, id: &Id, context: LayerContext<'_, S>) {
        if self.follows_spans {
            Layer::<S>::on_exit(&self.filter, id, context);
        }
    }

    fn on_close(&self, id: Id, context: LayerContext<'_, S>) {
        if self.follows_spans {
            Layer::<S>::on_close(&self.filter, id, context);
        }
    }
}
