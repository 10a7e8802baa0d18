//! The one layer for events: filters, prints, exports, and marks the spans whose errors they report.
//!
//! One layer with one filter instead of a filter a layer: those cost every span some thousand instructions.

use std::fmt;
use std::sync::OnceLock;

use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::logs::SdkLogger;
use tracing::dispatcher::WeakDispatch;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::line::Line;
use super::output::Output;
use super::record;
use super::repeats::Repeats;

/// Text that is kept of a span's fields, in bytes, for as long as the span is open.
const SPAN_TEXT: usize = 1024;

/// The crates that exporters send with. At debug level each export logs lines. If these were exported, they would cause more
/// exports.
const TRANSPORT: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tonic",
    "tower",
];

/// The prefix of the events of the stock OTLP exporter's HTTP client. Some show the whole endpoint, whose query can contain a
/// token, and the receiver's answer.
const INDISCREET: &str = "HttpClient.";

/// The SDK's events for an export that failed or is put off. The crate `otlp` tells of the former with the address
/// and the reason; the latter comes at every try, and nothing is lost yet.
const TOLD_BETTER: [&str; 4] = [
    "BatchSpanProcessor.ExportError",
    "BatchLogProcessor.ExportError",
    "PeriodicReader.ExportError",
    "Export.InProgress.Throttled",
];

/// Which spans and events exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which events are printed and exported, in the syntax of `RUST_LOG` ([`EnvFilter`]). Directives that are not
    /// understood are left out.
    pub filter: String,
    /// The lowest level of spans. Libraries trace their insides below INFO.
    pub span_level: LevelFilter,
    /// Whether an error that marks a span as failed is an event `exception` of that span too.
    pub exception_events: bool,
}

/// INFO for events and spans, no `exception` events.
impl Default for Choice {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            span_level: LevelFilter::INFO,
            exception_events: false,
        }
    }
}

/// The layer for events: prints and exports them, and marks the spans whose errors they report.
pub struct Events {
    filter: EnvFilter,
    /// Whether the filter has directives such as `[span]=debug`, for which it must see the spans.
    follows_spans: bool,
    /// Those of [`TRANSPORT`] that `RUST_LOG` does not ask for by name.
    muted: Vec<&'static str>,
    spans: LevelFilter,
    exceptions: bool,
    output: Output,
    logger: Option<SdkLogger>,
    repeats: Repeats,
    /// The subscriber that this is part of.
    whole: OnceLock<WeakDispatch>,
}

impl Events {
    /// Prints to `output`, and exports through `logger` if there is one.
    pub fn new(choice: &Choice, output: Output, logger: Option<SdkLogger>) -> Self {
        let filter = choice.filter.as_str();
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
            spans: choice.span_level,
            exceptions: choice.exception_events,
            output,
            logger,
            repeats: Repeats::default(),
            whole: OnceLock::new(),
        }
    }

    fn is_muted(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() > Level::INFO
            && self
                .muted
                .iter()
                .any(|target| belongs_to(metadata.target(), target))
    }

    fn handle<S>(&self, event: &Event<'_>, context: &LayerContext<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let original = normalized(event);
        let metadata = original.as_ref().unwrap_or_else(|| event.metadata());
        let reports_error = reports_error(event.metadata());
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
        // Clients can cause such warnings too: h2 warns of every connection that floods it.
        if (by_sdk || by_transport) && is_warning {
            match self.repeats.admit(&event.metadata().callsite()) {
                Some(number) => repeated = number,
                None => return,
            }
        }
        let mut line = Line::of(event, metadata);
        if reports_error {
            if !by_sdk && !by_transport {
                self.mark(event, &line, context);
            }
            // Everything else was asked for already, see `enabled`.
            if !Layer::<S>::enabled(&self.filter, metadata, context.clone()) {
                return;
            }
        }
        if repeated > 0 {
            line.field("repeated", repeated.into());
        }
        // Makes the ids of the line and of the record those of the span that the event names.
        let _named = (!by_sdk && !event.is_contextual()).then(|| {
            let span = context.event_span(event);
            span.and_then(|span| self.opentelemetry(&span.id()))
                .unwrap_or_default()
                .attach()
        });
        // Not for the SDK's own: it may speak while it holds the current context, and asking for that then panics.
        if !by_sdk {
            for span in context.event_scope(event).into_iter().flatten() {
                if let Some(fields) = span.extensions().get::<Fields>() {
                    line.enclose(fields);
                }
            }
            Context::map_current(|current| line.span(current.span().span_context()));
        }
        self.output.line(line.render(self.output.format));

        if let Some(logger) = &self.logger
            && !by_sdk
            && !by_transport
            && !Context::is_current_telemetry_suppressed()
        {
            record::emit(logger, line, event.metadata());
        }
    }

    /// Marks the span that the event belongs to as failed.
    ///
    /// Semantic conventions 1.44, [*Recording errors on spans*][errors]: the status is `Error`, its description is the
    /// error's message, and `error.type` is set where the event states it.
    ///
    /// [errors]: https://opentelemetry.io/docs/specs/semconv/general/recording-errors/#recording-errors-on-spans
    fn mark<S>(&self, event: &Event<'_>, line: &Line<'_>, context: &LayerContext<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let span = context.event_span(event).map(|span| span.id());
        let Some(context) = span.and_then(|id| self.opentelemetry(&id)) else {
            return;
        };
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        let message = line.text("error").unwrap_or(&line.message);
        let error_type = line.text("error.type").or(line.text("exception.type"));
        if self.exceptions {
            let mut attributes = vec![KeyValue::new("exception.message", message.to_owned())];
            attributes
                .extend(error_type.map(|text| KeyValue::new("exception.type", text.to_owned())));
            span.add_event("exception", attributes);
        }
        if let Some(error_type) = error_type {
            span.set_attribute(KeyValue::new("error.type", error_type.to_owned()));
        }
        span.set_status(Status::error(message.to_owned()));
    }

    /// The OpenTelemetry context of a `tracing` span.
    fn opentelemetry(&self, span: &Id) -> Option<Context> {
        let whole = self.whole.get()?.upgrade()?;
        tracing_opentelemetry::get_otel_context(span, &whole)
    }

    /// Keeps what `record` records, which is done before the span is locked: a value whose `Debug` logs looks at it, too.
    fn keep_fields<S>(
        &self,
        id: &Id,
        context: &LayerContext<'_, S>,
        record: impl FnOnce(&mut Fields),
    ) where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let mut fields = Fields::with_room(SPAN_TEXT);
        record(&mut fields);
        if fields.list.is_empty() {
            return;
        }
        let Some(span) = context.span(id) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(earlier) = extensions.get_mut::<Fields>() {
            earlier.merge(fields);
        } else {
            extensions.insert(fields);
        }
    }
}

/// Whether an event reports that its span's operation failed: any ERROR event, and at any level what
/// `#[tracing::instrument(err)]` makes, which is a field `error` without a message.
///
/// Decided by the callsite alone, and no matter of `RUST_LOG`, which has no say over spans.
fn reports_error(metadata: &Metadata<'_>) -> bool {
    let fields = metadata.fields();
    metadata.is_event()
        && (*metadata.level() == Level::ERROR
            || fields.field("error").is_some() && fields.field("message").is_none())
}

/// The metadata of the `log` record that an event was made from. None: it was made by `tracing`.
#[cfg(feature = "log")]
fn normalized<'a>(event: &'a Event<'_>) -> Option<Metadata<'a>> {
    tracing_log::NormalizeEvent::normalized_metadata(event)
}

#[cfg(not(feature = "log"))]
fn normalized<'a>(_: &'a Event<'_>) -> Option<Metadata<'a>> {
    None
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
            .field("output", &self.output)
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
        let is_wanted = if metadata.is_span() {
            *metadata.level() <= self.spans
        } else if reports_error(metadata) {
            true
        } else {
            return if self.is_muted(metadata) {
                Interest::never()
            } else {
                interest
            };
        };
        if is_wanted && !self.is_muted(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: LayerContext<'_, S>) -> bool {
        let is_wanted = if metadata.is_span() {
            *metadata.level() <= self.spans
        } else {
            reports_error(metadata) || Layer::<S>::enabled(&self.filter, metadata, context)
        };
        is_wanted && !self.is_muted(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(
            Layer::<S>::max_level_hint(&self.filter)
                .map_or(LevelFilter::TRACE, |hint| hint.max(self.spans)),
        )
    }

    fn on_event(&self, event: &Event<'_>, context: LayerContext<'_, S>) {
        self.handle(event, &context);
    }

    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.whole.set(subscriber.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        if !attributes.is_empty() {
            self.keep_fields(id, &context, |fields| attributes.record(fields));
        }
        if self.follows_spans {
            Layer::<S>::on_new_span(&self.filter, attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: LayerContext<'_, S>) {
        self.keep_fields(id, &context, |fields| values.record(fields));
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
