//! What the page says under *Connect* works for Rust: its settings, with the example that it leads to. Those of the other
//! languages are run by `crates/backend/tests/senders`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Stdio, time::Duration};

use backend::{Backend, Settings};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// For whatever has to happen; far more than it takes.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_service_in_rust_is_connected_as_the_page_says() {
    let page = include_str!("../web/model/snippets.js");
    let (_, settings) = page.split_once("const SETTINGS = `").unwrap();
    let (settings, _) = settings.split_once("`;").unwrap();
    let (_, rust) = page.split_once("  Rust: {\n").unwrap();
    assert!(rust.contains("program: \"crates/showcase/examples/orders_stock.rs\""));

    let backend = Backend::start(Settings::on_free_ports()).unwrap();
    let settings = settings.replace("ADDRESS", &backend.otlp_http().to_string());
    // Cargo builds the examples with the tests, beside their folder.
    let tests = std::env::current_exe().unwrap();
    let example = tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/orders_stock");
    let script = format!("{settings}\nexec {}", example.display());
    let mut service = Command::new("bash")
        .args(["-euc", &script])
        .env("ADDRESS", "127.0.0.1:0")
        .env("STOCK", "http://127.0.0.1:9/")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("it says where it is");
        if line.starts_with("http://") {
            break line;
        }
    };
    // Nothing answers it there, which is told too.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .get(format!("{address}/orders/7"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 502);
    let everything = backend.store().wait_for(LIMIT, |store| {
        let logs = store.logs();
        let log = logs
            .iter()
            .find(|log| log.body == "stock was counted".into());
        let span = store.services().contains(&"Orders".to_owned());
        (span && log.is_some() && !store.metrics().is_empty()).then_some(())
    });
    everything.await.unwrap();
    drop(service);
    backend.stop().await;
}
