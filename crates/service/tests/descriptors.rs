//! Few descriptors, which connections share with the calls that their requests need.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod process;
mod serving;
mod support;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use service::Limits;
use serving::Serving;
use support::{Client, within};
use tokio::process::Command;

const CLIENTS: usize = 700;

#[tokio::test]
async fn calls_of_many_requests_at_once_find_descriptors_beside_the_connections() {
    // This process has the clients, and what is called.
    rlimit::increase_nofile_limit(10_000).unwrap();
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        "slow"
    };
    let app = Router::new().route("/slow", get(slow));
    let target = Serving::start(app, Limits::default()).await;

    let relay = process::example("relay");
    let mut limited = Command::new("prlimit");
    limited
        .arg("--nofile=1024:1024")
        .arg(relay.as_std().get_program())
        .env("TARGET", target.address.to_string())
        .env("ADDRESS", "127.0.0.1:0")
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let (_child, address) = process::listening(limited).await;

    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        // At once: who is slow to send gives way when there is no room.
        let mut client = within(Client::connect(address)).await.unwrap();
        let request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
        client.send(request).await.unwrap();
        clients.push(client);
    }
    let mut unanswered = 0;
    for client in &mut clients {
        let answer = within(client.answer()).await;
        unanswered += usize::from(!answer.is_ok_and(|answer| answer.status == 200));
    }
    assert_eq!(unanswered, 0, "of {CLIENTS}");
}
