//! Parts that stop and start, in any order.

use std::time::UNIX_EPOCH;

use reqwest::StatusCode;

use super::PATIENCE;
use super::stack::Stack;
use crate::parts::jaeger;
use crate::parts::within;

/// Parts in the order in which they stop, and in which they start.
const ORDERS: [(&[&str], &[&str]); 4] = [
    (
        &["jaeger", "prometheus", "grafana"],
        &["prometheus", "grafana", "jaeger"],
    ),
    (&["pong", "jaeger"], &["jaeger", "pong"]),
    (
        &["ping", "prometheus", "pong"],
        &["ping", "pong", "prometheus"],
    ),
    (
        &["grafana", "pong", "jaeger", "ping", "prometheus"],
        &["ping", "jaeger", "grafana", "pong", "prometheus"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn services_answer_while_other_parts_are_away_and_traces_and_metrics_come_back() {
    let stack = Stack::up(&["up", "-d"], &[]).await;
    everything_is_there(&stack).await;
    for (stop, start) in ORDERS {
        let mut away = Vec::new();
        for part in stop {
            stack.compose(&["stop", part]);
            away.push(*part);
            services_answer(&stack, &away).await;
        }
        for part in start {
            stack.compose(&["start", part]);
            away.retain(|name| name != part);
            services_answer(&stack, &away).await;
        }
        everything_is_there(&stack).await;
    }
    stack.down();
}

/// Those that are not away themselves.
async fn services_answer(stack: &Stack, away: &[&str]) {
    if !away.contains(&"pong") {
        stack.call(&stack.pong(), StatusCode::OK).await;
    }
    if away.contains(&"ping") {
        return;
    }
    if !away.contains(&"pong") {
        stack.call(&stack.ping(), StatusCode::OK).await;
        return;
    }
    // A name that is gone can take long to be looked up in vain: that is a gateway's time-out.
    let answered = within(PATIENCE, async || {
        let status = stack.http.get(stack.ping()).send().await.ok()?.status();
        let errors = [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT];
        errors.contains(&status).then_some(())
    });
    assert!(answered.await.is_some(), "{away:?}");
}

/// A new trace is whole, and both services have been scraped since.
async fn everything_is_there(stack: &Stack) {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    // Spans of a moment at which Jaeger was still away are lost: a trace may need another try.
    let found = within(PATIENCE, async || {
        let id = stack.call(&stack.ping(), StatusCode::OK).await;
        let jaeger = stack.jaeger();
        let limit = std::time::Duration::from_secs(10);
        let trace = within(limit, async || {
            let trace = jaeger.trace(&id).await?;
            (jaeger::spans_of(&trace).len() == 5).then_some(trace)
        });
        trace.await
    });
    let trace = found.await.expect("a trace of five spans");
    assert_eq!(jaeger::chain(&trace), jaeger::one_ping());

    let fresh = format!("up == 1 and timestamp(up) > {now}");
    stack.prometheus().results(&fresh, 2, PATIENCE).await;
}
