//! What is found in the store.

use std::{sync::Arc, time::Duration};

use backend::{
    Attributes, Event, LogRecord, Operation, Query, Scope, Span, SpanKind, Status, StatusCode,
    Store, Value,
};

use crate::store::{log, of_service, span};

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
    let store = Store::new(1 << 20);
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
    let store = Store::new(1 << 20);
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
    let store = Store::new(1 << 20);
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
    let store = Store::new(1 << 20);
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
    let store = Store::new(1 << 20);
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
    let store = Store::new(20_000);
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
    store.insert_spans((10..30).map(|trace| of("Peng", trace, 1, "c")).collect());
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
    let mut trace = 30;
    while store.trace(span(2, 1).trace_id).is_some() {
        store.insert_spans(vec![of("Peng", trace, 1, "c")]);
        trace += 1;
    }
    assert_eq!(store.operations("Ping"), expected[..1], "of what is kept");
    assert_eq!(store.services(), ["Peng", "Ping"]);
}

#[test]
fn logs_are_found_by_trace_and_by_span() {
    let store = Store::new(1 << 20);
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
