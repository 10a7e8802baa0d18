//! What the store takes: time a span to receive, memory a span to keep, time to find the latest traces among many.
//!
//! ```sh
//! cargo bench -p backend --bench store
//! ```

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    hint::black_box,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use backend::{
    Attributes, Backend, Event, Query, Resource, Scope, Settings, Span, SpanKind, Status,
    StatusCode, Store,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    resource::v1 as resource,
    trace::v1::{self as trace, ResourceSpans, ScopeSpans},
};
use prost::Message;

/// Spans of a trace: of a call from ping to pong.
const SPANS: u64 = 5;

/// What a batch processor sends at once.
const BATCH: usize = 512;

/// Bound of a store that is full soon.
const FULL: u64 = 256 << 20;

const NOW: u64 = 1_700_000_000_000_000_000;

const SERVICES: [&str; 2] = ["Ping", "Pong"];
const NAMES: [&str; SPANS as usize] = [
    "GET /ping",
    "ping-request",
    "GET",
    "GET /pong",
    "pong-request",
];

fn service_of(id: u64) -> usize {
    usize::from(id > 3)
}

fn start_of(trace: u64, id: u64) -> u64 {
    NOW + trace * 1_000_000 + id * 1_000
}

fn request(traces: std::ops::Range<u64>) -> Vec<u8> {
    let attribute = |key: &str, value: Any| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let text = |key: &str, value: &str| attribute(key, Any::StringValue(value.into()));
    let span = |trace: u64, id: u64| trace::Span {
        trace_id: u128::from(trace).to_be_bytes().into(),
        span_id: id.to_be_bytes().into(),
        parent_span_id: if id == 1 {
            vec![]
        } else {
            (id - 1).to_be_bytes().into()
        },
        flags: 0x101,
        name: NAMES[id as usize - 1].into(),
        kind: 2,
        start_time_unix_nano: start_of(trace, id),
        end_time_unix_nano: start_of(trace, id) + 4_000_000,
        attributes: vec![
            text("http.request.method", "GET"),
            attribute("http.response.status_code", Any::IntValue(200)),
            text("http.route", "/ping"),
            text("network.protocol.version", "1.1"),
            text("server.address", "localhost"),
            attribute("server.port", Any::IntValue(8081)),
            text("url.path", "/ping"),
            text("url.scheme", "http"),
            text("user_agent.original", "curl/8.5.0"),
        ],
        events: vec![trace::span::Event {
            time_unix_nano: start_of(trace, id) + 3_000_000,
            name: "Update metrics".into(),
            ..trace::span::Event::default()
        }],
        ..trace::Span::default()
    };
    let of_service = |service: usize| ResourceSpans {
        resource: Some(resource::Resource {
            attributes: vec![
                text("service.name", SERVICES[service]),
                text(
                    "service.instance.id",
                    "627cc493-f310-47de-96bd-71410b7dec09",
                ),
                text("telemetry.sdk.language", "rust"),
            ],
            ..resource::Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: SERVICES[service].into(),
                ..InstrumentationScope::default()
            }),
            spans: traces
                .clone()
                .flat_map(|trace| (1..=SPANS).map(move |id| (trace, id)))
                .filter(|(_, id)| service_of(*id) == service)
                .map(|(trace, id)| span(trace, id))
                .collect(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![of_service(0), of_service(1)],
    };
    request.encode_to_vec()
}

/// The spans of a trace as the receiver reads them; one in a hundred has an error, one in a thousand is slow.
fn spans(trace: u64, origins: &[(Arc<Resource>, Arc<Scope>)]) -> Vec<Span> {
    let span = |id: u64| {
        let (resource, scope) = &origins[service_of(id)];
        let fails = trace.is_multiple_of(100) && id > 3;
        let duration = if trace.is_multiple_of(1000) {
            1_000_000_000
        } else {
            4_000_000
        };
        Span {
            trace_id: u128::from(trace + 1)
                .to_be_bytes()
                .as_slice()
                .try_into()
                .unwrap(),
            span_id: id.to_be_bytes().as_slice().try_into().unwrap(),
            parent_span_id: (id > 1).then(|| (id - 1).to_be_bytes().as_slice().try_into().unwrap()),
            trace_state: String::new(),
            flags: 0x101,
            name: NAMES[id as usize - 1].into(),
            kind: SpanKind::Server,
            start_unix_nanos: start_of(trace, id),
            end_unix_nanos: start_of(trace, id) + duration,
            status: Status {
                code: if fails {
                    StatusCode::Error
                } else {
                    StatusCode::Unset
                },
                message: String::new(),
            },
            attributes: Attributes::from([
                ("http.request.method", "GET".into()),
                (
                    "http.response.status_code",
                    if fails { 500 } else { 200 }.into(),
                ),
                ("http.route", "/ping".into()),
                ("network.protocol.version", "1.1".into()),
                ("server.address", "localhost".into()),
                ("server.port", 8081.into()),
                ("url.path", "/ping".into()),
                ("url.scheme", "http".into()),
                ("user_agent.original", "curl/8.5.0".into()),
            ]),
            dropped_attributes_count: 0,
            events: vec![Event {
                unix_nanos: start_of(trace, id) + 3_000_000,
                name: "Update metrics".into(),
                attributes: Attributes::default(),
                dropped_attributes_count: 0,
            }],
            dropped_events_count: 0,
            links: vec![],
            dropped_links_count: 0,
            resource: resource.clone(),
            scope: scope.clone(),
        }
    };
    (1..=SPANS).map(span).collect()
}

fn origins() -> Vec<(Arc<Resource>, Arc<Scope>)> {
    let of_service = |service: &str| {
        let resource = Resource {
            attributes: Attributes::from([("service.name", service.into())]),
            ..Resource::default()
        };
        (Arc::new(resource), Arc::default())
    };
    SERVICES.map(of_service).into()
}

fn filled(traces: u64) -> Store {
    let store = Store::temporary(1 << 30).unwrap();
    fill(&store, traces);
    store
}

fn fill(store: &Store, traces: u64) {
    let origins = origins();
    for first in (0..traces).step_by(100) {
        let some = (first..first + 100).flat_map(|trace| spans(trace, &origins));
        assert_eq!(store.insert_spans(some.collect()), 0);
    }
    assert_eq!(store.len() as u64, traces);
}

/// A POST on a connection that stays open, and its answer.
fn post(connection: &mut TcpStream, body: &[u8]) {
    let length = body.len();
    write!(
        connection,
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    connection.write_all(body).unwrap();
    let mut answer = [0; 1024];
    let length = connection.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
}

fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest");
    let traces = BATCH as u64 / SPANS;
    group.throughput(Throughput::Elements(traces * SPANS));

    // Into a store that is full: for each trace another has to go.
    let store = Store::temporary(FULL).unwrap();
    let origins = origins();
    let mut next = 0..;
    let mut batch = || -> Vec<Span> {
        let some = next.by_ref().take(traces as usize);
        some.flat_map(|trace| spans(trace, &origins)).collect()
    };
    let first = batch();
    let oldest = first[0].trace_id;
    store.insert_spans(first);
    while store.trace(oldest).is_some() {
        store.insert_spans(batch());
    }
    group.bench_function("spans to a full store", |bencher| {
        bencher.iter_batched(
            &mut batch,
            |spans| store.insert_spans(spans),
            BatchSize::LargeInput,
        );
    });
    drop(store);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings {
        store_bytes: FULL,
        ..Settings::on_free_ports()
    };
    let backend = runtime
        .block_on(async { Backend::start(settings) })
        .unwrap();
    let mut connection = TcpStream::connect(backend.otlp_http()).unwrap();
    connection.set_nodelay(true).unwrap();
    let mut next = (1..).step_by(traces as usize);
    let mut body = || {
        let first = next.next().unwrap();
        request(first..first + traces)
    };
    post(&mut connection, &body());
    let oldest = backend.store().latest(1)[0].id;
    while backend.store().trace(oldest).is_some() {
        post(&mut connection, &body());
    }
    group.bench_function("OTLP over HTTP to a full store, one worker", |bencher| {
        bencher.iter_batched(
            &mut body,
            |body| post(&mut connection, &body),
            BatchSize::LargeInput,
        );
    });
    // One search after the other, each kind in its turn.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for (_, query) in queries().iter().cycle() {
                black_box(backend.store().search(query));
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        group.bench_function("the same while others search", |bencher| {
            bencher.iter_batched(
                &mut body,
                |body| post(&mut connection, &body),
                BatchSize::LargeInput,
            );
        });
        is_over.store(true, Ordering::Relaxed);
    });
    group.finish();
}

fn queries() -> Vec<(&'static str, Query)> {
    let of = |service: &str| Query {
        service: Some(service.into()),
        limit: 20,
        ..Query::default()
    };
    let pong = of("Pong");
    vec![
        ("of a service", pong.clone()),
        (
            "of an operation",
            Query {
                operation: Some("GET /pong".into()),
                ..pong.clone()
            },
        ),
        (
            "with errors, one in a hundred",
            Query {
                errors_only: true,
                ..pong.clone()
            },
        ),
        (
            "with errors, of which there are none",
            Query {
                errors_only: true,
                ..of("Ping")
            },
        ),
        (
            "slow, one in a thousand",
            Query {
                duration_min: Some(Duration::from_millis(500)),
                ..pong.clone()
            },
        ),
        (
            "slow, of which there are none",
            Query {
                duration_min: Some(Duration::from_secs(5)),
                ..pong.clone()
            },
        ),
        (
            "the oldest",
            Query {
                start_max_unix_nanos: Some(NOW + 1_000_000_000),
                ..pong.clone()
            },
        ),
        (
            "with an attribute, one in a hundred",
            Query {
                attributes: vec![("http.response.status_code".into(), "500".into())],
                ..pong.clone()
            },
        ),
        (
            "with an attribute, of which there are none",
            Query {
                attributes: vec![("http.response.status_code".into(), "404".into())],
                ..pong.clone()
            },
        ),
        (
            "with a text, of which there is none",
            Query {
                text: Some("nowhere".into()),
                ..Query::default()
            },
        ),
    ]
}

/// In what a thousand traces differ from a thousand others, over HTTP, among a hundred thousand.
fn differ(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings::on_free_ports();
    let backend = runtime
        .block_on(async { Backend::start(settings) })
        .unwrap();
    fill(backend.store(), 100_000);
    let ids = |first: u64| {
        let ids = (first..100_000).step_by(100);
        let ids = ids.map(|trace| format!("\"{:032x}\"", trace + 1));
        ids.collect::<Vec<_>>().join(",")
    };
    let question = format!("{{\"selected\":[{}],\"others\":[{}]}}", ids(0), ids(1));
    let url = format!("http://{}/api/differences", backend.query());
    let http = reqwest::blocking::Client::new();
    criterion.bench_function("differences of 1,000 traces from 1,000 others", |bencher| {
        bencher.iter(|| {
            let request = http.post(&url).header("content-type", "application/json");
            let answer = request.body(question.clone()).send().unwrap();
            let found = answer.text().unwrap();
            assert!(
                found.contains(
                    "\"key\":\"http.response.status_code\",\"value\":\"500\",\"selected\":1000"
                ),
                "{found}"
            );
        });
    });
}

/// How long others wait, at the longest, while four search for a text that no span has.
fn wait(_: &mut Criterion) {
    let store = filled(100_000);
    let queries = queries();
    let (_, text) = &queries[queries.len() - 1];
    let is_over = AtomicBool::new(false);
    let longest = |work: &dyn Fn(u64)| {
        let times = (0..2_000).map(|n| {
            let start = Instant::now();
            work(n);
            start.elapsed()
        });
        times.max().unwrap_or_default()
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    black_box(store.search(text));
                }
            });
        }
        let origins = origins();
        let insert = longest(&|n| {
            black_box(store.insert_spans(spans(1_000_000 + n, &origins)));
        });
        let find = longest(&|_| drop(black_box(store.search(&queries[0].1))));
        let read = longest(&|n| drop(black_box(store.trace(spans(n, &origins)[0].trace_id))));
        println!(
            "the longest wait of 2,000 while four search for a text: to insert {insert:.1?}, to find the latest {find:.1?}, \
            to read a trace {read:.1?}"
        );
        is_over.store(true, Ordering::Relaxed);
    });
}

fn search(criterion: &mut Criterion) {
    let queries = queries();
    for traces in [1_000, 10_000, 100_000] {
        let store = filled(traces);
        let (bytes, spans) = (store.bytes(), store.span_count() as u64);
        println!(
            "{traces} traces, {spans} spans: {} bytes a span",
            bytes / spans
        );
        for (what, query) in &queries {
            let mut group = criterion.benchmark_group(format!("latest 20 traces {what}"));
            group.bench_with_input(
                BenchmarkId::from_parameter(traces),
                query,
                |bencher, query| {
                    bencher.iter(|| black_box(store.search(query)));
                },
            );
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = ingest, wait, differ, search
}
criterion_main!(benches);
