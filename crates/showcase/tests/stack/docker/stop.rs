//! `docker stop`, while calls come in.

use std::time::Instant;

use super::load::Load;
use super::stack::{GRACE, Stack};
use super::start::print_memory;
use super::{PATIENCE, docker};

/// Before the stop; Jaeger keeps ten thousand traces, and all are looked at.
const CALLS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn docker_stop_under_load_ends_in_time_with_0_and_every_answered_call_is_in_jaeger() {
    let stack = Stack::up(&["up", "-d", "ping", "pong", "jaeger"], &[]).await;
    stack.healthy(&["ping", "pong", "jaeger"]).await;
    for (service, url, spans) in [("ping", stack.ping(), 5), ("pong", stack.pong(), 2)] {
        let container = stack.container(service);
        let answered = stop_under_load(service, &container, url).await;
        eprintln!("{service}: {} calls answered", answered.len());
        let jaeger = stack.jaeger();
        for id in answered {
            jaeger.wait_for(&id, spans, PATIENCE).await;
        }
    }
    stack.down();
}

/// Ids of the traces of all calls that were answered before the container had gone.
async fn stop_under_load(service: &str, container: &str, url: String) -> Vec<String> {
    let load = Load::on(url);
    load.answered(CALLS).await;
    print_memory(service, container);

    load.may_fail();
    let began = Instant::now();
    let name = container.to_owned();
    let stop = tokio::task::spawn_blocking(move || docker(&["stop", &name]));
    stop.await.unwrap();
    eprintln!(
        "{service} stopped in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let state = "{{.State.ExitCode}} {{.State.OOMKilled}}";
    let state = docker(&["inspect", "--format", state, container]);
    assert_eq!(
        state,
        "0 false",
        "{}",
        docker(&["logs", "--tail", "20", container])
    );
    assert!(began.elapsed() < GRACE);
    load.end().await
}
