//! The bytes mean what the stock exporter would have sent.

use std::collections::VecDeque;
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

use settings::Batch;

use super::*;
use crate::Item;
use crate::budget::Budget;
use crate::buffers::Buffers;
use crate::health::{Health, LastFailure};
use crate::request::{Bounds, Piece, Request};

/// What the stock exporter makes of the batch.
fn stock(resource: &Resource, batch: Vec<SpanData>) -> ExportTraceServiceRequest {
    let resource = ResourceAttributesWithSchema::from(resource);
    let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
    ExportTraceServiceRequest { resource_spans }
}

/// What waits once the spans have ended.
fn waiting(batch: &[SpanData]) -> (VecDeque<Piece>, Budget) {
    let bounds = Batch {
        schedule_delay: Duration::MAX,
        export_timeout: Duration::MAX,
        max_queue_size: 1 << 20,
        max_export_batch_size: 1 << 20,
    };
    let health = Health::new(Item::Span, Some(1 << 20), "", None, LastFailure::default());
    let buffers = Buffers::new(health, Budget::of(&bounds));
    for span in batch {
        buffers.push(&span.instrumentation_scope, None, |bytes| {
            append_span(bytes, span, usize::MAX);
        });
    }
    (buffers.drain().collect(), buffers.budget)
}

const ALL: Bounds = Bounds {
    items: usize::MAX,
    bytes: usize::MAX,
};

/// The requests within `bounds`, in which a receiver reads them, and what is left of the budget when they are sent.
fn requests(resource: &Resource, batch: &[SpanData], bounds: Bounds) -> (Vec<Request>, usize) {
    let (mut waiting, budget) = waiting(batch);
    let resource = EncodedResource::new(resource);
    let requests: Vec<_> =
        std::iter::from_fn(|| Request::take(&mut waiting, bounds, &resource, &budget)).collect();
    assert!(waiting.is_empty());
    for request in &requests {
        budget.free(request.held());
    }
    (requests, budget.taken())
}

fn decoded(request: &Request) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&*request.message).unwrap()
}

fn spans_of(request: &Request) -> Vec<proto::Span> {
    let mut scopes = decoded(request).resource_spans.remove(0).scope_spans;
    scopes
        .iter_mut()
        .flat_map(|scope| std::mem::take(&mut scope.spans))
        .collect()
}

fn assert_same(resource: &Resource, mut batch: Vec<SpanData>) {
    let (ours, still_taken) = requests(resource, &batch, ALL);
    assert_eq!(still_taken, 0);
    // It is the one thing that is sent differently: a clock that was set back.
    for span in &mut batch {
        span.end_time = span.end_time.max(span.start_time);
    }
    if batch.is_empty() {
        assert!(ours.is_empty(), "nothing to send");
        return;
    }
    let [ours] = &ours[..] else {
        panic!("one request")
    };
    let stock = stock(resource, batch);
    assert_eq!(decoded(ours), stock);
    assert_eq!(
        ours.message.len(),
        stock.encoded_len(),
        "no byte more than needed"
    );
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

    #[test]
    fn requests_keep_their_bounds_and_lose_nothing(
        batch in vec(span_data(), 1..40),
        items in 1_usize..10,
        bytes in 200_usize..4_000,
    ) {
        let bounds = Bounds { items, bytes };
        let (whole, _) = requests(&resource(), &batch, ALL);
        let (parts, still_taken) = requests(&resource(), &batch, bounds);
        prop_assert_eq!(still_taken, 0);
        for part in &parts {
            prop_assert_eq!(part.items, spans_of(part).len());
            prop_assert!(part.items <= items);
            prop_assert!(part.message.len() <= bytes || part.items == 1);
        }
        let in_parts: Vec<_> = parts.iter().flat_map(spans_of).collect();
        prop_assert_eq!(in_parts, spans_of(&whole[0]));
    }

    #[test]
    fn halves_are_the_whole(batch in vec(span_data(), 2..20)) {
        let (whole, _) = requests(&resource(), &batch, ALL);
        let halves = whole[0].halves(&EncodedResource::new(&resource()));
        prop_assert_eq!(halves[0].items, batch.len() / 2);
        prop_assert_eq!(halves[0].held() + halves[1].held(), whole[0].held());
        let in_halves: Vec<_> = halves.iter().flat_map(spans_of).collect();
        prop_assert_eq!(in_halves, spans_of(&whole[0]));
    }
}

#[test]
fn texts_are_cut_in_every_place_between_characters() {
    let attributes = || {
        let texts = Value::Array(Array::String(vec!["äöü".into(), "ab".into()]));
        vec![KeyValue::new("text", "äöü"), KeyValue::new("texts", texts)]
    };
    let mut events = SpanEvents::default();
    events.events = vec![Event::new("äöü", SystemTime::UNIX_EPOCH, attributes(), 0)];
    let mut links = SpanLinks::default();
    links.links = vec![Link::new(SpanContext::empty_context(), attributes(), 0)];
    let span = SpanData {
        attributes: attributes(),
        events,
        links,
        name: "äöü".into(),
        ..plain()
    };
    for (length, wanted) in [
        (0, ["", "", ""]),
        (2, ["äö", "äö", "ab"]),
        (3, ["äöü", "äöü", "ab"]),
    ] {
        let mut bytes = Vec::new();
        append_span(&mut bytes, &span, length);
        let sent = proto::ScopeSpans::decode(&*bytes).unwrap().spans.remove(0);
        let texts = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| {
            format!("{attributes:?}")
        };
        let expected = {
            let texts = wanted[1..]
                .iter()
                .map(|text| StringValue::from(*text))
                .collect();
            let cut = vec![
                KeyValue::new("text", wanted[0]),
                KeyValue::new("texts", Value::Array(Array::String(texts))),
            ];
            let mut bytes = Vec::new();
            append_span(
                &mut bytes,
                &SpanData {
                    attributes: cut,
                    ..plain()
                },
                usize::MAX,
            );
            proto::ScopeSpans::decode(&*bytes)
                .unwrap()
                .spans
                .remove(0)
                .attributes
        };
        for found in [
            &sent.attributes,
            &sent.events[0].attributes,
            &sent.links[0].attributes,
        ] {
            assert_eq!(texts(found), texts(&expected));
        }
        assert_eq!((&*sent.name, &*sent.events[0].name), ("äöü", "äöü"));
    }
}
