//! Spans: who sends them, which are sent, how much of them, and how they wait.

use std::collections::BTreeMap;

use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer as _,
};
use opentelemetry::{Array, Context, KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use telemetry::{Losses, Telemetry};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::help::{
    PATIENCE, SERVICE, Variables, end, eventually, sample, sending, settings, span, span_with,
    telemetry,
};
use crate::receiver::{Answer, Receiver, SOON, attributes};

/// The resource that arrives with these settings.
async fn resource(variables: Variables<'_>) -> BTreeMap<String, String> {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, variables);
    span(&telemetry, "span");
    end(telemetry).await;
    let resource = &receiver.first().traces().resource_spans[0];
    assert_eq!(
        resource.schema_url,
        "https://opentelemetry.io/schemas/1.44.0"
    );
    attributes(&resource.resource.as_ref().unwrap().attributes)
}

#[tokio::test]
async fn resource_has_exactly_these_attributes() {
    let mut resource = resource(&[]).await;
    let instance = resource.remove("service.instance.id").unwrap();
    assert_eq!(
        (instance.len(), instance.matches('-').count()),
        (36, 4),
        "{instance}"
    );
    let host = resource.remove("host.name").unwrap();
    assert!(!host.is_empty());
    let created = resource.remove("process.creation.time").unwrap();
    let created = humantime::parse_rfc3339(&created).unwrap();
    let age = created.elapsed().unwrap();
    assert!(age < std::time::Duration::from_secs(3600), "{age:?}");
    let version = resource.remove("telemetry.sdk.version").unwrap();
    assert!(version.starts_with("0."), "{version}");
    let process = std::process::id().to_string();
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let expected = [
        ("os.type", os),
        ("process.pid", &process),
        ("service.name", "Ping"),
        ("service.namespace", "ping-pong"),
        ("service.version", "1.2.3"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
    ];
    let expected: BTreeMap<_, _> = expected
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    assert_eq!(resource, expected);
}

#[tokio::test]
async fn namespace_is_there_where_the_code_or_the_environment_names_one() {
    for (namespace, listed, expected) in [
        (None, "", None),
        (Some("shop"), "", Some("shop")),
        (Some("shop"), "service.namespace=other", Some("other")),
    ] {
        let receiver = Receiver::start();
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_RESOURCE_ATTRIBUTES", listed),
        ]);
        let mut service = SERVICE;
        service.namespace = namespace;
        let telemetry = telemetry::build(service, &settings).unwrap();
        span(&telemetry, "span");
        end(telemetry).await;
        let resource = &receiver.first().traces().resource_spans[0].resource;
        let attributes = attributes(&resource.as_ref().unwrap().attributes);
        let found = attributes.get("service.namespace").map(String::as_str);
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn environment_beats_the_code_and_service_name_beats_resource_attributes() {
    let attributes = (
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=listed,service.version=9,team=blue%2C%20red,note=%C3%A4",
    );
    let listed = resource(&[attributes]).await;
    assert_eq!(listed["service.name"], "listed");
    assert_eq!(listed["service.version"], "9");
    assert_eq!(listed["team"], "blue, red");
    assert_eq!(listed["note"], "ä");
    let named = resource(&[attributes, ("OTEL_SERVICE_NAME", "named")]).await;
    assert_eq!(named["service.name"], "named");
    assert_eq!(named["service.version"], "9");
}

#[tokio::test]
async fn malformed_resource_attributes_are_ignored_whole() {
    for malformed in [
        "team=blue,note=%zz",
        "team=blue,note",
        "team=blue,=note",
        "team=blue,note=%ff",
        "team=blue,note=%f",
    ] {
        let resource = resource(&[("OTEL_RESOURCE_ATTRIBUTES", malformed)]).await;
        assert!(!resource.contains_key("team"), "{malformed}: {resource:#?}");
    }
}

#[tokio::test]
async fn manual_span_carries_only_what_the_code_states() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    {
        let _here = tracing::subscriber::set_default(telemetry.subscriber());
        let span = tracing::info_span!("ping-request", environment = "staging");
        let _entered = span.enter();
        span.add_event("Start request processing", vec![]);
        tracing::warn!("a log line is no event of the span");
        tracing::debug_span!("a library's inside is no span of the trace").in_scope(|| ());
    }
    end(telemetry).await;
    let request = receiver.first().traces();
    let scope = &request.resource_spans[0].scope_spans[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "Ping");
    assert_eq!(scope.schema_url, "https://opentelemetry.io/schemas/1.44.0");
    let [span] = &receiver.spans()[..] else {
        panic!("one span: {:#?}", receiver.spans())
    };
    assert_eq!(
        (span.name.as_str(), span.kind),
        ("ping-request", proto::span::SpanKind::Internal as i32)
    );
    assert_eq!(
        attributes(&span.attributes),
        BTreeMap::from([("environment".to_owned(), "staging".to_owned())])
    );
    let events: Vec<_> = span
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(events, ["Start request processing"]);
    assert!(span.events[0].attributes.is_empty());
}

#[tokio::test]
async fn rust_log_has_no_say_over_spans() {
    // A second subscriber that wants nothing makes `tracing` ask anew for every span, not only once for its callsite.
    let _uninterested = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    for filter in ["off", "error", "warn,telemetry=off", "trace"] {
        let receiver = Receiver::start();
        let telemetry = sending(receiver.address, &[("RUST_LOG", filter)]);
        {
            let _here = tracing::subscriber::set_default(telemetry.subscriber());
            tracing::info_span!("manual").in_scope(|| ());
            tracing::debug_span!("inside").in_scope(|| ());
        }
        end(telemetry).await;
        let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["manual"], "{filter}");
    }
}

fn parent(sampled: bool) -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(0x5b8a_a5a2_d2c8_72e8_321c_f373_08d6_9df2),
        SpanId::from(0x051581bf3cb55c13),
        if sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        },
        true,
        TraceState::default(),
    ))
}

/// Whether a root span, the child of a sampled and of an unsampled caller are sampled.
fn sampled(variables: Variables<'_>) -> (bool, bool, bool) {
    let mut variables = variables.to_vec();
    variables.push(("OTEL_TRACES_EXPORTER", "none"));
    let telemetry = telemetry(&variables);
    let tracer = telemetry.tracer("Ping");
    let is_sampled = |context: &Context| {
        tracer
            .start_with_context("span", context)
            .span_context()
            .is_sampled()
    };
    (
        is_sampled(&Context::new()),
        is_sampled(&parent(true)),
        is_sampled(&parent(false)),
    )
}

#[test]
fn the_six_samplers_decide_as_specified() {
    for (sampler, argument, expected) in [
        ("", "", (true, true, false)),
        ("always_on", "", (true, true, true)),
        ("always_off", "", (false, false, false)),
        ("traceidratio", "0", (false, false, false)),
        ("traceidratio", "1", (true, true, true)),
        ("traceidratio", "", (true, true, true)),
        ("parentbased_always_on", "", (true, true, false)),
        ("PARENTBASED_Always_Off", "", (false, true, false)),
        ("parentbased_traceidratio", "0", (false, true, false)),
        ("parentbased_traceidratio", "1.0", (true, true, false)),
        // Not understood: as if unset.
        ("perhaps", "0", (true, true, false)),
        ("parentbased_traceidratio", "2", (true, true, false)),
        ("traceidratio", "-0.1", (true, true, true)),
        ("traceidratio", "NaN", (true, true, true)),
    ] {
        let seen = sampled(&[
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        assert_eq!(seen, expected, "{sampler} {argument}");
    }
}

#[test]
fn ratio_samples_about_that_share_of_traces() {
    let telemetry = telemetry(&[
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ]);
    let tracer = telemetry.tracer("Ping");
    let sampled = (0..4_000)
        .filter(|_| tracer.start("span").span_context().is_sampled())
        .count();
    // 1,000 expected; the standard deviation is 27.
    assert!((800..1_200).contains(&sampled), "{sampled}");
}

#[tokio::test]
async fn unsampled_spans_are_not_sent() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    telemetry
        .tracer("Ping")
        .start_with_context("unsampled", &parent(false))
        .end();
    telemetry
        .tracer("Ping")
        .start_with_context("sampled", &parent(true))
        .end();
    end(telemetry).await;
    let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["sampled"]);
}

#[tokio::test]
async fn tracing_span_below_an_unsampled_one_carries_that_one_on() {
    // Within a span of this process, whose caller has sampled or not.
    let local = |telemetry: &Telemetry, sampled| {
        let span = telemetry.tracer("Ping");
        Context::new().with_span(span.start_with_context("server", &parent(sampled)))
    };
    let has_ids_of_its_own = |telemetry: &Telemetry, current: Context| {
        let _here = tracing::subscriber::set_default(telemetry.subscriber());
        let around = current.span().span_context().span_id();
        let _current = current.attach();
        let own = tracing::info_span!("manual").context();
        own.span().span_context().span_id() != around
    };
    let sampling = telemetry(&[("OTEL_TRACES_EXPORTER", "none")]);
    assert!(has_ids_of_its_own(&sampling, Context::new()));
    assert!(has_ids_of_its_own(&sampling, local(&sampling, true)));
    assert!(!has_ids_of_its_own(&sampling, local(&sampling, false)));
    // Nobody has decided for this process yet: `OTEL_TRACES_SAMPLER` may not follow its caller.
    assert!(has_ids_of_its_own(&sampling, parent(false)));

    let off = telemetry(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    assert!(!has_ids_of_its_own(&off, local(&off, true)));
    let disabled = telemetry(&[("OTEL_SDK_DISABLED", "true")]);
    assert!(!has_ids_of_its_own(&disabled, parent(true)));
    for telemetry in [sampling, off, disabled] {
        end(telemetry).await;
    }
}

#[tokio::test]
async fn exporter_none_sends_nothing_and_still_samples() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[("OTEL_TRACES_EXPORTER", "none")]);
    assert!(
        telemetry
            .tracer("Ping")
            .start("span")
            .span_context()
            .is_sampled()
    );
    assert!(
        telemetry.summary().contains("traces: none,"),
        "{}",
        telemetry.summary()
    );
    end(telemetry).await;
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn unknown_exporters_are_left_out_and_the_default_takes_over_if_none_is_left() {
    for list in ["carrier-pigeon", "zipkin", "otlp,carrier-pigeon"] {
        let receiver = Receiver::start();
        let telemetry = sending(receiver.address, &[("OTEL_TRACES_EXPORTER", list)]);
        assert_eq!(telemetry.warnings().len(), 1, "{list}");
        span(&telemetry, "span");
        end(telemetry).await;
        assert_eq!(receiver.spans().len(), 1, "{list}");
    }
}

/// The span that arrives when one with too much of everything is sent.
async fn limited(variables: Variables<'_>) -> proto::Span {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, variables);
    let many = |count: u32| -> Vec<KeyValue> {
        (0..count)
            .map(|number| KeyValue::new(format!("key{number}"), "äöüß"))
            .collect()
    };
    let tracer = telemetry.tracer("Ping");
    let context = parent(true).span().span_context().clone();
    let links = (0..200)
        .map(|_| Link::new(context.clone(), many(200), 0))
        .collect();
    let mut span = tracer
        .span_builder("span")
        .with_links(links)
        .with_attributes(many(200))
        .start(&tracer);
    for _ in 0..200 {
        span.add_event("event", many(200));
    }
    span.end();
    end(telemetry).await;
    receiver.spans().remove(0)
}

#[tokio::test]
async fn spans_are_limited_to_128_of_everything_and_to_what_is_set() {
    // (attributes, events, links, attributes of an event, of a link)
    for (variables, expected) in [
        (&[][..], (128, 128, 128, 128, 128)),
        (&[("OTEL_ATTRIBUTE_COUNT_LIMIT", "5")], (5, 128, 128, 5, 5)),
        (
            &[("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4")],
            (4, 128, 128, 128, 128),
        ),
        (
            &[("OTEL_SPAN_EVENT_COUNT_LIMIT", "3")],
            (128, 3, 128, 128, 128),
        ),
        (
            &[("OTEL_SPAN_LINK_COUNT_LIMIT", "2")],
            (128, 128, 2, 128, 128),
        ),
        (
            &[("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1")],
            (128, 128, 128, 1, 128),
        ),
        (
            &[("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0")],
            (128, 128, 128, 128, 0),
        ),
        (
            &[("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1")],
            (128, 128, 128, 128, 128),
        ),
    ] {
        let span = limited(variables).await;
        let seen = (
            span.attributes.len(),
            span.events.len(),
            span.links.len(),
            span.events[0].attributes.len(),
            span.links[0].attributes.len(),
        );
        assert_eq!(seen, expected, "{variables:?}");
        assert_eq!(span.dropped_attributes_count as usize, 200 - expected.0);
    }
}

#[tokio::test]
async fn values_are_cut_after_so_many_characters_and_never_inside_one() {
    for (variables, expected) in [
        (&[][..], "äöüß"),
        (&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")], "äöü"),
        (&[("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0")], ""),
        (
            &[
                ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
                ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2"),
            ],
            "äö",
        ),
        (&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "three")], "äöüß"),
        (&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")], "äöüß"),
    ] {
        let span = limited(variables).await;
        let lists = [
            &span.attributes,
            &span.events[0].attributes,
            &span.links[0].attributes,
        ];
        for list in lists {
            assert!(
                attributes(list).values().all(|value| value == expected),
                "{variables:?}"
            );
        }
    }
}

#[tokio::test]
async fn lists_of_strings_are_cut_item_by_item_and_numbers_not_at_all() {
    let receiver = Receiver::start();
    let telemetry = sending(
        receiver.address,
        &[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2")],
    );
    span_with(
        &telemetry,
        vec![
            KeyValue::new(
                "list",
                Value::Array(Array::String(vec!["abc".into(), "d".into()])),
            ),
            KeyValue::new("number", 12345),
        ],
    );
    end(telemetry).await;
    let seen = attributes(&receiver.spans()[0].attributes);
    assert_eq!(
        (seen["list"].as_str(), seen["number"].as_str()),
        ("[ab, d]", "12345")
    );
}

#[tokio::test]
async fn batch_size_bounds_an_export() {
    let receiver = Receiver::start();
    let telemetry = sending(
        receiver.address,
        &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")],
    );
    for _ in 0..95 {
        span(&telemetry, "span");
    }
    end(telemetry).await;
    let sizes = receiver.batch_sizes();
    assert_eq!(sizes.iter().sum::<usize>(), 95);
    assert!(sizes.iter().all(|size| *size <= 10), "{sizes:?}");
}

#[tokio::test]
async fn schedule_delay_is_how_long_a_span_waits_for_company() {
    let receiver = Receiver::start();
    let address = receiver.address.to_string();
    let telemetry = telemetry(&[
        ("JAEGER_ADDRESS", &address),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ]);
    span(&telemetry, "first");
    span(&telemetry, "second");
    assert_eq!(receiver.requests().len(), 0);
    end(telemetry).await;
    assert_eq!(receiver.requests().len(), 1, "both in one export");
    assert_eq!(receiver.spans().len(), 2);
}

#[tokio::test]
async fn full_queue_drops_spans_and_counts_them() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = sending(
        receiver.address,
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "60000"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ],
    );
    span(&telemetry, "the one that keeps the exporter busy");
    receiver.first();
    for _ in 0..25 {
        span(&telemetry, "span");
    }
    let processed = |labels: &[&str]| {
        sample(
            &telemetry,
            "otel_sdk_processor_span_processed_total",
            labels,
        )
    };
    assert_eq!(processed(&["error_type=\"queue_full\""]), Some(15.0));
    assert_eq!(
        sample(&telemetry, "otel_sdk_processor_span_queue_size", &[]),
        Some(10.0)
    );
    assert_eq!(
        sample(&telemetry, "otel_sdk_processor_span_queue_capacity", &[]),
        Some(10.0)
    );
    assert_eq!(
        sample(&telemetry, "otel_sdk_exporter_span_inflight", &[]),
        Some(1.0)
    );
    let lost = telemetry
        .shutdown(std::time::Duration::from_millis(500))
        .await;
    assert_eq!(
        lost.sentences(),
        [
            "15 spans dropped, because the queue of 10 was full",
            "10 spans not flushed in time",
            "1 span not confirmed (may have arrived)",
        ]
    );
}

#[tokio::test]
async fn batch_larger_than_the_queue_is_warned_of_and_made_as_large() {
    let receiver = Receiver::start();
    let telemetry = sending(
        receiver.address,
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "11"),
        ],
    );
    assert_eq!(
        telemetry.warnings(),
        [
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is \"11\"; wanted: at most OTEL_BSP_MAX_QUEUE_SIZE, which is 10; used \
             instead: 10"
        ]
    );
    for _ in 0..10 {
        span(&telemetry, "span");
    }
    end(telemetry).await;
    assert_eq!(receiver.spans().len(), 10);
}

#[test]
fn small_queue_alone_is_no_mistake() {
    assert!(
        settings(&[("OTEL_BSP_MAX_QUEUE_SIZE", "10")])
            .warnings()
            .is_empty()
    );
}

/// What ends up in the headers of a request that is made while serving one with these.
fn forwarded(telemetry: &Telemetry, headers: &[(&str, &str)]) -> BTreeMap<String, String> {
    let incoming: std::collections::HashMap<_, _> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let propagator = telemetry.propagator();
    let context = propagator.extract(&incoming);
    let span = telemetry
        .tracer("Ping")
        .start_with_context("span", &context);
    let mut outgoing = std::collections::HashMap::new();
    propagator.inject_context(&context.with_span(span), &mut outgoing);
    outgoing.into_iter().collect()
}

const INCOMING: [(&str, &str); 2] = [
    (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    ("baggage", "tenant=blue"),
];

#[test]
fn propagators_are_what_is_listed() {
    for (list, expected) in [
        ("", &["baggage", "traceparent"][..]),
        ("tracecontext", &["traceparent"]),
        ("Baggage", &["baggage"]),
        (
            "tracecontext,baggage,tracecontext",
            &["baggage", "traceparent"],
        ),
        ("none", &[]),
        // Not understood: left out, and the default if nothing is left.
        ("b3,tracecontext", &["traceparent"]),
        ("b3", &["baggage", "traceparent"]),
    ] {
        let telemetry = telemetry(&[("OTEL_PROPAGATORS", list), ("OTEL_TRACES_EXPORTER", "none")]);
        let headers: Vec<_> = forwarded(&telemetry, &INCOMING).into_keys().collect();
        assert_eq!(headers, expected, "{list}");
    }
}

#[tokio::test]
async fn disabled_sdk_sends_nothing_and_hands_the_callers_context_on_unchanged() {
    let receiver = Receiver::start();
    let telemetry = sending(
        receiver.address,
        &[
            ("OTEL_SDK_DISABLED", "True"),
            ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
        ],
    );
    assert!(telemetry.exposition().is_none());
    assert!(telemetry.exemplars().is_none());
    {
        let _here = tracing::subscriber::set_default(telemetry.subscriber());
        tracing::info_span!("manual").in_scope(|| tracing::warn!("a line"));
    }
    telemetry
        .meter("meter")
        .u64_counter("counter")
        .build()
        .add(1, &[]);
    let expected: BTreeMap<_, _> = INCOMING
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(forwarded(&telemetry, &INCOMING), expected);
    assert!(forwarded(&telemetry, &[]).is_empty());
    end(telemetry).await;
    assert_eq!(receiver.requests().len(), 0);
}

#[test]
fn disabled_is_only_what_says_true() {
    for value in ["false", "FALSE", "1", "yes", ""] {
        let telemetry = telemetry(&[
            ("OTEL_SDK_DISABLED", value),
            ("OTEL_TRACES_EXPORTER", "none"),
        ]);
        assert!(telemetry.exposition().is_some(), "{value}");
    }
}

#[tokio::test]
async fn several_live_side_by_side() {
    let receivers = [Receiver::start(), Receiver::start()];
    let both = receivers
        .each_ref()
        .map(|receiver| sending(receiver.address, &[]));
    for (telemetry, name) in both.iter().zip(["left", "right"]) {
        span(telemetry, name);
        telemetry.meter("m").u64_counter(name).build().add(1, &[]);
    }
    assert_eq!(sample(&both[0], "left_total", &[]), Some(1.0));
    assert_eq!(sample(&both[0], "right_total", &[]), None);
    for telemetry in both {
        end(telemetry).await;
    }
    for (receiver, name) in receivers.iter().zip(["left", "right"]) {
        let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names, [name]);
    }
}

#[tokio::test]
async fn spans_are_sent_while_the_service_runs_not_only_at_its_end() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    span(&telemetry, "span");
    eventually("the span", || (!receiver.spans().is_empty()).then_some(()));
    assert_eq!(SERVICE.name, "Ping");
    assert_eq!(
        telemetry.shutdown(PATIENCE.min(SOON)).await,
        Losses::default()
    );
}

#[tokio::test]
async fn text_that_a_client_puts_into_spans_is_bounded_however_few_spans_there_are() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let limits = [
        ("OTEL_BSP_EXPORT_TIMEOUT", "60000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
    ];
    let telemetry = sending(receiver.address, &limits);
    span(&telemetry, "the one that keeps the exporter busy");
    receiver.first();
    let state = TraceState::from_key_value([("a", "x".repeat(200))]).unwrap();
    let caller = SpanContext::new(
        TraceId::from(1),
        SpanId::from(1),
        TraceFlags::SAMPLED,
        true,
        state,
    );
    let caller = Context::new().with_remote_span_context(caller);
    for _ in 0..2000 {
        let mut span = telemetry.tracer("Ping").start_with_context("span", &caller);
        span.set_attribute(KeyValue::new("url.path", "x".repeat(15_900)));
    }
    // 16 MiB, of which each takes 15,900 bytes and the 202 of the state. The buffers are a little longer than what is in
    // them.
    let kept = sample(&telemetry, "otel_sdk_processor_span_queue_size", &[]).unwrap();
    let share = kept * 16_102.0 / f64::from(16 << 20);
    assert!((0.95..1.0).contains(&share), "{kept} spans are kept");
    let dropped = sample(
        &telemetry,
        "otel_sdk_processor_span_processed_total",
        &["error_type=\"queue_full\""],
    );
    assert_eq!(dropped, Some(2000.0 - kept));
    let _ = telemetry
        .shutdown(std::time::Duration::from_millis(500))
        .await;
}

#[tokio::test]
async fn text_has_room_again_once_it_is_exported() {
    let receiver = Receiver::start();
    let telemetry = sending(
        receiver.address,
        &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100")],
    );
    for sent in 1..=20 {
        for _ in 0..50 {
            span_with(
                &telemetry,
                vec![KeyValue::new("url.path", "x".repeat(15_900))],
            );
        }
        eventually("exported", || {
            let exported = sample(&telemetry, "otel_sdk_exporter_span_exported_total", &[])?;
            (exported >= f64::from(sent * 50)).then_some(())
        });
    }
    end(telemetry).await;
    assert_eq!(receiver.spans().len(), 1000);
}

#[tokio::test]
async fn span_ends_no_earlier_than_it_starts_when_the_clock_is_set_back() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    let an_hour = std::time::Duration::from_secs(3600);
    let before = std::time::SystemTime::now() + an_hour;
    let tracer = telemetry.tracer("Ping");
    tracer
        .build(tracer.span_builder("span").with_start_time(before))
        .end();
    end(telemetry).await;
    let span = &receiver.spans()[0];
    assert_eq!(span.end_time_unix_nano, span.start_time_unix_nano);
}
