//! The bound of the store against what the process really grows by, in a process of its own for each load: what others
//! left free, or full of holes, must not count.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, fs, process::Command, sync::Arc};

use backend::{
    Attributes, Event, LogRecord, Query, Resource, Scope, Span, SpanId, SpanKind, Status, Store,
    Value,
};

const LIMIT: usize = 8 << 20;

/// What comes on top of the bound and a twentieth of it, however large the bound is: the batch being stored, a table that
/// grows while the old one is still there, memory that the allocator keeps, the code that has run.
const CONSTANT: usize = 4 << 20;

/// Memory of the process that is in use, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

/// The sizes of a span of a real service.
fn span(trace: u64, id: u64, resource: &Arc<Resource>) -> Span {
    let text = |length: usize| Value::String("x".repeat(length));
    Span {
        trace_id: u128::from(trace)
            .to_be_bytes()
            .as_slice()
            .try_into()
            .unwrap(),
        span_id: span_id(id),
        parent_span_id: Some(span_id(id + 1)),
        trace_state: String::new(),
        flags: 0x101,
        name: "GET /ping".into(),
        kind: SpanKind::Server,
        start_unix_nanos: 1_700_000_000_000_000_000 + trace,
        end_unix_nanos: 1_700_000_000_004_000_000 + trace,
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
            unix_nanos: 1_700_000_000_003_000_000 + trace,
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

fn span_id(id: u64) -> SpanId {
    id.to_be_bytes().as_slice().try_into().unwrap()
}

fn resource(service: &str) -> Arc<Resource> {
    let attributes = Attributes::from([
        ("service.name", service.into()),
        (
            "service.instance.id",
            "627cc493-f310-47de-96bd-71410b7dec09".into(),
        ),
    ]);
    Arc::new(Resource {
        attributes,
        ..Resource::default()
    })
}

/// The spans of trace number so and so.
type Load = fn(u64) -> Vec<Span>;

const LOADS: [(&str, Load); 8] = [
    ("five spans a trace", |trace| {
        let resource = resource("Ping");
        (1..=5).map(|id| span(trace, id, &resource)).collect()
    }),
    ("a service each", |trace| {
        vec![span(trace, 1, &resource(&format!("service {trace}")))]
    }),
    ("a name each", |trace| {
        vec![Span {
            name: format!("GET /ping/{trace}"),
            ..span(trace, 1, &resource("Ping"))
        }]
    }),
    ("a value each", |trace| {
        let url = format!("http://localhost:8081/ping?id={trace}");
        vec![Span {
            attributes: Attributes::from([("url.full", url.into()), ("id", (trace as i64).into())]),
            ..span(trace, 1, &resource("Ping"))
        }]
    }),
    ("thousands of spans a trace", |trace| {
        let resource = resource("Ping");
        (1..=2000).map(|id| span(trace, id, &resource)).collect()
    }),
    ("nothing but ids", |trace| {
        vec![Span {
            name: String::new(),
            attributes: Attributes::default(),
            events: vec![],
            parent_span_id: None,
            ..span(trace, 1, &Arc::default())
        }]
    }),
    ("huge values", |trace| {
        let value = format!("{trace}{}", "x".repeat(300_000));
        vec![Span {
            attributes: Attributes::from([
                ("text", value.into()),
                ("bytes", vec![0; 100_000].into()),
            ]),
            ..span(trace, 1, &resource("Ping"))
        }]
    }),
    ("times of any kind and a cycle", |trace| {
        let resource = resource("Ping");
        let timed = |id, start, end| Span {
            start_unix_nanos: start,
            end_unix_nanos: end,
            parent_span_id: Some(span_id(id % 4 + 1)),
            ..span(trace, id, &resource)
        };
        vec![
            timed(1, 0, 0),
            timed(2, u64::MAX, 0),
            timed(3, 0, u64::MAX),
            timed(4, u64::MAX, u64::MAX),
        ]
    }),
];

/// Inserts until the first trace has gone, and then twice as many again; how many spans were kept at most.
fn fill(store: &Store, load: Load) -> usize {
    let first = load(1)[0].trace_id;
    let (mut traces, mut full, mut most) = (0, u64::MAX, 0);
    while traces / 3 < full {
        traces += 1;
        assert_eq!(store.insert_spans(load(traces)), 0);
        assert!(store.bytes() <= LIMIT);
        most = most.max(store.span_count());
        if full == u64::MAX && store.trace(first).is_none() {
            full = traces;
        }
    }
    most
}

/// Of `store`, by which the process has grown since `before`.
fn assert_bounded(what: &str, store: &Store, before: usize, bound: usize) {
    let (grown, estimated) = (resident().saturating_sub(before), store.bytes());
    let (traces, spans) = (store.len(), store.span_count());
    println!(
        "{what}: {traces} traces, {spans} spans, {} bytes a span; estimated {estimated}, really {grown}",
        estimated / spans.max(1),
    );
    assert!(
        grown < bound + CONSTANT,
        "{what}: {grown} bytes for a bound of {LIMIT}"
    );
}

fn run(number: usize) {
    let before = resident();
    let store = Store::temporary(LIMIT).unwrap();
    let Some((what, load)) = LOADS.get(number) else {
        return after_others(&store, before);
    };
    fill(&store, *load);
    assert_bounded(what, &store, before, LIMIT + LIMIT / 20);
    assert!(store.bytes() > LIMIT / 2, "{what}: not full");
    let nowhere = Query {
        text: Some("nowhere".into()),
        ..Query::default()
    };
    assert_eq!(store.search(&nowhere), []);
    assert_bounded("after a search", &store, before, LIMIT + LIMIT / 20);
}

/// What one load needed is there for the next, but for the holes that its pieces leave, which are of another size.
fn after_others(store: &Store, before: usize) {
    let (_, usual) = LOADS[0];
    let alone = fill(store, usual);
    for (what, load) in [LOADS[1], LOADS[3]] {
        fill(store, load);
        assert_bounded(what, store, before, 2 * LIMIT);
    }
    for n in 0..20_000 {
        assert_eq!(store.insert_logs(vec![log(n)]), 0);
    }
    assert!(store.logs().len() > 1000);
    assert_bounded("logs", store, before, 2 * LIMIT);
    let most = fill(store, usual);
    assert_bounded("after others", store, before, 2 * LIMIT);
    assert!(most * 4 > alone * 3, "{most} spans, {alone} before"); // the logs have an eighth
}

fn log(n: u64) -> LogRecord {
    LogRecord {
        unix_nanos: n,
        observed_unix_nanos: n,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: format!("line {n}").into(),
        event_name: String::new(),
        attributes: Attributes::from([("n", (n as i64).into())]),
        dropped_attributes_count: 0,
        flags: 1,
        trace_id: Some(span(1 + n / 10, 1, &Arc::default()).trace_id),
        span_id: Some(span_id(1)),
        resource: resource("Ping"),
        scope: Arc::default(),
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "says to a process which load it is for"
)]
fn the_process_grows_by_no_more_than_the_bound_and_a_constant() {
    const LOAD: &str = "LOAD_OF_STORE";
    if let Ok(number) = env::var(LOAD) {
        return run(number.parse().unwrap());
    }
    for number in 0..=LOADS.len() {
        let mut of_its_own = Command::new(env::current_exe().unwrap());
        of_its_own.arg("--nocapture").env(LOAD, number.to_string());
        let output = of_its_own.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines()
            .filter(|line| line.contains("bytes a span"))
            .for_each(|line| println!("{line}"));
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{complained}");
    }
}
