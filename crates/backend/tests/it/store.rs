//! What the store keeps, in which order, and whom it tells.

use std::{sync::Arc, time::Duration};

use backend::{Attributes, Change, Query, Span, Status, StatusCode, Store};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::{
    LIMIT,
    plain::{self, log, of_service, span},
};

fn names(traces: &[backend::Trace]) -> Vec<Vec<&str>> {
    traces
        .iter()
        .map(|trace| trace.spans.iter().map(|span| span.name.as_str()).collect())
        .collect()
}

#[test]
fn spans_that_come_late_or_out_of_order_join_their_trace_by_start() {
    let store = Store::temporary(SMALL).unwrap();
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
    let store = Store::temporary(SMALL).unwrap();
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
    let store = Store::temporary(SMALL).unwrap();
    store.insert_spans(vec![span(1, 1)]);
    store.insert_spans(vec![span(2, 1)]);
    let traces = store.latest(2);
    let (one, other) = (&traces[0].spans[0], &traces[1].spans[0]);
    assert!(Arc::ptr_eq(&one.resource, &other.resource));
    assert!(Arc::ptr_eq(&one.scope, &other.scope));
}

/// The smallest store: tables and journal take half of it.
const SMALL: u64 = 1 << 20;

#[test]
fn the_oldest_trace_goes_first_and_whole_with_what_it_alone_had() {
    let store = Store::temporary(SMALL).unwrap();
    let service = |trace| format!("service {trace}");
    for trace in 1..=6000 {
        // Each from a service of its own, so that resources have to go as well.
        let resource = Arc::new(of_service(&service(trace)));
        let spans = (1..=1 + trace % 3).map(|id| Span {
            resource: resource.clone(),
            ..span(trace, id)
        });
        assert_eq!(store.insert_spans(spans.collect()), 0);
        assert!(store.bytes() <= SMALL, "{} after {trace}", store.bytes());
    }
    let kept = store.latest(usize::MAX);
    assert!((200..5000).contains(&kept.len()), "{}", kept.len());
    for (newest_first, trace) in (1..=6000_u64).rev().zip(&kept) {
        assert_eq!(trace.id, span(newest_first, 1).trace_id);
        assert_eq!(
            trace.spans.len() as u64,
            1 + newest_first % 3,
            "a trace goes whole"
        );
    }
    assert_eq!(store.len(), kept.len());
    assert_eq!(
        store.span_count(),
        kept.iter().map(|trace| trace.spans.len()).sum::<usize>()
    );
    let mut services: Vec<_> = kept.iter().map(|trace| trace.services()[0]).collect();
    services.sort();
    assert_eq!(store.services(), services);
    assert_eq!(store.latest_of(&service(1), 1), []);
    assert_eq!(store.latest_of(&service(6000), 1).len(), 1);
}

#[test]
fn a_late_span_does_not_make_its_trace_young_again() {
    let store = Store::temporary(SMALL).unwrap();
    store.insert_spans(vec![span(1, 1), span(2, 1)]);
    let mut ids = 2..;
    // Once it has gone, it begins anew.
    while store.latest(1)[0].id != span(1, 1).trace_id {
        store.insert_spans(ids.by_ref().take(100).map(|id| span(1, id)).collect());
    }
    assert!(store.trace(span(2, 1).trace_id).is_some());
}

#[test]
fn a_trace_larger_than_the_store_is_let_go_and_the_store_goes_on() {
    let store = Store::temporary(SMALL).unwrap();
    assert_eq!(
        store.insert_spans((1..20_000).map(|id| span(1, id)).collect()),
        0
    );
    assert!(store.bytes() <= SMALL);
    assert!(store.span_count() < 20_000, "{}", store.span_count());
    assert_eq!(store.insert_spans(vec![span(2, 1)]), 0);
    assert_eq!(names(&store.latest(1)), [["span 1"]]);
    assert_eq!(
        store.insert_spans((1..500).map(|trace| span(10 + trace, 1)).collect()),
        0
    );
    assert!(
        store.trace(span(2, 1).trace_id).is_some(),
        "the large one has left its room"
    );
}

#[test]
fn a_span_larger_than_a_quarter_of_the_store_is_refused_and_evicts_nothing() {
    let store = Store::temporary(SMALL).unwrap();
    store.insert_spans(vec![span(1, 1)]);
    let huge_resource = Arc::new(of_service(&"x".repeat(200_000)));
    let refused = store.insert_spans(vec![
        Span {
            name: "x".repeat(200_000),
            ..span(2, 1)
        },
        Span {
            resource: huge_resource,
            ..span(2, 2)
        },
    ]);
    assert_eq!(refused, 2);
    assert_eq!(names(&store.latest(10)), [["span 1"]]);
    assert_eq!(store.services(), ["Ping"]);
}

#[test]
fn a_span_that_comes_again_completes_the_first() {
    let store = Store::temporary(SMALL).unwrap();
    let first = Span {
        start_unix_nanos: 5,
        attributes: Attributes::from([("a", 1.into())]),
        ..span(1, 1)
    };
    let last = Span {
        start_unix_nanos: 5,
        end_unix_nanos: 9,
        name: "GET /ping".into(),
        attributes: Attributes::from([("a", 2.into()), ("b", 3.into())]),
        status: Status {
            code: StatusCode::Error,
            message: "broken".into(),
        },
        ..span(1, 1)
    };
    let completed = Span {
        attributes: Attributes::from([("a", 1.into()), ("b", 3.into())]),
        ..last.clone()
    };
    store.insert_spans(vec![first.clone()]);
    let mut changes = store.subscribe();
    store.insert_spans(vec![last.clone()]);
    assert_eq!(*store.latest(1)[0].spans[0], completed);
    let id = first.trace_id;
    assert_eq!(changes.try_recv(), Ok(Change::Trace { id, spans: 1 }));
    // What is known already changes nothing.
    store.insert_spans(vec![last, first]);
    assert_eq!(*store.latest(1)[0].spans[0], completed);
    assert_eq!(changes.try_recv(), Err(TryRecvError::Empty));

    let errors = Query {
        errors_only: true,
        operation: Some("GET /ping".into()),
        duration_min: Some(Duration::from_nanos(4)),
        ..Query::default()
    };
    assert_eq!(store.search(&errors).len(), 1);
    let operations = store.operations("Ping");
    assert_eq!(operations.len(), 1, "{operations:?}");
    assert_eq!(operations[0].name, "GET /ping");
}

#[test]
fn a_large_trace_is_whole_and_by_start_and_its_spans_count_once() {
    let store = Store::temporary(64 << 20).unwrap();
    let at = |id: u64| Span {
        start_unix_nanos: id * 7919 % 5000,
        parent_span_id: (id > 1).then(|| span(1, id / 2).span_id),
        ..span(1, id)
    };
    for batch in [1..300, 200..900, 1..5000] {
        assert_eq!(store.insert_spans(batch.map(at).collect()), 0);
    }
    assert_eq!(store.span_count(), 4999);
    let trace = store.trace(span(1, 1).trace_id).unwrap();
    let mut expected: Vec<_> = (1..5000).map(at).collect();
    expected.sort_by_key(|span| (span.start_unix_nanos, span.span_id));
    assert!(trace.spans.iter().map(|span| &**span).eq(&expected));
    assert!(trace.is_complete());
}

#[test]
fn traces_of_a_service_are_those_in_which_it_took_part() {
    let store = Store::temporary(SMALL).unwrap();
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
fn of_traces_and_logs_the_oldest_go_first() {
    let store = Store::temporary(SMALL).unwrap();
    store.insert_logs(vec![log("the first".into())]);
    store.insert_spans(vec![span(1, 1)]);
    let mut lines = 0..;
    let mut insert = || {
        let some = lines.by_ref().take(50);
        assert_eq!(
            store.insert_logs(some.map(|n| log(format!("line {n}"))).collect()),
            0
        );
        assert!(store.bytes() <= SMALL);
    };
    while store.logs()[0].body == "the first".into() {
        insert();
    }
    (0..200).for_each(|_| insert());
    assert_eq!(store.len(), 0, "it was older than the logs that are kept");
    let logs = store.logs();
    assert_eq!(logs.len(), store.log_count());
    let numbers = logs.iter().map(|log| {
        log.body.to_string()["line ".len()..]
            .parse::<usize>()
            .unwrap()
    });
    assert!(numbers.eq(lines.next().unwrap() - logs.len()..lines.next().unwrap() - 1));
    store.insert_spans(vec![span(2, 1)]);
    assert_eq!(store.len(), 1);
}

#[test]
fn metric_points_are_kept_in_the_order_in_which_they_came() {
    let store = Store::temporary(SMALL).unwrap();
    let all: Vec<_> = (0..5_u8)
        .map(|n| plain::metrics(&format!("metric {n}"), n.into()))
        .collect();
    for metrics in &all {
        assert!(store.insert_metrics(metrics.clone()));
    }
    let huge = plain::metrics(&"x".repeat(200_000), 1.0);
    assert!(!store.insert_metrics(huge), "a quarter of the store");
    let kept = store.metrics();
    let metrics = kept[0].scope_metrics[0].metrics.iter();
    let sent = all
        .iter()
        .map(|metrics| &metrics.scope_metrics[0].metrics[0]);
    assert!(kept.len() == 1 && metrics.eq(sent), "{kept:?}");
    assert_eq!(store.point_count(), 5);
}

#[tokio::test]
async fn a_subscriber_is_told_of_each_trace_once_a_batch_and_of_logs_and_metrics() {
    let store = Store::temporary(SMALL).unwrap();
    store.insert_spans(vec![span(9, 1)]); // before it listens
    let mut changes = store.subscribe();
    store.insert_spans(vec![span(1, 1), span(1, 2), span(1, 3)]);
    store.insert_spans(vec![span(1, 4)]);
    store.insert_logs(vec![log("a".into()), log("b".into())]);
    store.insert_metrics(plain::metrics("memory", 7.0));
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
    let store = Store::temporary(SMALL).unwrap();
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
    let store = Store::temporary(SMALL).unwrap();
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
    let store = Arc::new(Store::temporary(8 << 20).unwrap());
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
    let store = Store::temporary(8 << 20).unwrap();
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
    let store = Store::temporary(SMALL).unwrap();
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
