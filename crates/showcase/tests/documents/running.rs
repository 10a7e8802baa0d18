//! The showcase, running, as whoever follows the documents has it.

use std::process::Stdio;

use backend::{Backend, Settings};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::PATIENCE;

/// Dropped, it is killed, and its children end with it.
pub(crate) struct Showcase {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) printed: String,
    ping: String,
    pong: String,
}

impl Showcase {
    /// On free ports, with nothing but these variables, until it says what to do.
    pub(crate) async fn start(env: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_showcase"))
            .args(["--ping-port", "0", "--pong-port", "0", "--page-port", "0"])
            .args([
                "--otlp-port",
                "0",
                "--otlp-grpc-port",
                "0",
                "--zipkin-port",
                "0",
            ])
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A receiver that ends before it leaves it with spans to complain of.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut showcase = Self {
            _process: process,
            lines,
            printed: String::new(),
            ping: String::new(),
            pong: String::new(),
        };
        showcase.read_to("pong's: port").await;
        showcase.ping = showcase.port_after("curl http://localhost:");
        showcase.pong = showcase.port_after("pong's: port ");
        showcase
    }

    fn port_after(&self, text: &str) -> String {
        let (_, after) = self.printed.split_once(text).unwrap();
        after.chars().take_while(char::is_ascii_digit).collect()
    }

    /// Reads up to the line that contains `text`.
    pub(crate) async fn read_to(&mut self, text: &str) {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else {
                panic!("no {text:?} in\n{}", self.printed);
            };
            self.printed.push_str(&line);
            self.printed.push('\n');
            if line.contains(text) {
                return;
            }
        }
    }

    pub(crate) async fn ping(&self, path: &str, headers: &[(&str, &str)]) -> String {
        get(&self.ping, path, headers).await
    }

    pub(crate) async fn pong(&self, path: &str) -> String {
        get(&self.pong, path, &[]).await
    }
}

async fn get(port: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let client = reqwest::Client::builder()
        .no_proxy()
        .user_agent("curl/8.5.0")
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let request = client.get(format!("http://127.0.0.1:{port}{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.unwrap().text().await.unwrap()
}

/// A receiver of the test's own, and the variable that leads a showcase's spans to it.
pub(crate) fn receiver() -> (Backend, (&'static str, String)) {
    let address = ([127, 0, 0, 1], 0).into();
    let backend = Backend::start(Settings {
        otlp_http: address,
        ..Settings::on_free_ports()
    })
    .unwrap();
    let endpoint = format!("http://{}/v1/traces", backend.otlp_http());
    (backend, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint))
}
