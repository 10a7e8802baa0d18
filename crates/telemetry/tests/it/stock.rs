//! Our exporter beside the stock one: `opentelemetry-otlp` behind the SDK's batch processor.
//!
//! Both are processors of one provider, so they get the same spans with the same ids and times, and each sends to a
//! receiver of its own. The messages must be equal in every field, over HTTP and over gRPC, except for this:
//!
//! | may differ | because |
//! | --- | --- |
//! | how many spans a request has | it depends on the settings and on time; the requests are merged before they are compared |
//! | the order of the scopes in a request | the stock exporter groups spans in a `HashMap` |
//! | the end of a span that ends before it starts | ours is its start: `trace.proto` expects `end_time >= start_time` |
//!
//! The last tests show what does differ: what becomes of a batch that is not taken, and of a caller's flags.
//! `docs/tutorial.md` has the whole list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SamplingDecision, SamplingResult, SdkTracer,
    SdkTracerProvider, ShouldSample, SpanLimits,
};
use prost::Message;

use crate::help::{Variables, eventually, pipelines, settings, span_exporter};
use crate::receiver::{Answer, Receiver};

const HTTP: &str = "http/protobuf";
const GRPC: &str = "grpc";

/// Few enough for the stock queue of 2,048 spans, enough for several requests.
const ROUNDS: usize = 100;

/// The name of the one span that the two send differently.
const CLOCK_SET_BACK: &str = "the clock was set back";

fn stock_exporter(protocol: &str, receiver: &Receiver) -> SpanExporter {
    let exporter = SpanExporter::builder();
    let exporter = match protocol {
        GRPC => exporter.with_tonic().with_endpoint(receiver.url()).build(),
        _ => exporter
            .with_http()
            .with_endpoint(format!("{}/v1/traces", receiver.url()))
            .with_headers([("x-key".to_owned(), "secret".to_owned())].into())
            .build(),
    };
    exporter.unwrap()
}

fn our_queue(protocol: &str, receiver: &Receiver, more: Variables<'_>) -> otlp::SpanQueue {
    let url = receiver.url();
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret"),
    ];
    variables.extend(more);
    let settings = settings(&variables);
    let (otlp, batch) = span_exporter(&settings);
    pipelines().spans(otlp, batch, None).unwrap()
}

/// A provider whose spans go to both.
fn provider(protocol: &str, stock: &Receiver, ours: &Receiver) -> SdkTracerProvider {
    let limits = SpanLimits {
        max_attributes_per_span: 9,
        max_events_per_span: 2,
        max_links_per_span: 2,
        max_attributes_per_event: 1,
        max_attributes_per_link: 1,
    };
    let resource = Resource::builder_empty().with_schema_url(
        [
            KeyValue::new("service.name", "Ping"),
            KeyValue::new("process.pid", 7),
        ],
        "https://opentelemetry.io/schemas/1.44.0",
    );
    SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_span_limits(limits)
        .with_span_processor(BatchSpanProcessor::builder(stock_exporter(protocol, stock)).build())
        // Other batches than the stock processor's, which have 512 spans.
        .with_span_processor(our_queue(
            protocol,
            ours,
            &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "300")],
        ))
        .build()
}

/// Tracers whose scopes differ in one part each.
fn tracers(provider: &SdkTracerProvider) -> Vec<SdkTracer> {
    let scope = || InstrumentationScope::builder("orders");
    let scopes = [
        InstrumentationScope::default(),
        scope().build(),
        scope().with_version("1.2.3").build(),
        scope()
            .with_schema_url("https://opentelemetry.io/schemas/1.40.0")
            .build(),
        scope().with_attributes([KeyValue::new("tier", 1)]).build(),
    ];
    scopes.map(|scope| provider.tracer_with_scope(scope)).into()
}

/// A context of another process.
fn remote(flags: u8, state: &str) -> SpanContext {
    SpanContext::new(
        TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        SpanId::from(0x00f0_67aa_0ba9_02b7),
        TraceFlags::new(flags),
        true,
        state.parse::<TraceState>().unwrap(),
    )
}

fn values() -> Vec<KeyValue> {
    let texts = vec![StringValue::from("a"), "".into(), "ü🙂".to_owned().into()];
    vec![
        KeyValue::new("text", "x".repeat(200)),
        KeyValue::new("text.empty", ""),
        KeyValue::new("bool", false),
        KeyValue::new("int", i64::MIN),
        KeyValue::new("double", -0.0),
        KeyValue::new("bools", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("ints", Value::Array(Array::I64(vec![0, -1, i64::MAX]))),
        KeyValue::new(
            "doubles",
            Value::Array(Array::F64(vec![f64::INFINITY, 1e-300])),
        ),
        KeyValue::new("texts", Value::Array(Array::String(texts))),
        KeyValue::new("over.the.limit", true),
    ]
}

/// Spans of every kind and status, with all that a span can hold, and more.
fn record(tracer: &SdkTracer) {
    let two = || vec![KeyValue::new("kept", 1), KeyValue::new("dropped", 2)];
    let start = SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789);

    let links = [remote(1, "a=1,b=2"), remote(0, ""), remote(1, "")];
    let full = tracer
        .span_builder("full")
        .with_kind(SpanKind::Server)
        .with_start_time(start)
        .with_attributes(values())
        .with_links(links.map(|it| Link::new(it, two(), 3)).into());
    let caller = Context::new().with_remote_span_context(remote(3, "vendor=x@1"));
    let mut span = tracer.build_with_context(full, &caller);
    for name in ["first", "", "dropped"] {
        span.add_event_with_timestamp(name, start + Duration::from_micros(7), two());
    }
    span.set_status(Status::error("it broke"));
    let parent = Context::new().with_remote_span_context(span.span_context().clone());
    span.end_with_timestamp(start + Duration::from_secs(86_400));

    for (kind, status) in [
        (SpanKind::Client, Status::Ok),
        (SpanKind::Producer, Status::error("")),
        (SpanKind::Consumer, Status::Unset),
        (SpanKind::Internal, Status::Unset),
    ] {
        let builder = tracer.span_builder("").with_kind(kind);
        let mut span = tracer.build_with_context(builder, &parent);
        span.set_status(status);
        let local = Context::new().with_span(span);
        tracer.start_with_context("child", &local).end();
    }

    let builder = tracer.span_builder(CLOCK_SET_BACK).with_start_time(start);
    let mut span = tracer.build_with_context(builder, &Context::new());
    span.end_with_timestamp(start - Duration::from_secs(1));
}

/// All requests as one: for each resource and scope the spans in the order in which they ended.
fn merged(receiver: &Receiver) -> Vec<ResourceSpans> {
    let mut all: Vec<ResourceSpans> = Vec::new();
    for request in receiver.requests() {
        let message = request.traces();
        // Decoding passes over fields that it does not know.
        assert_eq!(message.encoded_len(), request.message.len());
        for mut batch in message.resource_spans {
            let scopes = std::mem::take(&mut batch.scope_spans);
            let known = all.iter().position(|it| {
                (&it.resource, &it.schema_url) == (&batch.resource, &batch.schema_url)
            });
            let known = known.unwrap_or_else(|| {
                all.push(batch);
                all.len() - 1
            });
            scopes
                .into_iter()
                .for_each(|scope| add(&mut all[known].scope_spans, scope));
        }
    }
    for batch in &mut all {
        batch
            .scope_spans
            .sort_by_key(|it| format!("{:?} {}", it.scope, it.schema_url));
    }
    all
}

fn add(scopes: &mut Vec<ScopeSpans>, more: ScopeSpans) {
    let known = scopes
        .iter_mut()
        .find(|it| (&it.scope, &it.schema_url) == (&more.scope, &more.schema_url));
    match known {
        Some(scope) => scope.spans.extend(more.spans),
        None => scopes.push(more),
    }
}

/// Panics unless each field of the message is set in some span: what is never set is not compared.
fn assert_all_fields_are_set(spans: &[Span]) {
    let mut set = [false; 16];
    for span in spans {
        // Without `..`, so that a new field does not compile until it is here.
        let Span {
            trace_id,
            span_id,
            trace_state,
            parent_span_id,
            flags,
            name,
            kind,
            start_time_unix_nano,
            end_time_unix_nano,
            attributes,
            dropped_attributes_count,
            events,
            dropped_events_count,
            links,
            dropped_links_count,
            status,
        } = span;
        let here = [
            !trace_id.is_empty(),
            !span_id.is_empty(),
            !trace_state.is_empty(),
            !parent_span_id.is_empty(),
            *flags != 0,
            !name.is_empty(),
            *kind != 0,
            *start_time_unix_nano != 0,
            *end_time_unix_nano != 0,
            attributes.len() == 9,
            *dropped_attributes_count != 0,
            events.iter().any(|it| it.dropped_attributes_count != 0),
            *dropped_events_count != 0,
            links
                .iter()
                .any(|it| it.dropped_attributes_count != 0 && !it.trace_state.is_empty()),
            *dropped_links_count != 0,
            status
                .as_ref()
                .is_some_and(|it| it.code != 0 && !it.message.is_empty()),
        ];
        set.iter_mut()
            .zip(here)
            .for_each(|(set, here)| *set |= here);
    }
    assert_eq!(set, [true; 16]);
}

fn spans(all: &mut [ResourceSpans]) -> impl Iterator<Item = &mut Span> {
    let scopes = all.iter_mut().flat_map(|it| &mut it.scope_spans);
    scopes.flat_map(|it| &mut it.spans)
}

fn assert_that_the_same_arrives(protocol: &str) {
    let (stock, ours) = (Receiver::start(), Receiver::start());
    let provider = provider(protocol, &stock, &ours);
    let tracers = tracers(&provider);
    for round in 0..ROUNDS {
        record(&tracers[round % tracers.len()]);
    }
    provider.shutdown().unwrap();

    for receiver in [&stock, &ours] {
        assert!(
            receiver.batch_sizes().len() > 1,
            "{:?}",
            receiver.batch_sizes()
        );
    }
    let [of_stock, of_ours] = [&stock, &ours].map(Receiver::first);
    assert_eq!(of_ours.path, of_stock.path);
    assert_eq!(
        of_ours.header("content-type"),
        of_stock.header("content-type")
    );

    let (mut expected, arrived) = (merged(&stock), merged(&ours));
    let mut set_back = 0;
    for span in spans(&mut expected).filter(|span| span.name == CLOCK_SET_BACK) {
        assert!(span.end_time_unix_nano < span.start_time_unix_nano);
        span.end_time_unix_nano = span.start_time_unix_nano;
        set_back += 1;
    }
    assert_eq!(set_back, ROUNDS);
    assert_eq!(expected[0].scope_spans.len(), tracers.len());
    let all: Vec<_> = spans(&mut expected).map(|it| it.clone()).collect();
    assert_eq!(all.len(), ROUNDS * 10);
    assert_all_fields_are_set(&all);
    // One by one first: a difference in one span is read more easily than one in all.
    let mut arrived_again = arrived.clone();
    for (expected, arrived) in all.iter().zip(spans(&mut arrived_again)) {
        assert_eq!(arrived, expected);
    }
    assert_eq!(arrived, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_every_field_arrives_as_the_stock_exporter_sends_it() {
    tokio::task::block_in_place(|| assert_that_the_same_arrives(HTTP));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_grpc_every_field_arrives_as_the_stock_exporter_sends_it() {
    tokio::task::block_in_place(|| assert_that_the_same_arrives(GRPC));
}

/// Four things at once: how many spans wait at most, how many a request has at most, in which order they come, and that a
/// processor of somebody else's gets them, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_counts_of_queue_and_batch_mean_the_same() {
    tokio::task::block_in_place(|| {
        for protocol in [HTTP, GRPC] {
            let (open, is_open) = mpsc::channel::<()>();
            let is_open = Arc::new(Mutex::new(is_open));
            // Both wait in their first answer until the channel closes.
            let plan = move |_| {
                let _ = is_open.lock().unwrap().recv();
                Answer::Ok
            };
            let receivers = [(); 2].map(|()| Receiver::answering(plan.clone()));
            let [stock, ours] = &receivers;
            let config = BatchConfigBuilder::default()
                .with_max_queue_size(10)
                .with_max_export_batch_size(4)
                .with_scheduled_delay(Duration::from_millis(10));
            let processor = BatchSpanProcessor::builder(stock_exporter(protocol, stock))
                .with_batch_config(config.build())
                .build();
            let variables = [
                ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
                ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ];
            let provider = SdkTracerProvider::builder()
                .with_span_processor(processor)
                .with_span_processor(our_queue(protocol, ours, &variables))
                .build();
            let tracer = provider.tracer("orders");
            tracer.start("the one that keeps the exporter busy").end();
            for receiver in &receivers {
                receiver.first();
            }
            for number in 0..25 {
                tracer.start(format!("span {number}")).end();
            }
            drop(open);
            let _ = provider.shutdown();
            for receiver in &receivers {
                assert_eq!(receiver.batch_sizes(), [1, 4, 4, 2], "{protocol}");
            }
            let names = |receiver: &Receiver| {
                let spans = receiver.spans().into_iter();
                spans.map(|span| span.name).collect::<Vec<_>>()
            };
            assert_eq!(names(ours), names(stock));
        }
    });
}

/// Has each span recorded, as a processor may want it that counts them, and none sampled.
#[derive(Clone, Debug)]
struct RecordOnly;

impl ShouldSample for RecordOnly {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: SamplingDecision::RecordOnly,
            attributes: Vec::new(),
            trace_state: TraceState::NONE,
        }
    }
}

/// The specification's [table](https://opentelemetry.io/docs/specs/otel/trace/sdk/#recording-sampled-reaction-table): an
/// exporter does not get them.
#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_is_recorded_and_not_sampled_is_exported_by_the_stock_processor_alone() {
    tokio::task::block_in_place(|| {
        let [stock, ours, watched] = [(); 3].map(|()| Receiver::start());
        let settings = settings(&[]);
        let (_, batch) = span_exporter(&settings);
        let exporter = stock_exporter(HTTP, &watched);
        let queue = pipelines().spans_to(exporter, "stock", batch, None);
        let provider = SdkTracerProvider::builder()
            .with_sampler(RecordOnly)
            .with_span_processor(BatchSpanProcessor::builder(stock_exporter(HTTP, &stock)).build())
            .with_span_processor(our_queue(HTTP, &ours, &[]))
            .with_span_processor(queue)
            .build();
        provider.tracer("orders").start("span").end();
        provider.shutdown().unwrap();
        let arrived = [stock, ours, watched].map(|receiver| receiver.spans().len());
        assert_eq!(arrived, [1, 0, 0]);
    });
}

/// Sends one span by both exporters to those receivers: of the stock one, and of ours.
fn send_one_span(protocol: &str, stock: &Receiver, ours: &Receiver) {
    let provider = provider(protocol, stock, ours);
    provider.tracer("orders").start("span").end();
    // In some tests one of them fails, as it should.
    let _ = provider.shutdown();
}

/// How many attempts each makes at a receiver that refuses the first five, as one does that starts anew.
fn attempts(protocol: &str, refusal: Answer) -> [usize; 2] {
    let plan = move |request| match request {
        0..5 => refusal,
        _ => Answer::Ok,
    };
    let (stock, ours) = (Receiver::answering(plan), Receiver::answering(plan));
    send_one_span(protocol, &stock, &ours);
    let attempts = |receiver: &Receiver| receiver.requests().len();
    eventually("an attempt that is taken", || {
        (attempts(&ours) > 5).then_some(())
    });
    [&stock, &ours].map(attempts)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_two_seconds_loses_the_batch_of_the_stock_exporter_alone() {
    tokio::task::block_in_place(|| {
        assert_eq!(attempts(HTTP, Answer::Status(503)), [4, 6]);
        assert_eq!(attempts(GRPC, Answer::Grpc(14)), [4, 6]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_hands_headers_to_another_host_by_the_stock_exporter_alone() {
    tokio::task::block_in_place(|| {
        // Each has a host of its own to which it is sent.
        let (to_stock, to_ours) = (Receiver::start(), Receiver::start());
        let moved = |to: &Receiver| {
            let url: &'static str = to.url().leak();
            Receiver::answering(move |_| Answer::Moved(url))
        };
        let ours = moved(&to_ours);
        send_one_span(HTTP, &moved(&to_stock), &ours);
        assert_eq!(to_stock.first().header("x-key"), Some("secret"));
        assert_eq!(ours.first().header("x-key"), Some("secret"));
        assert!(to_ours.requests().is_empty());
    });
}

#[test]
fn the_random_flag_of_a_caller_is_passed_on_by_our_propagator_alone() {
    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
    let passed_on = |propagator: &dyn TextMapPropagator| {
        let caller = HashMap::from([("traceparent".to_owned(), SENT.to_owned())]);
        let mut headers = HashMap::new();
        propagator.inject_context(&propagator.extract(&caller), &mut headers);
        headers.remove("traceparent").unwrap()
    };
    let stock = opentelemetry_sdk::propagation::TraceContextPropagator::new();
    assert_eq!(passed_on(&stock), SENT.replace("-03", "-01"));
    let ours = propagation::TraceContextPropagator::default();
    assert_eq!(passed_on(&ours), SENT);
}
