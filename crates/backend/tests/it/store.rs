//! What the store keeps, in which order, and whom it tells.

use std::{sync::Arc, time::Duration};

use backend::{
    Attributes, Change, LogRecord, Resource, Scope, Span, SpanKind, Status, Store, Value,
};
use opentelemetry_proto::tonic::{
    common::v1 as common, metrics::v1::ResourceMetrics, resource::v1 as resource,
};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::LIMIT;

pub(crate) fn span(trace: u64, id: u64) -> Span {
    Span {
        trace_id: u128::from(trace)
            .to_be_bytes()
            .as_slice()
            .try_into()
            .unwrap(),
        span_id: id.to_be_bytes().as_slice().try_into().unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: format!("span {id}"),
        kind: SpanKind::Internal,
        start_unix_nanos: 0,
        end_unix_nanos: 0,
        status: Status::default(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: vec![],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        resource: Arc::new(of_service("Ping")),
        scope: Arc::new(Scope::default()),
    }
}

pub(crate) fn of_service(name: &str) -> Resource {
    Resource {
        attributes: Attributes::from([("service.name", name.into())]),
        ..Resource::default()
    }
}

pub(crate) fn log(text: String) -> LogRecord {
    LogRecord {
        unix_nanos: 0,
        observed_unix_nanos: 0,
        severity_number: 9,
        severity_text: String::new(),
        body: Value::String(text),
        event_name: String::new(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        flags: 0,
        trace_id: None,
        span_id: None,
        resource: Arc::new(of_service("Ping")),
        scope: Arc::new(Scope::default()),
    }
}

fn names(traces: &[backend::Trace]) -> Vec<Vec<&str>> {
    traces
        .iter()
        .map(|trace| trace.spans.iter().map(|span| span.name.as_str()).collect())
        .collect()
}

#[test]
fn spans_that_come_late_or_out_of_order_join_their_trace_by_start() {
    let store = Store::new(1 << 20);
    let at = |trace, id, start| Span {
        start_unix_nanos: start,
        ..span(trace, id)
    };
    store.insert_spans(vec![at(1, 3, 30), at(2, 1, 5), at(1, 1, 20)]);
    store.insert_spans(vec![at(1, 2, 10)]);
    assert_eq!(
        names(&store.latest(10)),
        [vec!["span 1"], vec!["span 2", "span 1", "span 3"]]
    );
    let trace = store.trace(span(1, 1).trace_id).unwrap();
    assert_eq!(names(&[trace]), [["span 2", "span 1", "span 3"]]);
    assert_eq!(store.trace(span(3, 1).trace_id), None);
}

#[test]
fn a_span_sent_twice_counts_once_in_the_store_and_in_its_bytes() {
    let store = Store::new(1 << 20);
    store.insert_spans(vec![span(1, 1), span(1, 2)]);
    let (before, trace) = (store.bytes(), store.latest(1));
    let mut changes = store.subscribe();
    store.insert_spans(vec![
        span(1, 2),
        Span {
            name: "another".into(),
            ..span(1, 1)
        },
    ]);
    assert_eq!((store.bytes(), store.latest(1)), (before, trace));
    assert_eq!(
        changes.try_recv(),
        Err(TryRecvError::Empty),
        "nothing changed"
    );
    store.insert_spans(vec![span(2, 1)]);
    assert_eq!(
        store.len(),
        2,
        "the same span id in another trace is another span"
    );
}

#[test]
fn equal_resources_and_scopes_are_shared_across_requests() {
    let store = Store::new(1 << 20);
    store.insert_spans(vec![span(1, 1)]);
    store.insert_spans(vec![span(2, 1)]);
    let traces = store.latest(2);
    let (one, other) = (&traces[0].spans[0], &traces[1].spans[0]);
    assert!(Arc::ptr_eq(&one.resource, &other.resource));
    assert!(Arc::ptr_eq(&one.scope, &other.scope));
}

#[test]
fn what_traces_share_stays_until_the_last_of_them_goes() {
    let store = Store::new(20_000);
    let first = span(1, 1);
    let of_one_process = |trace, id| Span {
        resource: first.resource.clone(),
        scope: first.scope.clone(),
        ..span(trace, id)
    };
    let large = (1..=5).map(|id| of_one_process(1, id)); // leaves room for another when it goes
    store.insert_spans(large.chain([of_one_process(2, 1)]).collect());
    let mut trace = 3;
    while store.trace(span(1, 1).trace_id).is_some() {
        store.insert_spans(vec![Span {
            resource: Arc::new(of_service("Pong")),
            ..span(trace, 1)
        }]);
        trace += 1;
    }
    store.insert_spans(vec![span(trace, 1)]);
    let traces = store.latest_of("Ping", 10);
    assert_eq!(traces.len(), 2);
    assert!(Arc::ptr_eq(
        &traces[0].spans[0].resource,
        &traces[1].spans[0].resource
    ));
}

#[test]
fn the_oldest_trace_goes_first_and_the_bound_holds_after_every_insertion() {
    let limit = 100_000;
    let store = Store::new(limit);
    for trace in 1..=2000 {
        // Each from a service of its own, so that resources have to go as well.
        let resource = Arc::new(of_service(&format!("service {trace}")));
        let spans = (1..=1 + trace % 3).map(|id| Span {
            resource: resource.clone(),
            ..span(trace, id)
        });
        assert_eq!(store.insert_spans(spans.collect()), 0);
        assert!(store.bytes() <= limit, "{} after {trace}", store.bytes());
    }
    let kept = store.latest(usize::MAX);
    assert!(kept.len() > 20, "{}", kept.len());
    for (newest_first, trace) in (1..=2000_u64).rev().zip(&kept) {
        assert_eq!(trace.id, span(newest_first, 1).trace_id);
        assert_eq!(
            trace.spans.len() as u64,
            1 + newest_first % 3,
            "a trace goes whole"
        );
    }
    assert_eq!(store.latest_of("service 1", 1), []);
    assert_eq!(store.latest_of("service 2000", 1).len(), 1);
}

#[test]
fn a_late_span_does_not_make_its_trace_young_again() {
    let store = Store::new(20_000);
    store.insert_spans(vec![span(1, 1), span(2, 1)]);
    let mut id = 2;
    while store.trace(span(1, 1).trace_id).is_some() {
        store.insert_spans(vec![span(1, id)]);
        id += 1;
    }
    assert!(store.trace(span(2, 1).trace_id).is_some());
}

#[test]
fn a_trace_larger_than_the_store_is_let_go_and_the_store_goes_on() {
    let store = Store::new(20_000);
    store.insert_spans((1..1000).map(|id| span(1, id)).collect());
    assert!(store.bytes() <= 20_000);
    assert!(store.is_empty());
    assert_eq!(store.bytes(), 0, "nothing is left behind");
    assert_eq!(store.insert_spans(vec![span(2, 1)]), 0);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_span_larger_than_the_store_is_refused_and_evicts_nothing() {
    let store = Store::new(20_000);
    store.insert_spans(vec![span(1, 1)]);
    let huge_resource = Arc::new(of_service(&"x".repeat(20_000)));
    let refused = store.insert_spans(vec![
        Span {
            name: "x".repeat(20_000),
            ..span(2, 1)
        },
        Span {
            resource: huge_resource,
            ..span(2, 2)
        },
    ]);
    assert_eq!(refused, 2);
    assert_eq!(names(&store.latest(10)), [["span 1"]]);
}

#[test]
fn a_resource_that_equals_nothing_not_even_itself_is_let_go_too() {
    let store = Store::new(20_000);
    for trace in 1..1000 {
        let attributes =
            Attributes::from([("service.name", "NaN".into()), ("not", f64::NAN.into())]);
        let resource = Arc::new(Resource {
            attributes,
            ..Resource::default()
        });
        store.insert_spans(vec![Span {
            resource,
            ..span(trace, 1)
        }]);
    }
    assert!(store.len() > 5, "{}", store.len());
    store.insert_spans((1..1000).map(|id| span(5000, id)).collect());
    assert_eq!(store.bytes(), 0);
}

#[test]
fn traces_of_a_service_are_those_in_which_it_took_part() {
    let store = Store::new(1 << 20);
    let of = |service, trace, id| Span {
        resource: Arc::new(of_service(service)),
        ..span(trace, id)
    };
    store.insert_spans(vec![
        of("Ping", 1, 1),
        of("Pong", 1, 2),
        of("Ping", 2, 1),
        of("Pong", 3, 1),
    ]);
    let ids = |traces: Vec<backend::Trace>| traces.iter().map(|trace| trace.id).collect::<Vec<_>>();
    assert_eq!(
        ids(store.latest_of("Ping", 10)),
        [span(2, 1).trace_id, span(1, 1).trace_id]
    );
    assert_eq!(
        ids(store.latest_of("Pong", 10)),
        [span(3, 1).trace_id, span(1, 1).trace_id]
    );
    assert_eq!(ids(store.latest_of("Pong", 1)), [span(3, 1).trace_id]);
    assert!(store.latest_of("Peng", 10).is_empty());
    assert_eq!(store.latest_of("Pong", 10)[1].services(), ["Ping", "Pong"]);
}

#[test]
fn logs_and_metrics_have_an_eighth_each_and_leave_the_traces_alone() {
    let limit = 200_000;
    let store = Store::new(limit);
    store.insert_spans(vec![span(1, 1)]);
    for n in 0..2000 {
        assert_eq!(store.insert_logs(vec![log(format!("line {n}"))]), 0);
        assert!(store.insert_metrics(&of_host(&format!("host {n}"), 100)));
        assert!(store.bytes() <= limit / 4 + 10_000, "{}", store.bytes());
    }
    assert_eq!(store.len(), 1);
    let logs = store.logs();
    assert!(logs.len() > 20, "{}", logs.len());
    assert_eq!(logs.last().unwrap().body, "line 1999".into());
    let metrics = store.metrics();
    assert_eq!(metrics.len(), 64);
    assert_eq!(metrics.last(), Some(&of_host("host 1999", 100)));

    assert!(!store.insert_metrics(&of_host("huge", limit / 8)));
    store.insert_metrics(&of_host("host 1950", 7));
    let metrics = store.metrics();
    assert_eq!(
        (metrics.len(), metrics.last()),
        (64, Some(&of_host("host 1950", 7)))
    );
    assert!(
        !metrics.contains(&of_host("host 1950", 100)),
        "the latest of a resource replaces the one before"
    );
    for n in 0..10 {
        store.insert_metrics(&of_host(&format!("large {n}"), limit / 20));
        assert!(store.bytes() <= limit / 4 + 10_000, "{}", store.bytes());
    }
    assert!(store.metrics().len() < 5);
}

fn of_host(name: &str, schema_url: usize) -> ResourceMetrics {
    let value = common::AnyValue {
        value: Some(common::any_value::Value::StringValue(name.into())),
    };
    let attributes = vec![common::KeyValue {
        key: "host.name".into(),
        value: Some(value),
        ..Default::default()
    }];
    ResourceMetrics {
        resource: Some(resource::Resource {
            attributes,
            ..Default::default()
        }),
        schema_url: "x".repeat(schema_url),
        ..ResourceMetrics::default()
    }
}

#[tokio::test]
async fn a_subscriber_is_told_of_each_trace_once_a_batch_and_of_logs_and_metrics() {
    let store = Store::new(1 << 20);
    store.insert_spans(vec![span(9, 1)]); // before it listens
    let mut changes = store.subscribe();
    store.insert_spans(vec![span(1, 1), span(1, 2), span(1, 3)]);
    store.insert_spans(vec![span(1, 4)]);
    store.insert_logs(vec![log("a".into()), log("b".into())]);
    store.insert_metrics(&ResourceMetrics::default());
    store.insert_spans(vec![]);
    store.insert_logs(vec![]);
    let id = span(1, 1).trace_id;
    let expected = [
        Change::Trace { id, spans: 3 },
        Change::Trace { id, spans: 4 },
        Change::Logs,
        Change::Metrics,
    ];
    for change in expected {
        assert_eq!(changes.recv().await, Ok(change));
    }
    assert_eq!(changes.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn what_several_send_at_once_is_counted_once_and_announced_in_order() {
    let store = Store::new(1 << 20);
    let mut changes = store.subscribe();
    // Each span is sent by two of four.
    std::thread::scope(|scope| {
        for first in [1, 1, 101, 101] {
            let store = &store;
            scope.spawn(move || {
                for id in first..first + 200 {
                    assert_eq!(store.insert_spans(vec![span(1, id)]), 0);
                }
            });
        }
    });
    for expected in 1..=300 {
        assert!(matches!(changes.try_recv(), Ok(Change::Trace { spans, .. }) if spans == expected));
    }
    assert_eq!(changes.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(store.latest(1)[0].spans.len(), 300);
}

#[tokio::test]
async fn a_slow_subscriber_misses_changes_and_nobody_waits_for_it() {
    let store = Store::new(1 << 20);
    let mut slow = store.subscribe();
    for id in 1..=3000 {
        store.insert_spans(vec![span(1, id)]);
    }
    assert!(matches!(slow.recv().await, Err(RecvError::Lagged(missed)) if missed > 1000));
    let mut last = None;
    while let Ok(change) = slow.try_recv() {
        last = Some(change);
    }
    assert_eq!(
        last,
        Some(Change::Trace {
            id: span(1, 1).trace_id,
            spans: store.latest(1)[0].spans.len()
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_finds_what_is_there_and_what_comes() {
    let store = Arc::new(Store::new(8 << 20));
    store.insert_spans(vec![span(1, 1)]);
    assert_eq!(
        store.wait_for_trace(1, LIMIT).await.unwrap().id,
        span(1, 1).trace_id
    );

    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.wait_for_trace(3000, LIMIT).await }
    });
    let writing = store.clone();
    // More changes than a subscriber may be behind.
    let writer = std::thread::spawn(move || {
        (1..=3000).for_each(|id| assert_eq!(writing.insert_spans(vec![span(2, id)]), 0))
    });
    assert_eq!(waiting.await.unwrap().unwrap().id, span(2, 1).trace_id);
    writer.join().unwrap();

    let found = store.wait_for(LIMIT, |store| (!store.logs().is_empty()).then_some("a log"));
    let (found, _) = tokio::join!(found, async { store.insert_logs(vec![log("a".into())]) });
    assert_eq!(found.unwrap(), "a log");
}

#[tokio::test]
async fn waiting_goes_on_when_more_changes_come_at_once_than_it_is_told_of() {
    let store = Store::new(8 << 20);
    let mut looks = 0;
    let found = store.wait_for(LIMIT, |store| {
        looks += 1;
        if looks == 1 {
            (1..=3000).for_each(|id| assert_eq!(store.insert_spans(vec![span(1, id)]), 0));
            return None; // as if it had looked before these came
        }
        Some(store.latest(1)[0].spans.len())
    });
    assert_eq!(found.await.unwrap(), 3000);
    assert_eq!(looks, 2, "one look for all of them");
}

#[tokio::test]
async fn waiting_in_vain_ends_with_what_there_is_instead() {
    let store = Store::new(1 << 20);
    store.insert_spans(vec![span(1, 1), span(1, 2)]);
    let error = store
        .wait_for_trace(3, Duration::from_millis(50))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("00000000000000000000000000000001 (2 spans: span 1, span 2)"),
        "{error}"
    );
}
