//! The showcase as whoever types `cargo run` has it.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{page::LIMIT, ports::free_port};

/// A running showcase. Dropped, it is killed, and its children with it.
pub(crate) struct Showcase {
    process: Child,
    /// What it has printed: where the page is.
    pub(crate) address: String,
    pub(crate) page: u16,
    otlp: u16,
}

impl Showcase {
    pub(crate) async fn start() -> Self {
        Self::on(free_port()).await
    }

    /// With its page on this port.
    pub(crate) async fn on(page: u16) -> Self {
        let otlp = free_port();
        let mut process = Command::new(env!("CARGO_BIN_EXE_showcase"))
            .args(["--ping-port", "0", "--pong-port", "0", "--zipkin-port", "0"])
            .args(["--otlp-grpc-port", "0", "--otlp-port", &otlp.to_string()])
            .args(["--page-port", &page.to_string()])
            .env_clear()
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let wanted = format!("http://localhost:{page}");
        let address = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(&wanted) {
                    return wanted;
                }
            }
            panic!("the showcase ended");
        };
        let address = timeout(LIMIT, address).await.expect("it says where it is");
        // Whoever reads no more must not stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            process,
            address,
            page,
            otlp,
        }
    }

    /// Sends spans, as OTLP's JSON, of which all are taken.
    pub(crate) async fn receive(&self, spans: &Value) {
        assert_eq!(self.send(spans).await, "{}", "all of them are taken");
    }

    /// Sends spans, as OTLP's JSON. Returns the answer.
    pub(crate) async fn send(&self, spans: &Value) -> String {
        self.post("/v1/traces", spans).await
    }

    /// Sends a message of OTLP's JSON to the path of its signal. Returns the answer.
    pub(crate) async fn post(&self, path: &str, message: &Value) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.otlp);
        let request = reqwest::Client::new().post(url);
        let request = request.header("content-type", "application/json");
        let answer = request.body(message.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    /// As a power cut would end it.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }
}
