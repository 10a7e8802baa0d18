//! A backend in a process of its own, whose memory is measured.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by panicking, and each uses a part of it"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use backend::{Backend, Settings};

/// Says to [`process`] how large its store is.
const STARTED: &str = "BACKEND_STARTED_WITH_BYTES";

/// A backend in a process of its own.
pub(crate) struct Process {
    child: Child,
    _output: std::process::ChildStdout,
    pub(crate) otlp_http: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) zipkin: SocketAddr,
    pub(crate) query: SocketAddr,
}

impl Process {
    pub(crate) fn start(store_bytes: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "process::process"])
            .env(STARTED, store_bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let lines = output.by_ref().lines();
        let mut addresses = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("on ")?.parse().ok());
        let mut next = || addresses.next().unwrap();
        let [otlp_http, otlp_grpc, zipkin, query] = [next(), next(), next(), next()];
        Self {
            otlp_http,
            otlp_grpc,
            zipkin,
            query,
            child,
            _output: output.into_inner(),
        }
    }

    /// The most memory that it has ever used, in bytes.
    pub(crate) fn peak(&self) -> usize {
        self.memory("VmHWM:")
    }

    /// Memory that it uses now.
    pub(crate) fn resident(&self) -> usize {
        self.memory("VmRSS:")
    }

    fn memory(&self, which: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(which)).unwrap();
        let kilobytes = line.split_whitespace().nth(1).unwrap();
        kilobytes.parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the process that the others start; alone it ends at once"]
#[expect(
    clippy::disallowed_methods,
    reason = "its only setting, which the other tests give it"
)]
fn process() {
    let Ok(store_bytes) = std::env::var(STARTED) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let settings = Settings {
        store_bytes: store_bytes.parse().unwrap(),
        ..Settings::on_free_ports()
    };
    let backend = Backend::start(settings).unwrap();
    for address in [
        backend.otlp_http(),
        backend.otlp_grpc(),
        backend.zipkin(),
        backend.query(),
    ] {
        println!("\non {address}");
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(backend.stop());
}
