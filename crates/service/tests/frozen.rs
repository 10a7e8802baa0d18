//! Time in which the service did not run is not its clients' silence.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;
mod serving;
mod support;

use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use service::{Limits, Readiness};
use support::{Client, within};

const LIMIT: Duration = Duration::from_secs(2);

/// Much more than [`LIMIT`] and what is added to it before a connection is cut.
const FREEZE: Duration = Duration::from_secs(8);

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: test\r\n\r\n";

/// A service whose only thread can be held: nothing of it runs then.
fn serve_on_a_thread() -> std::net::SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = service::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let app = Router::new()
                .route("/hello", get(async || "hello"))
                .route(
                    "/slow",
                    get(async || {
                        tokio::time::sleep(LIMIT / 2).await;
                        "slow"
                    }),
                )
                .route("/freeze", get(async || std::thread::sleep(FREEZE)));
            let limits = Limits {
                idle: Some(LIMIT),
                answer: Some(LIMIT),
                ..Limits::default()
            };
            let never = std::future::pending();
            service::serve(listener, app, Readiness::default(), limits, never).await;
        });
    });
    told.recv().unwrap()
}

#[tokio::test]
async fn requests_from_before_and_during_a_freeze_are_answered() {
    let address = serve_on_a_thread();
    let mut idle = Vec::new();
    let mut asking = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(address).await.unwrap();
        assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
        idle.push(client);
    }
    for _ in 0..20 {
        let mut client = Client::connect(address).await.unwrap();
        let request = "GET /slow HTTP/1.1\r\nHost: test\r\n\r\n";
        client.send(request).await.unwrap();
        asking.push(client);
    }
    let mut holds = Client::connect(address).await.unwrap();
    let request = "GET /freeze HTTP/1.1\r\nHost: test\r\n\r\n";
    holds.send(request).await.unwrap();
    tokio::time::sleep(LIMIT).await;
    for client in &mut idle[..10] {
        client.send(HELLO).await.unwrap();
    }
    for client in &mut asking {
        let answer = within(client.answer()).await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "slow"));
    }
    for client in &mut idle[..10] {
        assert_eq!(within(client.answer()).await.unwrap().status, 200);
    }
    for client in &mut idle[10..] {
        assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
    }
    // It is not forgiven for ever.
    assert_eq!(within(idle[0].rest()).await, b"");
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "heavy"]
async fn process_that_was_stopped_for_longer_than_all_limits_answers_everything() {
    let (child, address) = process::serving().await;
    let signal = async |name: &str| {
        let id = child.id().unwrap().to_string();
        let mut kill = tokio::process::Command::new("kill");
        assert!(kill.args([name, &id]).status().await.unwrap().success());
    };
    for freeze in [25, 35] {
        let mut clients = Vec::new();
        for number in 0..200 {
            let mut client = Client::connect(address).await.unwrap();
            assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
            if number % 2 == 0 {
                let slow = "GET /slow HTTP/1.1\r\nHost: test\r\n\r\n";
                client.send(slow).await.unwrap();
            }
            clients.push(client);
        }
        signal("-STOP").await;
        for client in clients.iter_mut().skip(1).step_by(2) {
            client.send(HELLO).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(freeze)).await;
        signal("-CONT").await;
        let mut lost = 0;
        for client in &mut clients {
            let answer = within(client.answer()).await;
            lost += usize::from(answer.is_err() || answer.unwrap().status != 200);
        }
        assert_eq!(lost, 0, "after {freeze} s");
    }
}
