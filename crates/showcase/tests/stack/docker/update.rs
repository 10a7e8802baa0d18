//! Pong is replaced while calls come in.

use super::PATIENCE;
use super::load::Load;
use super::stack::Stack;

/// Before, between and after the updates. Jaeger keeps ten thousand traces, and all are looked at.
const CALLS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn a_rolling_update_of_pong_under_load_loses_no_request_and_no_span() {
    let services = ["ping", "pong", "pong-replica", "jaeger"];
    let start = ["--profile", "scale", "up", "-d"];
    let stack = Stack::up(&[&start[..], &services].concat(), &[]).await;
    stack.healthy(&services).await;

    let load = Load::on(stack.ping());
    load.answered(CALLS).await;
    for service in ["pong", "pong-replica"] {
        let before = stack.container(service);
        let replace = ["--no-deps", "--force-recreate", service];
        stack.compose(&[&start[..], &replace].concat());
        stack.healthy(&[service]).await;
        assert_ne!(stack.container(service), before);
        load.answered(CALLS).await;
    }
    let answered = load.end().await;
    eprintln!("{} calls answered", answered.len());

    let jaeger = stack.jaeger();
    for id in answered {
        jaeger.wait_for(&id, 5, PATIENCE).await;
    }
    stack.down();
}
