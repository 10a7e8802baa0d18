//! SIGTERM and SIGINT.

use reqwest::StatusCode;

use crate::pair::{Pair, backend, settings};
use crate::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_answers_what_was_asked_and_flushes_every_span() {
    let pair = Pair::start_with(
        // Nothing would be sent within the test but by the flush.
        &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")],
        &[
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
            ("PONG_LATENCY", "300ms"),
        ],
    );
    let requests: Vec<_> = (0..8)
        .map(|_| tokio::spawn(pair.request("/ping").send()))
        .collect();
    pair.metrics_with("url_scheme=\"http\"} 8\n").await;
    pair.ping.signal("TERM");
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().status(), StatusCode::OK);
    }

    let ended = [pair.ping.wait(), pair.pong.stop()];
    for ended in &ended {
        assert!(
            ended.status.success() && ended.stderr.is_empty(),
            "{ended:#?}"
        );
    }
    let traces = pair.backend.store().latest(10);
    assert_eq!(traces.len(), 8);
    traces
        .iter()
        .for_each(|trace| drop(crate::traces::chain(trace)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_stops_as_sigterm_does() {
    let backend = backend();
    let mut pong = Process::start("pong", settings(&backend, &[]));
    pong.url();
    pong.signal("INT");
    let ended = pong.wait();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_missing_collector_loses_is_said_and_is_no_failure_of_the_service() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .unwrap()
        .to_string();
    let pair = Pair::start_with(&[("JAEGER_ADDRESS", &nobody)], &[]);
    assert_eq!(pair.get("/ping").await.status(), StatusCode::OK);
    let ended = pair.ping.stop();
    assert!(ended.status.success(), "{ended:#?}");
    assert!(
        ended.stderr.contains("telemetry was lost") && ended.stderr.contains("3 spans"),
        "{ended:#?}"
    );
}
