//! `tracing` as a service uses it: spans that fail, work that is handed to other tasks and threads, layers of one's own.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, SpanContext, TraceContextExt, Tracer as _};
use opentelemetry_proto::tonic::trace::v1 as proto;
use telemetry::{Settings, Telemetry};
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::help::{SERVICE, end, sending, settings};
use crate::receiver::{Receiver, attributes};

/// Telemetry whose spans go to `receiver`, with settings that `change` has changed.
fn with(
    receiver: &Receiver,
    variables: &[(&str, &str)],
    change: fn(Settings) -> Settings,
) -> Telemetry {
    let address = receiver.address.to_string();
    let mut all = variables.to_vec();
    all.push(("JAEGER_ADDRESS", &address));
    telemetry::build(SERVICE, &change(settings(&all))).unwrap()
}

/// What arrives of what `work` does with telemetry's subscriber, by name.
async fn spans_of(telemetry: Telemetry, receiver: &Receiver, work: impl FnOnce()) -> Spans {
    tracing::subscriber::with_default(telemetry.subscriber(), work);
    end(telemetry).await;
    by_name(receiver)
}

type Spans = BTreeMap<String, proto::Span>;

fn by_name(receiver: &Receiver) -> Spans {
    let spans = receiver.spans().into_iter();
    spans.map(|span| (span.name.clone(), span)).collect()
}

/// Status, its description, and `error.type`.
fn failure(span: &proto::Span) -> (proto::status::StatusCode, String, Option<String>) {
    let status = span.status.clone().unwrap_or_default();
    (
        status.code(),
        status.message,
        attributes(&span.attributes).remove("error.type"),
    )
}

const FAILED: proto::status::StatusCode = proto::status::StatusCode::Error;
const UNSET: proto::status::StatusCode = proto::status::StatusCode::Unset;

/// An error with a cause.
#[derive(Debug)]
struct NotSaved(io::Error);

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the order cannot be saved")
    }
}

impl Error for NotSaved {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn not_saved() -> NotSaved {
    NotSaved(io::Error::other("disk on fire"))
}

#[tracing::instrument(err)]
fn save() -> Result<(), NotSaved> {
    Err(not_saved())
}

#[tracing::instrument(err(Debug, level = "warn"))]
fn save_loudly() -> Result<(), NotSaved> {
    Err(not_saved())
}

#[tracing::instrument(err)]
async fn save_later() -> Result<(), NotSaved> {
    tokio::task::yield_now().await;
    Err(not_saved())
}

#[tracing::instrument(err)]
fn succeeds() -> Result<(), NotSaved> {
    // What is handled here is this function's own matter.
    let _ = save();
    tracing::info!("all is well");
    tracing::warn!(error = "odd", "and goes on");
    Ok(())
}

fn fail_in_every_way() {
    let _ = succeeds();
    let _ = save_loudly();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let _ = runtime.unwrap().block_on(save_later());
    tracing::info_span!("event").in_scope(|| tracing::error!("no stock left"));
    tracing::info_span!("chain").in_scope(|| {
        let error = not_saved();
        tracing::error!(error = &error as &dyn Error, "request failed");
    });
    tracing::info_span!("typed").in_scope(|| {
        tracing::error!(error.r#type = "out_of_stock", "no stock left");
    });
    let elsewhere = tracing::info_span!("elsewhere");
    tracing::error!(parent: &elsewhere, "seen from outside");
    tracing::info_span!("bystander").in_scope(|| tracing::error!(parent: None, "nobody's"));
}

#[tokio::test]
async fn an_error_that_is_reported_marks_its_span() {
    for filter in ["info", "off"] {
        let receiver = Receiver::start();
        let telemetry = sending(receiver.address, &[("RUST_LOG", filter)]);
        let spans = tokio::task::spawn_blocking(move || {
            tracing::subscriber::with_default(telemetry.subscriber(), fail_in_every_way);
            telemetry
        });
        end(spans.await.unwrap()).await;
        let spans = by_name(&receiver);
        let failed = |description: &str| (FAILED, description.to_owned(), None);
        let chain = "the order cannot be saved: disk on fire";
        for (name, expected) in [
            ("save", failed("the order cannot be saved")),
            (
                "save_loudly",
                failed("NotSaved(Custom { kind: Other, error: \"disk on fire\" })"),
            ),
            ("save_later", failed("the order cannot be saved")),
            ("event", failed("no stock left")),
            ("chain", failed(chain)),
            (
                "typed",
                (
                    FAILED,
                    "no stock left".to_owned(),
                    Some("out_of_stock".to_owned()),
                ),
            ),
            ("elsewhere", failed("seen from outside")),
            ("succeeds", (UNSET, String::new(), None)),
            ("bystander", (UNSET, String::new(), None)),
        ] {
            assert_eq!(failure(&spans[name]), expected, "{name}, RUST_LOG={filter}");
            assert!(spans[name].events.is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn an_exception_event_is_added_where_the_settings_ask_for_it() {
    let receiver = Receiver::start();
    let telemetry = with(&receiver, &[], |settings| {
        settings.with_exception_events(true)
    });
    let spans = spans_of(telemetry, &receiver, || {
        let _ = save();
        tracing::info_span!("typed").in_scope(|| {
            tracing::error!(exception.r#type = "OutOfStock", "no stock left");
        });
        tracing::info_span!("fine").in_scope(|| tracing::info!("a line"));
    })
    .await;
    let events = |name: &str| -> Vec<_> {
        let events = spans[name].events.iter();
        events
            .map(|event| (event.name.clone(), attributes(&event.attributes)))
            .collect()
    };
    let exception = |attributes: &[(&str, &str)]| {
        let attributes = attributes.iter();
        let attributes = attributes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ("exception".to_owned(), attributes.collect())
    };
    assert_eq!(
        events("save"),
        [exception(&[(
            "exception.message",
            "the order cannot be saved"
        )])]
    );
    assert_eq!(
        events("typed"),
        [exception(&[
            ("exception.message", "no stock left"),
            ("exception.type", "OutOfStock"),
        ])]
    );
    assert_eq!(events("fine"), []);
}

/// The five ways of `tracing` to hand the current span on, each of which makes a span of its name.
async fn hand_on() {
    tokio::spawn(async { tracing::info_span!("spawned").in_scope(|| ()) }.in_current_span())
        .await
        .unwrap();
    let instrumented = async {
        tokio::task::yield_now().await;
        tracing::info_span!("instrumented").in_scope(|| ());
    };
    tokio::spawn(instrumented.instrument(Span::current()))
        .await
        .unwrap();
    let span = Span::current();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let blocking = tokio::task::spawn_blocking(move || {
        let _here = tracing::dispatcher::set_default(&dispatch);
        span.in_scope(|| tracing::info_span!("blocking").in_scope(|| ()));
    });
    blocking.await.unwrap();
    let child = tracing::info_span!(parent: &Span::current(), "child");
    let context = Span::current().context();
    let detached = async move {
        child.in_scope(|| ());
        let span = tracing::info_span!("detached");
        span.set_parent(context).unwrap();
        span.in_scope(|| ());
    };
    tokio::spawn(detached.with_context(Context::new()))
        .await
        .unwrap();
}

const HANDED_ON: [&str; 5] = ["blocking", "child", "detached", "instrumented", "spawned"];

/// A request whose only span is one of the API, as that of an instrumentation layer is.
async fn request(telemetry: &Telemetry, parent: &Context) -> SpanContext {
    let tracer = telemetry.tracer("Ping");
    let server = Context::new().with_span(tracer.start_with_context("server", parent));
    let context = server.span().span_context().clone();
    let whole = tracing::Dispatch::new(telemetry.subscriber());
    let _here = tracing::dispatcher::set_default(&whole);
    hand_on().with_context(server).await;
    context
}

#[tokio::test]
async fn work_that_tracing_hands_on_belongs_to_the_request() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    let server = request(&telemetry, &Context::new()).await;
    end(telemetry).await;
    let spans = by_name(&receiver);
    let names: Vec<_> = spans.keys().map(String::as_str).collect();
    let mut expected = HANDED_ON.to_vec();
    expected.push("server");
    expected.sort_unstable();
    // No stand-in is among them.
    assert_eq!(names, expected);
    for name in HANDED_ON {
        assert_eq!(spans[name].trace_id, server.trace_id().to_bytes(), "{name}");
        assert_eq!(
            spans[name].parent_span_id,
            server.span_id().to_bytes(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn work_that_an_unsampled_request_hands_on_is_unsampled_too() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    let caller = SpanContext::new(
        1.into(),
        1.into(),
        opentelemetry::TraceFlags::default(),
        true,
        Default::default(),
    );
    request(&telemetry, &Context::new().with_remote_span_context(caller)).await;
    end(telemetry).await;
    assert_eq!(by_name(&receiver).keys().collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn there_is_no_current_span_where_opentelemetry_has_none_and_tracings_own_wins() {
    let telemetry = telemetry::build(SERVICE, &settings(&[("OTEL_TRACES_EXPORTER", "none")]));
    let telemetry = telemetry.unwrap();
    let tracer = telemetry.tracer("Ping");
    tracing::subscriber::with_default(telemetry.subscriber(), || {
        assert!(Span::current().is_none());
        let server = Context::new().with_span(tracer.start("server"));
        let _attached = server.clone().attach();
        let ids = |context: &Context| context.span().span_context().span_id();
        assert_eq!(ids(&Span::current().context()), ids(&server));
        let own = tracing::info_span!("own");
        own.in_scope(|| {
            assert_eq!(Span::current().id(), own.id());
            assert_ne!(ids(&Span::current().context()), ids(&server));
        });
        assert_eq!(ids(&Span::current().context()), ids(&server));
    });
    end(telemetry).await;
}

/// A layer that a service brings along. It notes what it sees.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl<S> Layer<S> for Notes
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let name = attributes.metadata().name();
        self.0.lock().unwrap().push(format!("span {name}"));
    }

    fn on_event(
        &self,
        event: &tracing::Event<'_>,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let span = context.lookup_current().map_or("none", |span| span.name());
        let level = event.metadata().level();
        self.0.lock().unwrap().push(format!("{level} in {span}"));
    }
}

#[tokio::test]
async fn a_layer_of_ones_own_sees_spans_and_events_and_filters_for_itself() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[("RUST_LOG", "info")]);
    let (all, warnings) = (Notes::default(), Notes::default());
    let subscriber = telemetry
        .subscriber()
        .with(all.clone())
        .with(warnings.clone().with_filter(LevelFilter::WARN));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("order").in_scope(|| {
            tracing::info!("line");
            tracing::warn!("line");
            tracing::debug!("not let through");
        });
        // The layer's own view of a span of the API.
        let tracer = telemetry.tracer("Ping");
        let _server = Context::new().with_span(tracer.start("server")).attach();
        tracing::info!("line");
    });
    end(telemetry).await;
    assert_eq!(
        *all.0.lock().unwrap(),
        [
            "span order",
            "INFO in order",
            "WARN in order",
            "INFO in current OpenTelemetry context",
        ]
    );
    assert_eq!(*warnings.0.lock().unwrap(), ["WARN in none"]);
    let spans = by_name(&receiver);
    assert!(spans["order"].events.is_empty(), "{spans:#?}");
}

#[tokio::test]
async fn level_of_exported_spans_is_a_setting_that_leaves_spans_of_the_api_alone() {
    let levels: [(LevelFilter, &[&str]); 4] = [
        (LevelFilter::INFO, &["api", "info"]),
        (LevelFilter::DEBUG, &["api", "debug", "info"]),
        (LevelFilter::WARN, &["api"]),
        (LevelFilter::OFF, &["api"]),
    ];
    for (level, expected) in levels {
        let receiver = Receiver::start();
        let address = receiver.address.to_string();
        let variables = [("JAEGER_ADDRESS", &*address), ("RUST_LOG", "off")];
        let settings = settings(&variables).with_span_level(level);
        let telemetry = telemetry::build(SERVICE, &settings).unwrap();
        tracing::subscriber::with_default(telemetry.subscriber(), || {
            tracing::info_span!("info").in_scope(|| ());
            tracing::debug_span!("debug").in_scope(|| ());
            // What sends the spans would make more of them.
            tracing::debug_span!(target: "h2::proto", "transport").in_scope(|| ());
            drop(telemetry.tracer("Ping").start("api"));
        });
        end(telemetry).await;
        assert_eq!(by_name(&receiver).keys().collect::<Vec<_>>(), expected);
    }
}

/// A value that logs when it is looked at.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!("looked at");
        f.write_str("chatty")
    }
}

#[tokio::test]
async fn a_field_whose_value_logs_while_it_is_recorded_holds_nobody_up() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    let (done, is_done) = std::sync::mpsc::channel();
    let subscriber = telemetry.subscriber();
    std::thread::spawn(move || {
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("span", first = ?Chatty, second = tracing::field::Empty);
            let _entered = span.enter();
            span.record("second", tracing::field::debug(Chatty));
            tracing::info!("line");
        });
        done.send(()).unwrap();
    });
    is_done.recv_timeout(crate::help::PATIENCE).unwrap();
    end(telemetry).await;
}

/// A layer that counts the spans that are still there after they have closed.
#[derive(Clone, Default)]
struct Leaks(Arc<Mutex<(Vec<tracing::span::Id>, usize)>>);

impl<S> Layer<S> for Leaks
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    fn on_close(&self, id: tracing::span::Id, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.lock().unwrap().0.push(id);
    }

    fn on_event(&self, _: &tracing::Event<'_>, context: tracing_subscriber::layer::Context<'_, S>) {
        let mut leaks = self.0.lock().unwrap();
        let closed = std::mem::take(&mut leaks.0);
        assert!(!closed.is_empty());
        leaks.1 += closed
            .iter()
            .filter(|id| context.span(id).is_some())
            .count();
    }
}

#[tokio::test]
async fn a_span_that_has_closed_is_gone_and_so_is_a_stand_in() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    let leaks = Leaks::default();
    tracing::subscriber::with_default(telemetry.subscriber().with(leaks.clone()), || {
        tracing::info_span!("own").in_scope(|| ());
        tracing::info!("look");
        let tracer = telemetry.tracer("Ping");
        let _server = Context::new().with_span(tracer.start("server")).attach();
        drop(Span::current());
        tracing::info!("look");
    });
    end(telemetry).await;
    assert_eq!(leaks.0.lock().unwrap().1, 0);
}
