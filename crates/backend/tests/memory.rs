//! What a backend takes of memory, in a process of its own: its bound is that of a few pages, however much it keeps.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "parts/process.rs"]
mod process;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span},
};
use process::Process;
use prost::Message;

/// What it may take beyond an idle one.
const MOST: usize = 64 << 20;

/// Spans of a request.
const BATCH: u64 = 500;

/// The span with a number, with the sizes of a real service's.
fn span(trace: u64, id: u64) -> Span {
    let text = |key: &str, length: usize| KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Value::StringValue("x".repeat(length))),
        }),
        ..KeyValue::default()
    };
    Span {
        trace_id: u128::from(trace).to_be_bytes().into(),
        span_id: id.to_be_bytes().into(),
        parent_span_id: (id / 2).to_be_bytes().into(),
        name: "GET /ping".into(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + id,
        end_time_unix_nano: 1_700_000_000_004_000_000 + id,
        attributes: vec![
            text("http.request.method", 3),
            text("http.route", 5),
            text("network.protocol.version", 3),
            text("server.address", 9),
            text("url.path", 5),
            text("url.scheme", 4),
            text("user_agent.original", 11),
        ],
        events: vec![span::Event {
            time_unix_nano: 1_700_000_000_003_000_000 + id,
            name: "Update metrics".into(),
            ..span::Event::default()
        }],
        ..Span::default()
    }
}

/// Sends spans numbered from 1, each in the trace that `trace` gives.
fn send(process: &Process, count: u64, trace: impl Fn(u64) -> u64) {
    let mut connection = TcpStream::connect(process.otlp_http).unwrap();
    for first in (1..=count).step_by(BATCH as usize) {
        let spans = (first..first + BATCH).map(|id| span(trace(id), id));
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource::default()),
                scope_spans: vec![ScopeSpans {
                    spans: spans.collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let body = request.encode_to_vec();
        let head =
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf";
        write!(
            connection,
            "{head}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        connection.write_all(&body).unwrap();
        let mut answer = [0; 1024];
        let length = connection.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
}

fn get(process: &Process, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(process.query).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    write!(connection, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
    connection
}

/// The rest of an answer, and how often `text` is in it.
fn count(mut answer: TcpStream, text: &str) -> usize {
    let mut all = Vec::new();
    answer.read_to_end(&mut all).unwrap();
    String::from_utf8(all).unwrap().matches(text).count()
}

#[track_caller]
fn assert_small(what: &str, process: &Process, idle: usize) {
    let grown = process.peak().saturating_sub(idle);
    println!("{what}: {} MiB", grown >> 20);
    assert!(grown < MOST, "{what}: {grown} bytes");
}

fn many_spans(spans: u64) {
    let process = Process::start(1 << 30);
    let idle = process.resident();
    send(&process, spans, |id| id.div_ceil(5));
    assert_small("many spans", &process, idle);
    let status = get(&process, "/api/status");
    assert_eq!(
        count(status, &format!("\"spans\":{spans},\"logs\"")),
        1,
        "all are kept"
    );
    let nowhere = get(&process, "/api/summaries?text=nowhere");
    assert_eq!(count(nowhere, "\"traces\":[]"), 1);
    assert_small("a search through all of them", &process, idle);
    assert_eq!(
        count(get(&process, "/api/summaries?limit=10000"), "\"root\""),
        10_000
    );
    assert_small("a long list of them", &process, idle);
}

#[test]
fn a_hundred_thousand_spans_take_no_more_memory_than_some_pages() {
    many_spans(100_000);
}

#[test]
#[ignore = "heavy: takes a minute or two"]
fn a_million_spans_take_no_more_memory_than_some_pages() {
    many_spans(1_000_000);
}

#[test]
fn a_trace_of_two_hundred_thousand_spans_takes_no_more_and_neither_do_sixty_readers_of_it() {
    const SPANS: u64 = 200_000;
    const READERS: usize = 60;
    let process = Process::start(1 << 30);
    let idle = process.resident();
    send(&process, SPANS, |_| 1);
    assert_small("a large trace", &process, idle);
    let id = format!("{:032x}", 1);
    let paths = [
        format!("/api/traces/{id}"),
        format!("/api/v3/traces/{id}"),
        "/api/export".to_owned(),
    ];
    // They read a little, and stay.
    let readers: Vec<_> = paths
        .iter()
        .cycle()
        .take(READERS)
        .map(|path| {
            let mut reader = get(&process, path);
            reader.read_exact(&mut [0; 64 << 10]).unwrap();
            reader
        })
        .collect();
    assert_small("sixty readers of it", &process, idle);
    drop(readers);
    assert_eq!(
        count(get(&process, &paths[0]), "\"spanID\":\"") as u64,
        2 * SPANS - 1
    );
    assert_small("a reader to the end", &process, idle);
    assert_eq!(
        count(
            get(&process, "/api/summaries"),
            &format!("\"spans\":{SPANS}")
        ),
        2
    );
    get(&process, "/api/map")
        .read_to_end(&mut Vec::new())
        .unwrap();
    assert_small("a summary and a map", &process, idle);
    let times =
        "query.start_time_min=2023-11-14T00:00:00Z&query.start_time_max=2023-11-15T00:00:00Z";
    let summaries = get(&process, &format!("/api/v3/trace-summaries?{times}"));
    assert_eq!(count(summaries, &format!("\"spanCount\":{SPANS}")), 2);
    assert_small("Jaeger's summary", &process, idle);
    let traces = get(&process, &format!("/api/v3/traces?{times}"));
    assert_eq!(count(traces, "\"spanId\":\"") as u64, SPANS);
    assert_small("a search that finds it", &process, idle);
}
