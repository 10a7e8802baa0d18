//! What senders of junk can do to a receiver: a process of its own, whose memory is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod parts;
#[path = "parts/process.rs"]
mod process;

use std::{net::SocketAddr, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use parts::{field, gzip};
use process::Process;

/// Bound of the store of the process that is measured.
const STORE: u64 = 16 << 20;

/// What it may take above that: a request that is decoded, others that are received, connections.
const CONSTANT: usize = 512 << 20;

const LIMIT: Duration = Duration::from_secs(120);

fn within(path: &[u8], content: Vec<u8>) -> Vec<u8> {
    path.iter()
        .rev()
        .fold(content, |content, number| field(*number, &content))
}

/// Requests that are small when packed, and large in memory. Those of the first kind are taken, the others refused.
fn junk() -> [Vec<(&'static str, &'static str, Vec<u8>)>; 2] {
    const PROTOBUF: &str = "application/x-protobuf";
    const JSON: &str = "application/json";
    const MOST: usize = 499_000; // a little below the limit
    let empty = |path: &[u8]| {
        let (number, outer) = path.split_last().unwrap();
        within(outer, [number << 3 | 2, 0].repeat(MOST))
    };
    let in_json = |item: &str, count: usize| {
        let items = item.repeat(count);
        format!(
            r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{items} {{}}]}}]}}], "x": [{{}}]}}"#
        )
        .into_bytes()
    };
    let spans = (1..=490_000_u64).flat_map(|id| {
        let trace = field(1, &u128::from(id).to_be_bytes());
        field(2, &[trace, field(2, &id.to_be_bytes())].concat())
    });
    let spans: Vec<u8> = spans.collect();
    // Not UTF-8: the request is taken apart.
    let one_bad = [spans.as_slice(), &field(2, &field(5, b"\xff"))].concat();
    let services = (1..=80_000_u64).flat_map(|id| {
        let name = field(2, &field(1, id.to_string().as_bytes()));
        let resource = field(1, &field(1, &[field(1, b"service.name"), name].concat()));
        let span = [field(1, &[1; 16]), field(2, &id.to_be_bytes())].concat();
        field(1, &[resource, field(2, &field(2, &span))].concat())
    });
    let name = field(5, &vec![b'a'; 15 << 20]);
    let large = within(
        &[1, 2, 2],
        [field(1, &[1; 16]), field(2, &[1; 8]), name].concat(),
    );
    let taken = vec![
        ("/v1/traces", PROTOBUF, within(&[1, 2], spans)),
        ("/v1/traces", PROTOBUF, within(&[1, 2], one_bad)),
        ("/v1/traces", PROTOBUF, services.collect()),
        ("/v1/traces", PROTOBUF, large),
        ("/v1/traces", PROTOBUF, empty(&[1, 2, 2, 9])),
        ("/v1/logs", PROTOBUF, empty(&[1, 2, 2])),
        ("/v1/metrics", PROTOBUF, empty(&[1, 2, 2, 9, 1])),
        ("/v1/traces", JSON, in_json(r#"{"a":0},"#, MOST / 2)),
        (
            "/v1/traces",
            JSON,
            format!(r#"{{"x": [{}0]}}"#, "[0],".repeat(MOST)).into(),
        ),
    ];
    let refused = vec![
        ("/v1/traces", PROTOBUF, vec![0; 200 << 20]),
        (
            "/v1/traces",
            PROTOBUF,
            within(&[1, 2], [2 << 3 | 2, 0].repeat(4 * MOST)),
        ),
        ("/v1/traces", JSON, in_json(r#"{"a":0},"#, MOST)),
        ("/v1/traces", JSON, vec![b'['; 16 << 20]),
    ];
    [taken, refused]
}

/// What is sent at once is far more than that.
#[tokio::test]
#[ignore = "heavy: the backend takes half a gigabyte, and a minute"]
async fn junk_takes_no_more_memory_than_the_bound_of_the_store_and_a_constant() {
    let process = Process::start(STORE);
    let before = process.peak();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut senders = JoinSet::new();
    for (kind, requests) in junk().into_iter().enumerate() {
        for (path, content_type, body) in requests {
            let body = gzip(&body);
            assert!(body.len() < 3 << 20);
            for _ in 0..2 {
                let url = format!("http://{}{path}", process.otlp_http);
                let request = client.post(url).header("content-type", content_type);
                let request = request
                    .header("content-encoding", "gzip")
                    .body(body.clone());
                senders.spawn(async move {
                    loop {
                        let again = request.try_clone().unwrap();
                        match (again.send().await.unwrap().status().as_u16(), kind) {
                            (503, _) => sleep(Duration::from_secs(1)).await, // as `Retry-After` says
                            (200, 0) | (400 | 413, 1) => break,
                            (status, _) => panic!("{path} {content_type}: {status}"),
                        }
                    }
                });
            }
        }
    }
    senders.join_all().await;
    let grown = process.peak() - before;
    println!("{} MiB for a store of {} MiB", grown >> 20, STORE >> 20);
    assert!(grown < CONSTANT, "{grown}");
}

#[tokio::test]
#[ignore = "heavy: ten thousand connections"]
async fn ten_thousand_connections_that_say_nothing_leave_room_for_good_senders() {
    rlimit::increase_nofile_limit(11_000).unwrap();
    let process = Process::start(STORE);
    let before = process.peak();
    let ports = [process.otlp_http, process.otlp_grpc, process.zipkin];
    let mut silent = JoinSet::new();
    for connection in 0..10_000 {
        let address = ports[connection % ports.len()];
        silent.spawn(async move { TcpStream::connect(address).await });
    }
    // While they come, and when all are there. A connection may be cut before its request has come: then once more.
    served(&process).await;
    let connections = silent.join_all().await;
    served(&process).await;

    let open = connections
        .iter()
        .filter(|connection| connection.is_ok())
        .count();
    let grown = process.peak() - before;
    println!("{open} connections, {} MiB", grown >> 20);
    assert_eq!(open, 10_000);
    assert!(grown < CONSTANT);
}

/// A good sender for each protocol, that tries until it is served.
async fn served(process: &Process) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let post = async |address: SocketAddr, path: &str, body: &'static str| {
        let request = client.post(format!("http://{address}{path}")).body(body);
        let sent = request.header("content-type", "application/json").send();
        sent.await.ok().map(|answer| answer.status().as_u16())
    };
    let endpoint = format!("http://{}", process.otlp_grpc);
    let all = async {
        while post(process.otlp_http, "/v1/traces", "{}").await != Some(200) {}
        while post(process.zipkin, "/api/v2/spans", "[]").await != Some(202) {}
        loop {
            let connected = TraceServiceClient::connect(endpoint.clone()).await;
            if let Ok(mut client) = connected
                && client
                    .export(ExportTraceServiceRequest::default())
                    .await
                    .is_ok()
            {
                break;
            }
        }
    };
    timeout(LIMIT, all).await.unwrap();
}
