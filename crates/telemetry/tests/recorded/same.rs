//! What a test sees is what production sends: all settings hold but the exporters.

use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use telemetry::testing::{Recorded, record};
use telemetry::{Losses, Settings, Telemetry};

use crate::{names, orders};

/// Recorded with these variables. They are passed by a look-up: the environment belongs to all tests.
fn with(variables: &[(&str, &str)]) -> (Telemetry, Recorded) {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).into())
    };
    record(orders::SERVICE, &Settings::from_env(&lookup).unwrap()).unwrap()
}

fn log(telemetry: &Telemetry, log: impl FnOnce()) {
    tracing::subscriber::with_default(telemetry.subscriber(), log);
}

#[test]
fn sampler_holds() {
    let (telemetry, recorded) = with(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    telemetry.tracer("Orders").start("span").end();
    log(&telemetry, || {
        tracing::info_span!("span").in_scope(|| tracing::info!("line"));
    });
    assert_eq!(names(&recorded.spans()), [""; 0]);
    assert_eq!(recorded.log_records().len(), 1);
}

#[test]
fn limits_hold() {
    let (telemetry, recorded) = with(&[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
    ]);
    let mut span = telemetry.tracer("Orders").start("span");
    for key in ["one", "two", "three"] {
        span.set_attribute(KeyValue::new(key, 1));
        span.add_event(key, Vec::new());
    }
    span.end();
    let [
        SpanData {
            attributes, events, ..
        },
    ] = &recorded.spans()[..]
    else {
        panic!()
    };
    assert_eq!((attributes.len(), events.len()), (1, 2));
}

#[test]
fn resource_is_the_services_and_the_environment_beats_the_code() {
    let (_telemetry, recorded) = with(&[("OTEL_RESOURCE_ATTRIBUTES", "service.version=9")]);
    let metrics = recorded.metrics();
    let of = |key: &'static str| metrics.resource().get(&key.into());
    assert_eq!(of("service.name"), Some(Value::from("Orders")));
    assert_eq!(of("service.version"), Some(Value::from("9")));
    assert_eq!(of("service.namespace"), Some(Value::from("shop")));
}

#[test]
fn log_filter_and_level_of_spans_hold() {
    let (telemetry, recorded) = with(&[("RUST_LOG", "warn")]);
    log(&telemetry, || {
        tracing::debug_span!("too detailed").in_scope(|| tracing::info!("too quiet"));
        tracing::info_span!("span").in_scope(|| tracing::warn!("loud"));
    });
    assert_eq!(names(&recorded.spans()), ["span"]);
    assert_eq!(recorded.log_records().len(), 1);
}

#[test]
fn propagators_hold() {
    for (propagators, expected) in [("tracecontext", true), ("none", false)] {
        let (telemetry, _recorded) = with(&[("OTEL_PROPAGATORS", propagators)]);
        let context = Context::new().with_span(telemetry.tracer("Orders").start("span"));
        let mut headers = std::collections::HashMap::new();
        telemetry
            .propagator()
            .inject_context(&context, &mut headers);
        assert_eq!(headers.contains_key("traceparent"), expected);
    }
}

#[test]
fn disabled_telemetry_records_nothing() {
    let (telemetry, recorded) = with(&[("OTEL_SDK_DISABLED", "true")]);
    telemetry
        .meter("Orders")
        .u64_counter("orders")
        .build()
        .add(1, &[]);
    let span = telemetry.tracer("Orders").start("span");
    assert_eq!(span.span_context(), &SpanContext::NONE);
    drop(span);
    log(&telemetry, || tracing::info!("line"));
    assert_eq!(names(&recorded.spans()), [""; 0]);
    assert_eq!(recorded.log_records(), []);
    assert_eq!(recorded.metrics().scope_metrics().count(), 0);
}

/// Otherwise a test that ends what it tests in the proper way would find nothing.
#[tokio::test]
async fn shutdown_loses_nothing_of_what_is_recorded() {
    let (telemetry, recorded) = with(&[]);
    telemetry.tracer("Orders").start("span").end();
    telemetry
        .meter("Orders")
        .u64_counter("orders")
        .build()
        .add(1, &[]);
    log(&telemetry, || tracing::info!("line"));
    let limit = std::time::Duration::from_secs(30);
    assert_eq!(telemetry.shutdown(limit).await, Losses::default());
    assert_eq!(names(&recorded.spans()), ["span"]);
    assert_eq!(recorded.log_records().len(), 1);
    assert_eq!(recorded.points("orders").len(), 1);
}

#[test]
fn telemetry_that_is_dropped_without_shutdown_does_not_complain() {
    let (telemetry, recorded) = with(&[]);
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    drop(telemetry);
    assert_eq!(recorded.log_records(), []);
}

#[test]
fn exporters_of_the_settings_are_left_out_but_prometheus() {
    let (telemetry, _recorded) = with(&[
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_METRICS_EXPORTER", "otlp,console,prometheus"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
    ]);
    assert_eq!(
        telemetry.summary(),
        "Orders 1.0.0; traces: none, sampler parentbased_always_on; metrics: prometheus; logs: stdout; \
         propagators: tracecontext and baggage; log filter: info"
    );
    assert_eq!(telemetry.warnings(), [""; 0]);
    assert!(telemetry.exposition().is_some());
}
