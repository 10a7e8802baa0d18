//! The bytes mean what the stock exporter would have sent.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;

/// What the stock exporter makes of the batch.
fn stock(resource: &Resource, batch: Vec<SpanData>) -> ExportTraceServiceRequest {
    let resource = ResourceAttributesWithSchema::from(resource);
    let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
    ExportTraceServiceRequest { resource_spans }
}

/// What a receiver reads of ours, and how long it is.
fn ours(resource: &Resource, batch: &[SpanData]) -> (ExportTraceServiceRequest, usize) {
    let bytes = encode(
        &EncodedResource::new(resource),
        batch,
        b"left over".to_vec(),
    );
    let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
    (request, bytes.len())
}

fn assert_same(resource: &Resource, batch: Vec<SpanData>) {
    let (ours, length) = ours(resource, &batch);
    let stock = stock(resource, batch);
    assert_eq!(ours, stock);
    assert_eq!(length, stock.encoded_len(), "no byte more than needed");
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_schema_url(
            [
                KeyValue::new("service.name", "Ping"),
                KeyValue::new("process.pid", 7),
            ],
            "https://opentelemetry.io/schemas/1.44.0",
        )
        .build()
}

fn plain() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

#[test]
fn batches_at_the_edges_are_sent_as_the_stock_exporter_sends_them() {
    assert_same(&Resource::builder_empty().build(), vec![]);
    assert_same(&resource(), vec![]);
    assert_same(&resource(), vec![plain()]);
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_same(
        &resource(),
        vec![SpanData {
            start_time: before_1970,
            ..plain()
        }],
    );
    // Around the lengths at which a message's own length takes another byte, twice.
    for length in (80..150).chain(16_250..16_400) {
        let name = "x".repeat(length).into();
        assert_same(&resource(), vec![SpanData { name, ..plain() }, plain()]);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zä€🙂]{0,12}", "[a-z]{120,140}"]
}

fn string_value() -> impl Strategy<Value = StringValue> {
    text().prop_map(StringValue::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
        string_value().prop_map(Value::String),
        vec(any::<bool>(), 0..3).prop_map(|values| Value::Array(Array::Bool(values))),
        vec(any::<i64>(), 0..3).prop_map(|values| Value::Array(Array::I64(values))),
        vec(any::<f64>(), 0..3).prop_map(|values| Value::Array(Array::F64(values))),
        vec(string_value(), 0..3).prop_map(|values| Value::Array(Array::String(values))),
    ]
}

fn attribute_list() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(
        (text(), value()).prop_map(|(key, value)| KeyValue::new(Key::from(key), value)),
        0..5,
    )
}

fn context() -> impl Strategy<Value = SpanContext> {
    let state = prop_oneof![Just(""), Just("a=1"), Just("a=1,b=2")];
    (
        any::<u128>(),
        any::<u64>(),
        any::<u8>(),
        any::<bool>(),
        state,
    )
        .prop_map(|(trace, span, flags, is_remote, state)| {
            let state: TraceState = state.parse().unwrap();
            let (trace, span) = (TraceId::from(trace), SpanId::from(span));
            SpanContext::new(trace, span, TraceFlags::new(flags), is_remote, state)
        })
}

fn time() -> impl Strategy<Value = SystemTime> {
    (0_u64..1 << 62).prop_map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
}

fn events() -> impl Strategy<Value = SpanEvents> {
    let event = (text(), time(), attribute_list(), 0_u32..3)
        .prop_map(|(name, time, attributes, dropped)| Event::new(name, time, attributes, dropped));
    (vec(event, 0..3), 0_u32..3).prop_map(|(list, dropped)| {
        let mut events = SpanEvents::default();
        events.events = list;
        events.dropped_count = dropped;
        events
    })
}

fn links() -> impl Strategy<Value = SpanLinks> {
    let link = (context(), attribute_list(), 0_u32..3)
        .prop_map(|(context, attributes, dropped)| Link::new(context, attributes, dropped));
    (vec(link, 0..3), 0_u32..3).prop_map(|(list, dropped)| {
        let mut links = SpanLinks::default();
        links.links = list;
        links.dropped_count = dropped;
        links
    })
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    let full = InstrumentationScope::builder("Ping")
        .with_version("1.2.3")
        .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
        .with_attributes([KeyValue::new("team", "blue")])
        .build();
    prop_oneof![
        Just(full),
        Just(InstrumentationScope::builder("Ping").build()),
        Just(InstrumentationScope::default()),
    ]
}

fn kind_and_status() -> impl Strategy<Value = (SpanKind, Status)> {
    let kind = prop_oneof![
        Just(SpanKind::Client),
        Just(SpanKind::Server),
        Just(SpanKind::Producer),
        Just(SpanKind::Consumer),
        Just(SpanKind::Internal),
    ];
    let status = prop_oneof![
        Just(Status::Unset),
        Just(Status::Ok),
        text().prop_map(Status::error)
    ];
    (kind, status)
}

fn span_data() -> impl Strategy<Value = SpanData> {
    let who = (
        context(),
        any::<u64>(),
        any::<bool>(),
        text(),
        kind_and_status(),
    );
    let what = (
        time(),
        time(),
        attribute_list(),
        0_u32..3,
        events(),
        links(),
    );
    (who, what, scope()).prop_map(|(who, what, instrumentation_scope)| {
        let (span_context, parent, parent_span_is_remote, name, (span_kind, status)) = who;
        let (start_time, end_time, attributes, dropped_attributes_count, events, links) = what;
        SpanData {
            span_context,
            parent_span_id: SpanId::from(parent),
            parent_span_is_remote,
            span_kind,
            name: name.into(),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count,
            events,
            links,
            status,
            instrumentation_scope,
        }
    })
}

proptest! {
    #[test]
    fn any_batch_is_sent_as_the_stock_exporter_sends_it(batch in vec(span_data(), 0..6)) {
        assert_same(&resource(), batch);
    }
}
