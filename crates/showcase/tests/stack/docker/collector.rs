//! The profile `collector`.

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::stack::Stack;
use super::{PATIENCE, docker};
use crate::parts::caller::{trace_id, traceparent};
use crate::parts::jaeger;
use crate::parts::within;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn with_the_collector_errors_and_slow_traces_reach_jaeger_and_fast_good_ones_do_not() {
    let settings = [("JAEGER_ADDRESS", "collector:4318")];
    let stack = Stack::up(&["--profile", "collector", "up", "-d"], &settings).await;
    stack.healthy(&["ping", "pong", "jaeger"]).await;

    // Calls before this one could have found the Collector not there yet.
    let fast = within(PATIENCE, async || {
        traced_within(&stack, Duration::from_millis(200)).await
    });
    let fast = fast.await.expect("a fast answer");
    let slow = slow(&stack).await;
    let jaeger = stack.jaeger();
    let trace = jaeger.wait_for(&slow, 5, PATIENCE).await;
    assert_eq!(jaeger::chain(&trace), jaeger::one_ping());

    stack.compose(&["stop", "pong"]);
    let failed = [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT];
    let error = within(PATIENCE, async || {
        let id = trace_id();
        let call = stack
            .http
            .get(stack.ping())
            .header("traceparent", traceparent(&id));
        let status = call.send().await.ok()?.status();
        failed.contains(&status).then_some(id)
    });
    let error = error.await.expect("ping fails without pong");
    jaeger.wait_for(&error, 3, PATIENCE).await;

    assert_eq!(jaeger.trace(&fast).await, None);
    stack.down();
}

/// The id of a call's trace if the call was answered well within `limit`.
async fn traced_within(stack: &Stack, limit: Duration) -> Option<String> {
    let began = Instant::now();
    let id = stack.call(&stack.ping(), StatusCode::OK).await;
    (began.elapsed() < limit).then_some(id)
}

/// The id of the trace of a call during which pong stood still for a second.
async fn slow(stack: &Stack) -> String {
    let pong = stack.container("pong");
    docker(&["pause", &pong]);
    let id = trace_id();
    let call = stack
        .http
        .get(stack.ping())
        .header("traceparent", traceparent(&id));
    let call = tokio::spawn(call.send());
    tokio::time::sleep(Duration::from_secs(1)).await;
    docker(&["unpause", &pong]);
    assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    id
}
