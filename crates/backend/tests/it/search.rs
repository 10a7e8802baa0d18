//! What is found in the store.

use std::{sync::Arc, time::Duration};

use backend::{
    Attributes, Event, LogRecord, Operation, Query, Scope, Span, SpanKind, Status, StatusCode,
    Store, Value,
};

use crate::plain::{log, of_service, span};

/// The numbers of the traces found.
fn found(store: &Store, query: &Query) -> Vec<u128> {
    let traces = store.search(query);
    traces
        .iter()
        .map(|trace| u128::from_be_bytes(trace.id.to_bytes()))
        .collect()
}

fn of(service: &str, trace: u64, id: u64, name: &str) -> Span {
    Span {
        resource: Arc::new(of_service(service)),
        name: name.into(),
        ..span(trace, id)
    }
}

fn wanted(service: &str) -> Query {
    Query {
        service: Some(service.into()),
        ..Query::default()
    }
}

#[test]
fn everything_is_found_newest_first_and_no_more_than_the_limit() {
    let store = Store::temporary(1 << 20).unwrap();
    (1..=5).for_each(|trace| assert_eq!(store.insert_spans(vec![span(trace, 1)]), 0));
    store.insert_spans(vec![span(2, 2)]); // late spans do not make a trace newer
    assert_eq!(found(&store, &Query::default()), [5, 4, 3, 2, 1]);
    let two = Query {
        limit: 2,
        ..Query::default()
    };
    assert_eq!(found(&store, &two), [5, 4]);
    assert_eq!(store.search(&two)[0].spans.len(), 1);
}

#[test]
fn one_span_alone_has_to_match_everything() {
    let store = Store::temporary(1 << 20).unwrap();
    let error = Status {
        code: StatusCode::Error,
        message: "broken".into(),
    };
    let slow = |span: Span| Span {
        start_unix_nanos: 1_000,
        end_unix_nanos: 6_000,
        ..span
    };
    store.insert_spans(vec![
        slow(of("Ping", 1, 1, "GET /ping")),
        Span {
            status: error.clone(),
            ..of("Pong", 1, 2, "GET /pong")
        },
        slow(of("Ping", 2, 1, "GET /pong")),
        Span {
            status: error,
            ..slow(of("Pong", 3, 1, "GET /pong"))
        },
    ]);
    assert_eq!(found(&store, &wanted("Ping")), [2, 1]);
    assert_eq!(found(&store, &wanted("Pong")), [3, 1]);
    assert_eq!(found(&store, &wanted("Peng")), [] as [u128; 0]);
    let operation = Some("GET /pong".to_owned());
    let of_operation = |service| Query {
        operation: operation.clone(),
        ..wanted(service)
    };
    assert_eq!(found(&store, &of_operation("Ping")), [2]);
    assert_eq!(
        found(
            &store,
            &Query {
                service: None,
                ..of_operation("")
            }
        ),
        [3, 2, 1]
    );
    let errors = |query| Query {
        errors_only: true,
        ..query
    };
    assert_eq!(found(&store, &errors(Query::default())), [3, 1]);
    assert_eq!(found(&store, &errors(wanted("Ping"))), [] as [u128; 0]);
    let slow_errors = Query {
        duration_min: Some(Duration::from_nanos(5_000)),
        ..errors(Query::default())
    };
    assert_eq!(found(&store, &slow_errors), [3]);
}

#[test]
fn bounds_of_start_and_duration_include_themselves() {
    let store = Store::temporary(1 << 20).unwrap();
    let timed = |trace, start, end| Span {
        start_unix_nanos: start,
        end_unix_nanos: end,
        ..span(trace, 1)
    };
    store.insert_spans(vec![
        timed(1, 0, 0),
        timed(2, 10, 20),
        timed(3, 20, 40),
        timed(4, u64::MAX - 1, u64::MAX),
        timed(5, 50, 10), // backwards lasts no time
    ]);
    let starts = |min, max| Query {
        start_min_unix_nanos: min,
        start_max_unix_nanos: max,
        ..Query::default()
    };
    assert_eq!(found(&store, &starts(Some(10), Some(20))), [3, 2]);
    assert_eq!(found(&store, &starts(None, Some(9))), [1]);
    assert_eq!(found(&store, &starts(Some(51), None)), [4]);
    let lasts = |min, max| Query {
        duration_min: Some(Duration::from_nanos(min)),
        duration_max: Some(Duration::from_nanos(max)),
        ..Query::default()
    };
    assert_eq!(found(&store, &lasts(1, 10)), [4, 2]);
    assert_eq!(found(&store, &lasts(0, 0)), [5, 1]);
    assert_eq!(found(&store, &lasts(20, 20)), [3]);
}

#[test]
fn attributes_are_those_of_span_resource_scope_and_events_and_those_that_jaeger_makes() {
    let store = Store::temporary(1 << 20).unwrap();
    let attributes = |key: &str, value: Value| Attributes::from([(key, value)]);
    store.insert_spans(vec![
        Span {
            attributes: attributes("http.response.status_code", 200.into()),
            kind: SpanKind::Server,
            ..of("Ping", 1, 1, "a")
        },
        Span {
            events: vec![Event {
                unix_nanos: 0,
                name: "exception".into(),
                attributes: attributes("exception.type", "io".into()),
                dropped_attributes_count: 0,
            }],
            ..of("Ping", 2, 1, "b")
        },
        Span {
            scope: Arc::new(Scope {
                name: "library".into(),
                version: "1.2".into(),
                attributes: attributes("of.scope", true.into()),
                ..Scope::default()
            }),
            status: Status {
                code: StatusCode::Error,
                message: "broken".into(),
            },
            ..of("Pong", 3, 1, "c")
        },
    ]);
    let with = |attributes: &[(&str, &str)]| Query {
        attributes: attributes
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
        ..Query::default()
    };
    for (expected, attributes) in [
        (vec![1], vec![("http.response.status_code", "200")]),
        (vec![], vec![("http.response.status_code", "20")]),
        (vec![], vec![("http.response.status_code", "")]),
        (vec![2], vec![("exception.type", "io")]),
        (vec![2, 1], vec![("service.name", "Ping")]),
        (vec![3], vec![("of.scope", "true")]),
        (
            vec![3],
            vec![
                ("otel.scope.name", "library"),
                ("otel.scope.version", "1.2"),
            ],
        ),
        (vec![3], vec![("error", "true")]),
        (
            vec![3],
            vec![
                ("otel.status_code", "ERROR"),
                ("otel.status_description", "broken"),
            ],
        ),
        (
            vec![1],
            vec![("span.kind", "server"), ("service.name", "Ping")],
        ),
        (
            vec![],
            vec![("span.kind", "server"), ("exception.type", "io")],
        ),
    ] {
        assert_eq!(
            found(&store, &with(&attributes)),
            expected,
            "{attributes:?}"
        );
    }
}

#[test]
fn text_is_found_in_any_case_anywhere_in_a_trace() {
    let store = Store::temporary(1 << 20).unwrap();
    store.insert_spans(vec![
        of("Ping", 1, 1, "GET /ping"),
        Span {
            attributes: Attributes::from([
                ("url.full", "http://Überall/x".into()),
                ("n", 4711.into()),
            ]),
            events: vec![Event {
                unix_nanos: 0,
                name: "Update Metrics".into(),
                attributes: Attributes::from([("why", "Because".into())]),
                dropped_attributes_count: 0,
            }],
            ..of("Pong", 1, 2, "pong-request")
        },
        of("Ping", 0xabcdef, 1, "other"),
    ]);
    let with = |service: Option<&str>, text: &str| {
        let query = Query {
            service: service.map(Into::into),
            text: Some(text.into()),
            ..Query::default()
        };
        found(&store, &query)
    };
    for text in ["get /PING", "pong", "ÜBERALL", "711", "metrics", "because"] {
        assert_eq!(with(None, text), [1], "{text}");
    }
    assert_eq!(with(None, "0000AbcDef"), [0xabcdef], "the id");
    assert_eq!(with(None, ""), [0xabcdef, 1]);
    assert_eq!(with(None, "nowhere"), [] as [u128; 0]);
    assert_eq!(with(None, "url.full"), [] as [u128; 0], "keys are no text");
    assert_eq!(
        with(Some("Ping"), "because"),
        [1],
        "text need not be of the span that matches"
    );
}

#[test]
fn services_and_operations_are_those_of_the_spans_kept() {
    let store = Store::temporary(1 << 20).unwrap();
    let server = |span: Span| Span {
        kind: SpanKind::Server,
        ..span
    };
    store.insert_logs(vec![LogRecord {
        resource: Arc::new(of_service("Only logs")),
        ..log("a".into())
    }]);
    store.insert_spans(vec![
        of("Pong", 1, 1, "b"),
        server(of("Ping", 1, 2, "b")),
        of("Ping", 1, 3, "b"),
        of("Ping", 2, 1, "a"),
    ]);
    // Between them, so that one goes long before the other.
    let large = |trace| Span {
        attributes: Attributes::from([("text", "x".repeat(50_000).into())]),
        ..of("Peng", trace, 1, "c")
    };
    store.insert_spans((10..14).map(large).collect());
    store.insert_spans(vec![of("Ping", 3, 1, "a")]);
    assert_eq!(store.services(), ["Peng", "Ping", "Pong"]);
    let operation = |name: &str, kind| Operation {
        name: name.into(),
        kind,
    };
    let expected = [
        operation("a", SpanKind::Internal),
        operation("b", SpanKind::Internal),
        operation("b", SpanKind::Server),
    ];
    assert_eq!(store.operations("Ping"), expected);
    assert_eq!(store.operations("Pong"), expected[1..2]);
    assert_eq!(store.operations("Only logs"), []);
    let mut more = 30..;
    while store.trace(span(2, 1).trace_id).is_some() {
        store.insert_spans(vec![large(more.next().unwrap())]);
    }
    assert_eq!(store.operations("Ping"), expected[..1], "of what is kept");
    assert_eq!(store.services(), ["Peng", "Ping"]);
}

#[test]
fn logs_are_found_by_trace_and_by_span() {
    let store = Store::temporary(1 << 20).unwrap();
    let of = |text: &str, trace: Option<u64>, id: Option<u64>| LogRecord {
        trace_id: trace.map(|trace| span(trace, 1).trace_id),
        span_id: id.map(|id| span(1, id).span_id),
        ..log(text.into())
    };
    store.insert_logs(vec![
        of("a", Some(1), Some(1)),
        of("b", Some(1), None),
        of("c", Some(2), Some(1)),
        of("d", None, None),
        of("e", Some(1), Some(1)),
    ]);
    let texts = |trace, id: Option<u64>| {
        let logs = store.logs_of(span(trace, 1).trace_id, id.map(|id| span(1, id).span_id));
        logs.iter()
            .map(|log| log.body.to_string())
            .collect::<String>()
    };
    assert_eq!(texts(1, None), "abe");
    assert_eq!(texts(1, Some(1)), "ae");
    assert_eq!(texts(2, Some(1)), "c");
    assert_eq!(texts(2, Some(2)), "");
    assert_eq!(texts(3, None), "");
}

#[test]
fn what_only_the_oldest_of_many_has_is_found() {
    let store = Store::temporary(1 << 26).unwrap();
    let needle = |trace, id| Span {
        attributes: Attributes::from([("text", "a needle in a haystack".into())]),
        ..span(trace, id)
    };
    let hay = |trace: u64| (1..=2).map(move |id| span(trace, id));
    // The last of the spans of the oldest trace, and more of both than are looked at in one go.
    store.insert_spans((1..=3_000).map(|id| span(1, id)).collect());
    store.insert_spans(vec![needle(1, 5_000)]);
    store.insert_spans((2..=11_000).flat_map(hay).collect());
    let with = |text: &str| Query {
        text: Some(text.into()),
        ..Query::default()
    };
    assert_eq!(found(&store, &with("NEEDLE in")), [1]);
    assert_eq!(found(&store, &with("needles")), [] as [u128; 0]);
    let attribute = Query {
        attributes: vec![("text".into(), "a needle in a haystack".into())],
        ..Query::default()
    };
    assert_eq!(found(&store, &attribute), [1]);
    assert_eq!(found(&store, &Query::default()).len(), 11_000);
    let slow = Query {
        start_min_unix_nanos: Some(1),
        ..Query::default()
    };
    assert_eq!(found(&store, &slow), [] as [u128; 0]);
}

#[test]
fn a_search_goes_on_while_traces_come_and_go() {
    let store = Store::temporary(1 << 20).unwrap();
    let insert = |traces: std::ops::Range<u64>| {
        for trace in traces {
            let service = ["Ping", "Pong", "Peng"][trace as usize % 3];
            let name = format!("operation {}", trace % 50);
            let text = format!("request number {trace}");
            let attributes = Attributes::from([("text", text.into())]);
            store.insert_spans(vec![Span {
                attributes,
                ..of(service, trace, 1, &name)
            }]);
        }
    };
    insert(1..1_000);
    let queries = [
        wanted("Ping"),
        Query {
            operation: Some("operation 7".into()),
            ..wanted("Pong")
        },
        Query {
            text: Some("99".into()),
            ..Query::default()
        },
    ];
    std::thread::scope(|scope| {
        let writers = [(1_000..4_000), (4_000..7_000)].map(|traces| scope.spawn(|| insert(traces)));
        while !writers.iter().all(|writer| writer.is_finished()) {
            for query in &queries {
                for trace in store.search(query) {
                    assert!(query.matches(&trace), "{query:?} {trace:?}");
                }
            }
        }
    });
    for query in &queries {
        assert!(!store.search(query).is_empty(), "{query:?}");
    }
}

mod oracle {
    use backend::{Link, Resource, SpanId, Trace, TraceId};
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;

    const SERVICES: [&str; 3] = ["Ping", "a service with a long name", ""];
    const TEXTS: [&str; 6] = ["", "a", "seven77", "eight888", "Eight888 and more", "ÄÖÜ"];

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Empty),
            any::<bool>().prop_map(Value::Bool),
            prop_oneof![-2..3_i64, any::<i64>()].prop_map(Value::Int),
            prop_oneof![-2.0..2.0, Just(1.0), Just(f64::INFINITY)].prop_map(Value::Double),
            select(&TEXTS[..]).prop_map(Value::from),
            vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
        ];
        scalar.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::Array),
                attributes_of(inner).prop_map(Value::Map),
            ]
        })
    }

    fn attributes_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Attributes> {
        vec(
            (select(&["k", "a long key", "error", "event"][..]), value),
            0..3,
        )
        .prop_map(|attributes| attributes.into_iter().collect())
    }

    fn attributes() -> impl Strategy<Value = Attributes> {
        attributes_of(value())
    }

    fn time() -> impl Strategy<Value = u64> {
        prop_oneof![0..20_u64, any::<u64>(), Just(u64::MAX)]
    }

    prop_compose! {
        fn event()(unix_nanos in time(), name in select(&TEXTS[..]), attributes in attributes(), dropped in any::<u32>()) -> Event {
            Event { unix_nanos, name: name.into(), attributes, dropped_attributes_count: dropped }
        }
    }

    prop_compose! {
        fn link()(trace in 1..9_u64, text in select(&TEXTS[..]), attributes in attributes(), number in any::<u32>()) -> Link {
            let span = span(trace, trace);
            Link {
                trace_id: span.trace_id,
                span_id: span.span_id,
                trace_state: text.into(),
                flags: number,
                attributes,
                dropped_attributes_count: number,
            }
        }
    }

    prop_compose! {
        fn any_span()(
            (trace, id, parent) in (1..12_u64, 1..6_u64, option::of(1..6_u64)),
            (service, name, message) in (select(&SERVICES[..]), select(&TEXTS[..]), select(&TEXTS[..])),
            (start, end) in (time(), time()),
            kind in select(&[SpanKind::Unspecified, SpanKind::Server, SpanKind::Consumer][..]),
            code in select(&[StatusCode::Unset, StatusCode::Ok, StatusCode::Error][..]),
            (attributes, of_resource, of_scope) in (attributes(), attributes(), attributes()),
            (events, links) in (vec(event(), 0..3), vec(link(), 0..2)),
            numbers in any::<[u32; 4]>(),
        ) -> Span {
            let service = [("service.name", Value::from(service))];
            let of_resource = of_resource.iter().map(|(key, value)| (key, value.clone())).chain(service);
            Span {
                parent_span_id: parent.map(|parent| span(1, parent).span_id),
                trace_state: message.into(),
                flags: numbers[0],
                name: name.into(),
                kind,
                start_unix_nanos: start,
                end_unix_nanos: end,
                status: Status { code, message: message.into() },
                attributes,
                dropped_attributes_count: numbers[1],
                events,
                dropped_events_count: numbers[2],
                links,
                dropped_links_count: numbers[3],
                resource: Arc::new(Resource { attributes: of_resource.collect(), ..Resource::default() }),
                scope: Arc::new(Scope { name: name.into(), attributes: of_scope, ..Scope::default() }),
                ..span(trace, id)
            }
        }
    }

    prop_compose! {
        fn query()(
            service in option::of(select(&SERVICES[..])),
            operation in option::weighted(0.3, select(&TEXTS[..])),
            attribute in option::weighted(0.3, (
                select(&["k", "a long key", "error", "event", "span.kind", "service.name", "otel.status_description", "w3c.tracestate"][..]),
                prop_oneof![select(&TEXTS[..]).prop_map(str::to_owned), value().prop_map(|value| value.to_text().into_owned()), Just("true".into())],
            )),
            (start_min_unix_nanos, start_max_unix_nanos) in (option::weighted(0.2, time()), option::weighted(0.2, time())),
            (duration_min, duration_max) in (option::weighted(0.2, time()), option::weighted(0.2, time())),
            errors_only in prop::bool::weighted(0.3),
            text in option::weighted(0.3, select(&["", "A", "SEVEN", "888", "äö", "1", "true", "000b", "long name"][..])),
            limit in prop_oneof![Just(usize::MAX), 0..4_usize],
        ) -> Query {
            Query {
                service: service.map(Into::into),
                operation: operation.map(Into::into),
                attributes: attribute.into_iter().map(|(key, value)| (key.into(), value)).collect(),
                start_min_unix_nanos,
                start_max_unix_nanos,
                duration_min: duration_min.map(Duration::from_nanos),
                duration_max: duration_max.map(Duration::from_nanos),
                errors_only,
                text: text.map(Into::into),
                limit,
            }
        }
    }

    /// What `first` lacks is taken from `later`.
    fn complete(first: &mut Span, later: &Span) {
        if first.end_unix_nanos == 0 && later.end_unix_nanos > 0 {
            first.end_unix_nanos = later.end_unix_nanos;
            first.name = later.name.clone();
            first.kind = later.kind;
        }
        if first.status.code == StatusCode::Unset {
            first.status = later.status.clone();
        }
        if first.parent_span_id.is_none() {
            first.parent_span_id = later.parent_span_id;
        }
        if first.events.is_empty() {
            first.events = later.events.clone();
        }
        if first.links.is_empty() {
            first.links = later.links.clone();
        }
        let known = first.attributes.clone();
        let more = later
            .attributes
            .iter()
            .filter(|(key, _)| known.get(key).is_none());
        let all = known.iter().chain(more);
        first.attributes = all.map(|(key, value)| (key, value.clone())).collect();
    }

    /// A store as one would describe it: traces in the order of arrival.
    #[derive(Default)]
    struct Model(Vec<(TraceId, Vec<(SpanId, Span)>)>);

    impl Model {
        fn insert(&mut self, span: &Span) {
            let place = self.0.iter().position(|(id, _)| *id == span.trace_id);
            let place = place.unwrap_or_else(|| {
                self.0.push((span.trace_id, vec![]));
                self.0.len() - 1
            });
            let spans = &mut self.0[place].1;
            match spans.iter_mut().find(|(id, _)| *id == span.span_id) {
                Some((_, first)) => complete(first, span),
                None => spans.push((span.span_id, span.clone())),
            }
        }

        fn newest_first(&self) -> Vec<Trace> {
            let traces = self.0.iter().rev().map(|(id, spans)| {
                let mut spans: Vec<_> = spans
                    .iter()
                    .map(|(_, span)| Arc::new(span.clone()))
                    .collect();
                spans.sort_by_key(|span| (span.start_unix_nanos, span.span_id));
                Trace { id: *id, spans }
            });
            traces.collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn the_store_is_a_list_of_traces_that_is_filtered(
            batches in vec(vec(any_span(), 1..6), 1..20),
            queries in vec(query(), 1..20),
        ) {
            let store = Store::temporary(1 << 24).unwrap();
            let mut model = Model::default();
            for batch in batches {
                for span in &batch {
                    model.insert(span);
                }
                prop_assert_eq!(store.insert_spans(batch), 0);
            }
            let traces = model.newest_first();
            prop_assert_eq!(store.latest(usize::MAX), &traces[..]);
            prop_assert_eq!(store.span_count(), traces.iter().map(|trace| trace.spans.len()).sum::<usize>());
            for query in queries {
                let expected: Vec<_> = traces.iter().filter(|trace| query.matches(trace)).take(query.limit).cloned().collect();
                prop_assert_eq!(store.search(&query), expected, "{:?}", query);
            }
            for service in SERVICES {
                let spans = || traces.iter().flat_map(|trace| &trace.spans).filter(|span| span.service() == service);
                prop_assert_eq!(store.services().iter().any(|name| name == service), spans().count() > 0);
                let mut expected: Vec<_> = spans().map(|span| Operation { name: span.name.clone(), kind: span.kind }).collect();
                expected.sort();
                expected.dedup();
                prop_assert_eq!(store.operations(service), expected);
            }
        }
    }
}
