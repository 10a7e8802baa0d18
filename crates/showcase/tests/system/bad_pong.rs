//! Every way in which pong can fail ping: what ping answers, what its telemetry says of it, and what remains.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Instant;

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::PATIENCE;
use crate::pair::{Pair, client, settings};
use crate::parts::ports::free_port;
use crate::parts::within;
use crate::peer::{Conduct, Peer};
use crate::process::Process;

const AT_A_TIME: usize = 8;
const ROUNDS: usize = 3;
const SENT: usize = AT_A_TIME * ROUNDS;

/// Descriptors that come and go by themselves.
const SLACK: u64 = 4;

enum Fault {
    /// It was there, and is gone.
    Gone,
    /// It is there and does nothing: a process that is stopped.
    Stopped,
    /// Something else is there.
    Peer(Conduct),
}

/// What becomes of each `/ping`.
struct Outcome {
    status: StatusCode,
    /// Of the client's span and metric: `http.response.status_code`, `error.type`.
    client: (Option<i64>, Option<&'static str>),
}

fn bad_gateway(status: Option<i64>, error_type: &'static str) -> Outcome {
    Outcome {
        status: StatusCode::BAD_GATEWAY,
        client: (status, Some(error_type)),
    }
}

fn timeout(status: Option<i64>) -> Outcome {
    Outcome {
        status: StatusCode::GATEWAY_TIMEOUT,
        client: (status, Some("timeout")),
    }
}

/// So many requests at the same time; how many were answered with which status.
async fn ask(pair: &Pair) -> BTreeMap<StatusCode, usize> {
    let mut requests: JoinSet<_> = (0..AT_A_TIME)
        .map(|_| pair.request("/ping").send())
        .collect();
    let mut statuses = BTreeMap::new();
    while let Some(answer) = requests.join_next().await {
        let answer = answer.unwrap().expect("ping answers");
        *statuses.entry(answer.status()).or_default() += 1;
        // Read to its end, or the connection would not be used again.
        answer.bytes().await.unwrap();
    }
    statuses
}

fn all(status: StatusCode) -> BTreeMap<StatusCode, usize> {
    BTreeMap::from([(status, AT_A_TIME)])
}

/// Waits until ping has no more than so many connections to that port.
async fn connections(port: u16, at_most: usize) {
    const ESTABLISHED: &str = "01";
    const CLOSE_WAIT: &str = "08";
    let port = format!(":{port:04X}");
    let mut open = 0;
    let few = within(PATIENCE, async || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let connections = table.lines().filter(|line| {
            let mut fields = line.split_whitespace().skip(2);
            fields.next().is_some_and(|peer| peer.ends_with(&port))
                && fields
                    .next()
                    .is_some_and(|state| [ESTABLISHED, CLOSE_WAIT].contains(&state))
        });
        open = connections.count();
        (open <= at_most).then_some(())
    });
    few.await
        .unwrap_or_else(|| panic!("{open} connections are left, not {at_most}"));
}

/// Starts a pair, has pong fail, and lets it come back.
async fn survive(fault: Fault, outcome: Outcome) {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    // Slow enough that all requests are under way together: each has a connection of its own, from the start.
    let for_pong = [("ADDRESS", address.as_str()), ("PONG_LATENCY", "50ms")];
    let mut pair = Pair::start_with(&[], &for_pong);
    assert_eq!(ask(&pair).await, all(StatusCode::OK));
    let before = pair.ping.usage();

    let is_stopped = matches!(fault, Fault::Stopped);
    let kept = match fault {
        Fault::Peer(Conduct::Says(_)) => AT_A_TIME,
        _ => 0,
    };
    if is_stopped {
        pair.pong.signal("STOP");
    } else {
        pair.pong.signal("KILL");
        connections(port, 0).await;
    }
    let peer = match fault {
        Fault::Peer(conduct) => Some(Peer::at(address.parse().unwrap(), conduct).await),
        Fault::Gone | Fault::Stopped => None,
    };
    for _ in 0..ROUNDS {
        assert_eq!(ask(&pair).await, all(outcome.status));
    }
    connections(port, kept).await;
    check_telemetry(&pair, &outcome).await;
    if let Some(peer) = &peer {
        // Asked once each time: an answer like that is neither followed nor asked for again.
        assert_eq!(peer.requests(), SENT);
    }
    let during = pair.ping.usage();

    drop(peer);
    if is_stopped {
        pair.pong.signal("CONT");
    } else {
        let env = settings(&pair.backend, &for_pong);
        pair.pong = Process::start("pong", env);
        pair.pong.url();
    }
    let back = Instant::now();
    let served = within(PATIENCE, async || {
        let answer = pair.get("/ping").await;
        (answer.status() == StatusCode::OK).then_some(())
    });
    served.await.expect("pong is back, and so are good answers");
    let back = back.elapsed();

    assert_eq!(ask(&pair).await, all(StatusCode::OK));
    let after = within(PATIENCE, async || {
        let usage = pair.ping.usage();
        (usage.descriptors <= before.descriptors + SLACK).then_some(usage)
    });
    let after = after.await.unwrap_or_else(|| {
        let now = pair.ping.usage();
        panic!("descriptors are leaked: {before:?}, then {during:?}, now {now:?}")
    });
    println!(
        "sent {SENT}, answered {} x {SENT}, error.type {:?}; good again {back:?} after pong's return; descriptors {} {} {}; peak {} KiB",
        outcome.status.as_u16(),
        outcome.client.1,
        before.descriptors,
        during.descriptors,
        after.descriptors,
        after.peak,
    );
}

/// The spans of all failed requests, and the metrics of both sides.
async fn check_telemetry(pair: &Pair, outcome: &Outcome) {
    let (status, error_type) = outcome.client;
    let server_status = outcome.status.as_u16().to_string();
    let found = pair.store().wait_for(PATIENCE, |store| {
        let traces = store.latest(SENT + AT_A_TIME);
        let spans = || traces.iter().flat_map(|trace| &trace.spans);
        let of_server = spans().filter(|span| {
            let error = span.attributes.get("error.type").and_then(|v| v.as_str());
            span.name == "GET /ping" && error == Some(&server_status)
        });
        let of_client = spans().filter(|span| {
            let get = |name| span.attributes.get(name);
            let error = get("error.type").and_then(|value| value.as_str());
            let code = get("http.response.status_code").cloned();
            span.name == "GET" && error == error_type && code == status.map(Into::into)
        });
        (of_server.count() == SENT && of_client.count() == SENT).then_some(())
    });
    found.await.unwrap_or_else(|late| panic!("{late}"));

    let error_type = error_type.map(|error| format!("error_type=\"{error}\""));
    let status = status.map(|status| format!("http_response_status_code=\"{status}\""));
    let of_client: Vec<_> = error_type.into_iter().chain(status).collect();
    counted(
        pair,
        "http_client_request_duration_seconds_count{",
        &of_client,
    )
    .await;
    let of_server = [format!("error_type=\"{server_status}\"")];
    counted(
        pair,
        "http_server_request_duration_seconds_count{",
        &of_server,
    )
    .await;
}

/// Waits for a series of that metric with those labels that has counted all requests.
async fn counted(pair: &Pair, metric: &str, labels: &[String]) {
    let found = within(PATIENCE, async || {
        let metrics = pair.get("/metrics").await.text().await.ok()?;
        let mut lines = metrics.lines().filter(|line| {
            line.starts_with(metric) && labels.iter().all(|label| line.contains(label))
        });
        lines.find(|line| line.ends_with(&format!(" {SENT}")))?;
        Some(())
    });
    found
        .await
        .unwrap_or_else(|| panic!("no {SENT} of {metric} {labels:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_is_gone_is_a_502() {
    survive(Fault::Gone, bad_gateway(None, "connection_refused")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_resets_connections_is_a_502() {
    let fault = Fault::Peer(Conduct::Resets);
    survive(fault, bad_gateway(None, "connection_reset")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_hangs_is_a_504() {
    survive(Fault::Stopped, timeout(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_hangs_within_its_answer_is_a_504() {
    let conduct = Conduct::Hangs("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\np");
    survive(Fault::Peer(conduct), timeout(Some(200))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_answers_a_byte_a_second_is_a_504() {
    let conduct = Conduct::Drips("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n");
    survive(Fault::Peer(conduct), timeout(Some(200))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_whose_head_comes_a_byte_a_second_is_a_504() {
    let conduct = Conduct::Drips("HTTP/1.1 200 OK\r\nX: ");
    survive(Fault::Peer(conduct), timeout(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_answers_garbage_is_a_502() {
    let conduct = Conduct::BreaksOff("\u{1}\u{2} no HTTP at all \u{0}\r\n\r\n");
    survive(Fault::Peer(conduct), bad_gateway(None, "invalid_response")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_answers_garbage_within_its_answer_is_a_502() {
    let conduct =
        Conduct::BreaksOff("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ngarbage\r\n");
    let outcome = bad_gateway(Some(200), "invalid_response");
    survive(Fault::Peer(conduct), outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_answers_a_megabyte_is_a_502() {
    let conduct = Conduct::Floods(
        "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n",
        1 << 20,
    );
    let outcome = bad_gateway(Some(200), "response_too_long");
    survive(Fault::Peer(conduct), outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_whose_head_is_a_megabyte_is_a_502() {
    let conduct = Conduct::Floods("HTTP/1.1 200 OK\r\nX: ", 1 << 20);
    survive(Fault::Peer(conduct), bad_gateway(None, "invalid_response")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_gives_half_an_answer_is_a_502() {
    let conduct = Conduct::BreaksOff("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npo");
    let outcome = bad_gateway(Some(200), "incomplete_response");
    survive(Fault::Peer(conduct), outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_that_redirects_is_a_502_and_is_not_followed() {
    let conduct =
        Conduct::Says("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    // A client that was redirected has no error, by the conventions; the server's span has one.
    let outcome = Outcome {
        status: StatusCode::BAD_GATEWAY,
        client: (Some(302), None),
    };
    survive(Fault::Peer(conduct), outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_whose_name_does_not_resolve_is_a_502() {
    // Longer than a label may be: no resolver asks anybody.
    let nowhere = format!("{}.invalid:8082", "a".repeat(64));
    let pair = Pair::start_with(&[("PONG_ENDPOINT", &nowhere)], &[]);
    for _ in 0..ROUNDS {
        assert_eq!(ask(&pair).await, all(StatusCode::BAD_GATEWAY));
    }
    check_telemetry(&pair, &bad_gateway(None, "dns")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pong_killed_while_it_answers_is_a_502() {
    let pair = Pair::start_with(&[], &[("PONG_LATENCY", "60s")]);
    let requests: Vec<_> = (0..AT_A_TIME)
        .map(|_| tokio::spawn(pair.request("/ping").send()))
        .collect();
    let http = client();
    let under_way = within(PATIENCE, async || {
        let metrics = http.get(format!("{}/metrics", pair.pong_url)).send().await;
        let metrics = metrics.ok()?.text().await.ok()?;
        let all = format!("url_scheme=\"http\"}} {AT_A_TIME}\n");
        metrics.contains(&all).then_some(())
    });
    under_way.await.expect("pong has all requests");
    pair.pong.signal("KILL");
    for request in requests {
        let answer = request.await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    }
    // The kernel resets what it has to, and closes the rest.
    let found = pair.store().wait_for(PATIENCE, |store| {
        let traces = store.latest(AT_A_TIME);
        let spans = traces.iter().flat_map(|trace| &trace.spans);
        let broken = spans.filter(|span| {
            let error = span.attributes.get("error.type").and_then(|v| v.as_str());
            span.name == "GET" && matches!(error, Some("incomplete_response" | "connection_reset"))
        });
        (broken.count() == AT_A_TIME).then_some(())
    });
    found.await.unwrap_or_else(|late| panic!("{late}"));
}
