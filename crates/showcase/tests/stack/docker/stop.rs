//! `docker stop`, while calls come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::stack::{GRACE, Stack};
use super::start::print_memory;
use super::{PATIENCE, docker};
use crate::parts::caller::{trace_id, traceparent};
use crate::parts::client;
use crate::parts::within;

/// Before the stop; Jaeger keeps ten thousand traces, and all are looked at.
const CALLS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn docker_stop_under_load_ends_in_time_with_0_and_every_answered_call_is_in_jaeger() {
    let stack = Stack::up(&["up", "-d", "ping", "pong", "jaeger"], &[]).await;
    stack.healthy(&["ping", "pong", "jaeger"]).await;
    for (service, url, spans) in [("ping", stack.ping(), 5), ("pong", stack.pong(), 2)] {
        let container = stack.container(service);
        let answered = stop_under_load(service, &container, &url).await;
        eprintln!("{service}: {} calls answered", answered.len());
        let jaeger = stack.jaeger();
        for id in answered {
            jaeger.wait_for(&id, spans, PATIENCE).await;
        }
    }
    stack.down();
}

/// Ids of the traces of all calls that were answered before the container had gone.
async fn stop_under_load(service: &str, container: &str, url: &str) -> Vec<String> {
    let count = Arc::new(AtomicUsize::new(0));
    let stopping = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let caller = Caller {
                url: url.to_owned(),
                count: count.clone(),
                stopping: stopping.clone(),
            };
            tokio::spawn(caller.call_until_it_is_gone())
        })
        .collect();
    let enough = within(PATIENCE, async || {
        (count.load(Ordering::Relaxed) >= CALLS).then_some(())
    });
    assert!(enough.await.is_some(), "{url} does not answer");
    print_memory(service, container);

    stopping.store(true, Ordering::Relaxed);
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

    let mut answered = Vec::new();
    for caller in callers {
        answered.extend(caller.await.unwrap());
    }
    answered
}

struct Caller {
    url: String,
    count: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Caller {
    async fn call_until_it_is_gone(self) -> Vec<String> {
        let http = client();
        let mut answered = Vec::new();
        loop {
            let id = trace_id();
            let call = http.get(&self.url).header("traceparent", traceparent(&id));
            match call.send().await {
                Ok(answer) if answer.status().is_success() => answered.push(id),
                unanswered => {
                    let stopping = self.stopping.load(Ordering::Relaxed);
                    assert!(stopping, "{unanswered:?}");
                    return answered;
                }
            }
            self.count.fetch_add(1, Ordering::Relaxed);
            // Some hundred calls a second in all: the stop is under load, not under a flood.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
