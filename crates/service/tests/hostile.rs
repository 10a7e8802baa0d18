//! Ten thousand connections that are up to no good: others are served, and memory stays within its budget.
//!
//! `cargo test -p serve-drained --test hostile -- --ignored --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod process;
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::{Client, within};
use tokio::process::Child;
use tokio::sync::Mutex;

const CONNECTIONS: usize = 10_000;
const MEMORY_BUDGET: u64 = 80 << 20;

/// Peak resident memory, in bytes.
fn peak_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

/// A new client now and then: how long it takes at most from connecting to the answer.
async fn good_client(address: SocketAddr) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        let mut client = within(Client::connect(address)).await.unwrap();
        assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    longest
}

/// Each attack needs most of the descriptors that a process may have.
static TURN: Mutex<()> = Mutex::const_new(());

async fn attack(name: &str, opening: Vec<u8>) {
    let _turn = TURN.lock().await;
    rlimit::increase_nofile_limit(CONNECTIONS as u64 + 1_000).unwrap();
    let (child, address) = process::serving().await;
    let good = tokio::spawn(good_client(address));

    let began = Instant::now();
    let mut hostile = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = within(Client::connect(address)).await.unwrap();
        // The server may have closed it already, to make room.
        let _ = client.send(&opening).await;
        hostile.push(client);
    }
    let took = began.elapsed();

    let during = good.await.unwrap();
    let after = good_client(address).await;
    let memory = peak_memory(&child);
    println!(
        "{name}: {CONNECTIONS} connections in {took:.1?}; a good client waited {during:.1?} at most while they came, \
         {after:.1?} afterwards; {} KiB at the peak",
        memory >> 10
    );
    assert!(memory < MEMORY_BUDGET, "{memory} bytes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy"]
async fn connections_that_say_nothing() {
    attack("silent", Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy"]
async fn heads_that_never_end() {
    let filling = "x".repeat(15 << 10);
    attack(
        "endless heads",
        format!("GET /hello HTTP/1.1\r\nX: {filling}").into_bytes(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy"]
async fn connections_kept_alive_for_nothing() {
    attack(
        "kept alive",
        b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "heavy"]
async fn http2_connections_that_ask_nothing() {
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    attack("HTTP/2", settings.to_vec()).await;
}
