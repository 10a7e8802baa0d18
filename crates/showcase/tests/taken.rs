//! `docs/copy.md`, *Three ways*: a service that is not ours is built in an empty folder, outside of the workspace, with what
//! is taken from here, and its trace, log lines and metrics arrive at a receiver.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, http::Uri, routing::get};
use futures_util::StreamExt;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    trace::v1::Span,
};
use prost::Message;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{sleep, timeout},
};

/// For whatever has to happen; far more than it takes.
const LIMIT: Duration = Duration::from_secs(60);

const LIBRARIES: [&str; 8] = [
    "openmetrics-exposition",
    "otel-instrumentation-http",
    "otel-propagation",
    "otel-settings",
    "otel-setup",
    "otel-tracing-subscriber",
    "otlp-export",
    "serve-drained",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs cargo, git, tar and the registry"]
async fn each_of_three_ways_gives_a_service_its_trace_its_log_lines_and_its_metrics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let copy = std::fs::read_to_string(root.join("docs/copy.md")).unwrap();
    let manifests: Vec<_> = copy
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .filter(|text| text.starts_with("[dependencies]"))
        .collect();
    let [git, packaged, stock] = manifests[..] else {
        panic!("three ways, not {}", manifests.len())
    };
    let outside = std::env::temp_dir().join(format!("orders-{}", std::process::id()));
    for (way, dependencies, example) in [
        ("git", git, "orders"),
        ("packaged", packaged, "orders"),
        ("stock", stock, "orders_stock"),
    ] {
        let folder = outside.join(way);
        std::fs::create_dir_all(folder.join("src")).unwrap();
        if way == "packaged" {
            vendor(root, &folder);
        }
        let repository = format!("file://{}", root.display());
        let manifest = format!(
            "[package]\nname = \"orders\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n{}",
            dependencies.replace("REPOSITORY", &repository)
        );
        std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        // The versions that are tested here; whoever comes later gets newer ones.
        std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let source = root.join(format!("crates/showcase/examples/{example}.rs"));
        std::fs::copy(source, folder.join("src/main.rs")).unwrap();
        // With the workspace's folder and its profile most crates are built already.
        let target = root.join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet"]).current_dir(&folder);
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        run(cargo.env("CARGO_TARGET_DIR", &target));
        arrives(way, &target.join("debug/orders")).await;
    }
    std::fs::remove_dir_all(outside).unwrap();
}

/// The packages, unpacked.
fn vendor(root: &Path, folder: &Path) {
    let target = folder.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
    cargo.args(LIBRARIES.map(|name| ["-p", name]).as_flattened());
    run(cargo.current_dir(root).env("CARGO_TARGET_DIR", &target));
    std::fs::create_dir_all(folder.join("vendor")).unwrap();
    for name in LIBRARIES {
        let package: PathBuf = target.join(format!("package/{name}-0.1.0.crate"));
        // With the times of now: packages have one time for all files, and what an earlier run built would be taken for new.
        let mut tar = Command::new("tar");
        run(tar
            .args(["-C", "vendor", "-xmzf"])
            .arg(package)
            .current_dir(folder));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// What a receiver has got: paths and bodies.
type Received = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Answers OTLP, and is the shop's stock.
async fn receiver() -> (SocketAddr, Received) {
    let received = Received::default();
    let kept = received.clone();
    let app = Router::new()
        .route("/stock", get(async || "7"))
        .fallback(async move |uri: Uri, body: Bytes| {
            kept.lock().unwrap().push((uri.path().to_owned(), body));
        })
        .layer(DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    (address, received)
}

async fn arrives(way: &str, program: &Path) {
    let (receiver, received) = receiver().await;
    let mut orders = tokio::process::Command::new(program)
        .env_clear()
        .env("ADDRESS", "127.0.0.1:0")
        .env("STOCK", format!("http://{receiver}/stock"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"))
        .env("OTEL_LOGS_EXPORTER", "otlp")
        .env("OTEL_METRICS_EXPORTER", "otlp,prometheus")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(orders.stdout.take().unwrap()).lines();
    let url = timeout(LIMIT, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("http://") {
                return line;
            }
        }
        panic!("{way}: it has ended");
    });
    let url = url.await.unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

    let answer = reqwest::get(format!("{url}/orders/42")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "order 42\n", "{way}");
    let live = url.replace("http://", "ws://") + "/live";
    let (mut socket, _) = tokio_tungstenite::connect_async(live).await.unwrap();
    let hello = timeout(LIMIT, socket.next()).await.unwrap();
    assert_eq!(hello.unwrap().unwrap().into_text().unwrap(), "hello");
    drop(socket);
    // A round of the job.
    sleep(Duration::from_millis(1_200)).await;

    let pid = Pid::from_raw(orders.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = timeout(LIMIT, orders.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{way}: {status}");

    let bodies = |signal: &str| -> Vec<Bytes> {
        let received = received.lock().unwrap();
        let of_signal = received.iter().filter(|(path, _)| path == signal);
        of_signal.map(|(_, body)| body.clone()).collect()
    };
    let spans: Vec<Span> = bodies("/v1/traces")
        .into_iter()
        .flat_map(|body| {
            ExportTraceServiceRequest::decode(body)
                .unwrap()
                .resource_spans
        })
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("{way}: no {name} in {spans:#?}"))
    };
    let (server, order, client) = (named("GET /orders/{id}"), named("order"), named("GET"));
    assert_eq!(order.parent_span_id, server.span_id, "{way}");
    assert_eq!(client.parent_span_id, order.span_id, "{way}");
    assert!(named("count").parent_span_id.is_empty(), "{way}");

    let lines: Vec<_> = bodies("/v1/logs")
        .into_iter()
        .flat_map(|body| {
            ExportLogsServiceRequest::decode(body)
                .unwrap()
                .resource_logs
        })
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .collect();
    let of_order = lines.iter().find(|line| line.span_id == order.span_id);
    assert!(of_order.is_some(), "{way}: {lines:#?}");

    let names: Vec<_> = bodies("/v1/metrics")
        .into_iter()
        .flat_map(|body| {
            ExportMetricsServiceRequest::decode(body)
                .unwrap()
                .resource_metrics
        })
        .flat_map(|resource| resource.scope_metrics)
        .flat_map(|scope| scope.metrics)
        .map(|metric| metric.name)
        .collect();
    for name in [
        "http.server.request.duration",
        "http.client.request.duration",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{way}: {name} in {names:?}"
        );
    }
}
