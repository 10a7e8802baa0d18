//! The bound of the store against what the process really grows by. Alone in its process: nothing else may allocate.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, sync::Arc};

use backend::{Attributes, Event, Resource, Scope, Span, SpanKind, Status, Store, Value};

const LIMIT: usize = 32 << 20;

/// Memory of the process that is in use, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// The sizes of a span of a real service; from a resource and a scope that all share, or a resource each.
fn span(trace: u64, id: u64, resource: &Arc<Resource>) -> Span {
    let text = |length: usize| Value::String("x".repeat(length));
    Span {
        trace_id: u128::from(trace)
            .to_be_bytes()
            .as_slice()
            .try_into()
            .unwrap(),
        span_id: id.to_be_bytes().as_slice().try_into().unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 1,
        name: "GET /ping".into(),
        kind: SpanKind::Server,
        start_unix_nanos: trace,
        end_unix_nanos: trace,
        status: Status::default(),
        attributes: Attributes::from([
            ("http.request.method", text(3)),
            ("http.response.status_code", 200.into()),
            ("http.route", text(5)),
            ("network.protocol.version", text(3)),
            ("server.address", text(9)),
            ("server.port", 8081.into()),
            ("url.path", text(5)),
            ("url.scheme", text(4)),
            ("user_agent.original", text(11)),
        ]),
        dropped_attributes_count: 0,
        events: vec![Event {
            unix_nanos: 0,
            name: "Update metrics".into(),
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
        }],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        resource: resource.clone(),
        scope: Arc::new(Scope {
            name: "Ping".into(),
            ..Scope::default()
        }),
    }
}

fn resource(instance: u64) -> Arc<Resource> {
    let attributes = Attributes::from([
        ("service.name", "Ping".into()),
        ("service.instance.id", instance.to_string().into()),
    ]);
    Arc::new(Resource {
        attributes,
        ..Resource::default()
    })
}

#[test]
fn the_process_grows_by_no_more_than_the_bound_and_a_quarter() {
    let before = resident();
    for (spans_a_trace, resources) in [(5, 1), (1, u64::MAX), (2000, 1)] {
        let store = Store::new(LIMIT);
        let mut inserted = 0;
        let mut traces = 0;
        // Enough to replace everything a few times.
        while inserted < 80_000 {
            traces += 1;
            let resource = resource(traces % resources);
            assert_eq!(
                store.insert_spans(
                    (1..=spans_a_trace)
                        .map(|id| span(traces, id, &resource))
                        .collect()
                ),
                0
            );
            inserted += spans_a_trace;
        }
        let (grown, kept, estimated) = (
            resident().saturating_sub(before),
            store.latest(usize::MAX),
            store.bytes(),
        );
        let spans: usize = kept.iter().map(|trace| trace.spans.len()).sum();
        println!(
            "{spans_a_trace} spans a trace: {} traces, {spans} spans, {} bytes a span, estimated {estimated}, really {grown}",
            kept.len(),
            estimated / spans
        );
        assert!(estimated > LIMIT / 2, "full");
        assert!(
            grown < LIMIT + LIMIT / 4,
            "{grown} bytes for a bound of {LIMIT}"
        );
    }
}
