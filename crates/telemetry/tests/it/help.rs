//! What the tests share.

use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otlp::{Pipelines, SpanQueue};
use settings::{Batch, Otlp, SpanExporter, SpanProcessor};
use telemetry::{Losses, Service, Settings, Telemetry};
use tokio::sync::watch;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const SERVICE: Service = Service::new("Ping", "1.2.3").with_namespace("ping-pong");

pub(crate) type Variables<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn settings(variables: Variables<'_>) -> Settings {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).into())
    };
    Settings::from_env(&lookup).unwrap()
}

/// The one exporter of spans, and its batches.
pub(crate) fn span_exporter(settings: &Settings) -> (&Otlp, &Batch) {
    let [SpanProcessor::Batch { batch, exporter }] = &settings.tracer_provider.processors[..]
    else {
        panic!("one exporter");
    };
    let SpanExporter::Otlp(otlp) = exporter else {
        panic!("by OTLP");
    };
    (otlp, batch)
}

pub(crate) fn telemetry(variables: Variables<'_>) -> Telemetry {
    telemetry::build(SERVICE, &settings(variables)).unwrap()
}

/// Telemetry that goes to the receiver at `url` over that protocol.
pub(crate) fn over(protocol: &str, url: &str, variables: Variables<'_>) -> Telemetry {
    let mut all = variables.to_vec();
    all.push(("OTEL_EXPORTER_OTLP_ENDPOINT", url));
    all.push(("OTEL_EXPORTER_OTLP_PROTOCOL", protocol));
    telemetry(&all)
}

/// Pipelines that are not about to end, without a [`Telemetry`] around them.
pub(crate) fn pipelines() -> Pipelines {
    let (_, not_ending) = watch::channel(false);
    Pipelines::new(not_ending)
}

/// A provider with that queue alone.
pub(crate) fn provider(queue: Option<SpanQueue>) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_span_processor(queue.unwrap())
        .build()
}

/// Telemetry whose spans go to a receiver at `address`, by default quickly.
pub(crate) fn sending(address: std::net::SocketAddr, variables: Variables<'_>) -> Telemetry {
    let address = address.to_string();
    let mut all = variables.to_vec();
    all.push(("JAEGER_ADDRESS", &address));
    all.push(("OTEL_BSP_SCHEDULE_DELAY", "10"));
    telemetry(&all)
}

/// Ends one span with that name.
pub(crate) fn span(telemetry: &Telemetry, name: &'static str) {
    telemetry.tracer("Ping").start(name).end();
}

/// Ends one span with those attributes.
pub(crate) fn span_with(telemetry: &Telemetry, attributes: Vec<KeyValue>) {
    let mut span = telemetry.tracer("Ping").start("span");
    span.set_attributes(attributes);
    span.end();
}

/// Waits until `look` finds something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What `/metrics` answers, as lines.
pub(crate) fn scrape(telemetry: &Telemetry) -> Vec<String> {
    let exposition = telemetry.exposition().expect("there is an exposition");
    let text = String::from_utf8(exposition.encode(None).body).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The value of the one series that starts with `name` and has all `labels`.
pub(crate) fn sample(telemetry: &Telemetry, name: &str, labels: &[&str]) -> Option<f64> {
    let lines = scrape(telemetry);
    let matching: Vec<_> = lines
        .iter()
        .filter(|line| {
            let series = line.strip_prefix(name);
            series.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        })
        .collect();
    assert!(
        matching.len() <= 1,
        "{name} {labels:?} is ambiguous: {matching:#?}"
    );
    matching.first()?.rsplit(' ').next()?.parse().ok()
}

pub(crate) async fn end(telemetry: Telemetry) {
    assert_eq!(telemetry.shutdown(PATIENCE).await, Losses::default());
}
