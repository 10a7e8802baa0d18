//! A service of many routes: its series are kept apart, and memory has room for all of them.

#![cfg(target_os = "linux")] // reads /proc
#![expect(
    clippy::unwrap_used,
    reason = "what is unwrapped here is what a test relies on"
)]

#[path = "../../ping/src/caller.rs"]
mod caller; // as one copies it

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use caller::{Caller, PerCaller};
use instrumentation::client::Client;
use instrumentation::server::Layer;
use reqwest::{Method, Request, Url};
use service::{About, Readiness};
use telemetry::{Losses, Service, Settings, Telemetry, Tracer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SHOP: Service = Service::new("Shop", "1.0.0");

const ABOUT: About = About {
    name: "shop",
    version: "1.0.0",
    summary: "Has many routes.",
    settings: &[],
    endpoints: &[],
    telemetry: true,
};

const STATUSES: [u16; 4] = [200, 201, 404, 500];

/// What no service here may exceed, in bytes.
const MEMORY: u64 = 80 << 20;

const PATIENCE: Duration = Duration::from_secs(60);

fn telemetry() -> Telemetry {
    let env = |name: &str| (name == "OTEL_TRACES_EXPORTER").then(|| "none".into());
    telemetry::build(SHOP, &Settings::from_env(&env).unwrap()).unwrap()
}

/// Serves so many routes, each of which answers the status that its path names, until the runtime ends.
async fn shop(telemetry: &Telemetry, routes: usize) -> SocketAddr {
    let meter = telemetry.meter("shop");
    let layer = Layer::new(telemetry.tracer("Shop"), &meter, telemetry.propagator())
        .with_exemplars(telemetry.exemplars());
    let requests = meter.u64_counter("requests").build();
    let per_caller = Arc::new(PerCaller::new(move |attributes| requests.bind(attributes)));
    let answer = async move |Path(status): Path<u16>, caller: Caller| {
        per_caller.get(caller).add(1);
        StatusCode::from_u16(status).unwrap()
    };
    let router = (0..routes).fold(Router::new(), |router, number| {
        router.route(
            &format!("/departments/{number}/{{status}}"),
            get(answer.clone()),
        )
    });
    let readiness = Readiness::default();
    let metrics = telemetry.exposition().map(openmetrics::route);
    let router = service::operations(router.layer(layer), &ABOUT, metrics, readiness.clone());
    let listener = service::listen("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(service::serve(
        listener,
        router,
        readiness,
        service::Limits::default(),
        std::future::pending::<()>(),
    ));
    address
}

/// A client that takes all these names for the shop's.
fn client(telemetry: &Telemetry, names: usize, shop: SocketAddr) -> Client<Tracer> {
    let http = (0..names).fold(
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .pool_max_idle_per_host(0),
        |http, number| http.resolve(&format!("shop-{number}"), shop),
    );
    let meter = telemetry.meter("shop");
    Client::new(
        http.build().unwrap(),
        telemetry.tracer("Shop"),
        &meter,
        telemetry.propagator(),
    )
    .with_exemplars(telemetry.exemplars())
}

/// Asks for each status of each route, by a name for each route.
async fn visit(client: &Client<Tracer>, routes: usize, port: u16) {
    for number in 0..routes {
        for status in STATUSES {
            let url = format!("http://shop-{number}:{port}/departments/{number}/{status}");
            let mut request = Request::new(Method::GET, Url::parse(&url).unwrap());
            let agent = format!("agent-{number}-{}", "x".repeat(240))
                .parse()
                .unwrap();
            request.headers_mut().insert("user-agent", agent);
            let response = client.fetch(request, 1024).await.unwrap();
            assert_eq!(response.status(), status);
        }
    }
}

async fn scrape(shop: SocketAddr, accept: &str, encoding: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(shop).await.unwrap();
    stream.write_all(&question(accept, encoding)).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn question(accept: &str, encoding: &str) -> Vec<u8> {
    format!(
        "GET /metrics HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAccept: {accept}\r\nAccept-Encoding: {encoding}\r\n\r\n"
    )
    .into_bytes()
}

/// The series of the exposition whose count begins with `count`, and how many of them have an exemplar.
fn series(exposition: &[u8], family: &str) -> (usize, usize) {
    let text = String::from_utf8_lossy(exposition);
    let count = format!("{family}_count{{");
    let bucket = format!("{family}_bucket{{");
    let lines = || text.lines();
    let counted = lines().filter(|line| line.starts_with(&count)).count();
    let exemplars = lines().filter(|line| line.starts_with(&bucket) && line.contains(" # {"));
    let mut labels: Vec<_> = exemplars
        .filter_map(|line| line.split_once(",le="))
        .map(|(labels, _)| labels.to_owned())
        .collect();
    labels.dedup();
    (counted, labels.len())
}

const OPENMETRICS: &str = "application/openmetrics-text";

const DURATIONS: [&str; 2] = [
    "http_server_request_duration_seconds",
    "http_client_request_duration_seconds",
];

#[tokio::test(flavor = "multi_thread")]
async fn thirty_routes_of_four_statuses_have_a_series_and_an_exemplar_each() {
    let telemetry = telemetry();
    let shop = shop(&telemetry, 30).await;
    visit(&client(&telemetry, 30, shop), 30, shop.port()).await;
    let exposition = scrape(shop, OPENMETRICS, "identity").await;
    let text = String::from_utf8_lossy(&exposition);
    assert!(!text.contains("otel_metric_overflow"), "{text}");
    for family in DURATIONS {
        assert_eq!(series(&exposition, family), (120, 120), "{family}");
    }
    assert_eq!(telemetry.shutdown(PATIENCE).await, Losses::default());
}

/// A name of no test, to be skipped: the test harness lets no other argument through.
const CHILD: &str = "a-child-of-another-test";

/// The shop with all series in use, as a process of its own: it says its address, and ends with its input.
#[tokio::test(flavor = "multi_thread")]
async fn part_shop() {
    if !std::env::args().any(|argument| argument == CHILD) {
        return;
    }
    let telemetry = telemetry();
    let shop = shop(&telemetry, 500).await;
    eprintln!("{} KiB at rest", peak(std::process::id()) >> 10);
    visit(&client(&telemetry, 500, shop), 500, shop.port()).await;
    println!("\nshop: {shop}");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(telemetry.shutdown(PATIENCE).await, Losses::default());
}

/// Peak resident memory of a process, in bytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = peak.unwrap().trim_end_matches("kB").trim().parse().unwrap();
    kilobytes << 10
}

/// Server and client have 2,000 series each, and all that can be asked for is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn memory_has_room_for_all_series() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "part_shop", "--nocapture", "--skip", CHILD])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let shop = lines.find_map(|line| line.strip_prefix("shop: ")?.parse().ok());
    let shop: SocketAddr = shop.unwrap();
    let show = |what: &str| {
        let peak = peak(child.id());
        println!("{} KiB {what}", peak >> 10);
        peak
    };
    show("with all series");
    for (accept, encoding) in [
        (OPENMETRICS, "gzip"),
        (OPENMETRICS, "identity"),
        ("text/plain", "gzip"),
        ("text/plain", "identity"),
    ] {
        let length = scrape(shop, accept, encoding).await.len() >> 10;
        show(&format!("after {length} KiB of {accept}, {encoding}"));
    }
    let exposition = scrape(shop, OPENMETRICS, "identity").await;
    for family in DURATIONS {
        assert_eq!(series(&exposition, family), (2000, 2000), "{family}");
    }
    let text = String::from_utf8_lossy(&exposition);
    let callers = text
        .lines()
        .filter(|line| line.starts_with("requests_total{"));
    assert_eq!(callers.count(), 101);

    let mut unread = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(shop).await.unwrap();
        stream
            .write_all(&question(OPENMETRICS, "identity"))
            .await
            .unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        unread.push(stream);
    }
    // A Prometheus server, which takes it compressed, is served meanwhile.
    let compressed = scrape(shop, OPENMETRICS, "gzip").await;
    assert!(compressed.starts_with(b"HTTP/1.1 200 OK"));
    let peak = show("with scrapers that do not read");
    assert!(peak < MEMORY, "{} KiB", peak >> 10);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
