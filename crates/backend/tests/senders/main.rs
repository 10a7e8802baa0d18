//! SDKs and clients of other languages send to the backend, and everything that they send arrives whole.
//!
//! Each folder beside this file has a program that anybody can copy, with its versions pinned. All send the same by
//! OpenTelemetry's API: an order that is refused ([`order`] says how it looks when it has arrived). Where to and as whom
//! comes from the variables that every OpenTelemetry SDK reads. Three more call one another: [`shop`] records what they
//! send, as something to look at. `.ci/run` installs what they need:
//!
//! | folder | needs |
//! | --- | --- |
//! | `python` | `pip install -r requirements.txt`, here into `target/programs/sender-python` |
//! | `javascript` | `npm ci`; for the browser, `esbuild browser.js --bundle --format=esm`, here into `target/programs/sender-browser` |
//! | `go` | nothing: `go run .` fetches it |
//! | `java` | `mvn dependency:copy-dependencies`, here into `target/programs/sender-java` |

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connect;
mod order;
mod program;
mod shop;

use std::{future::IntoFuture, path::Path};

use axum::{Router, response::Html, routing::get};
use backend::Backend;
use tokio::net::TcpListener;

use order::{Metrics, assert_arrived, assert_trace_arrived_by_zipkin, order_and_query};
use program::Program;

/// What `program` sends over OTLP, with more variables that SDKs read.
async fn arrives_whole(program: Program, protocol: &str, metrics: Metrics, more: &[(&str, &str)]) {
    let backend = Backend::start(backend::Settings::on_free_ports()).unwrap();
    let receiver = match protocol {
        "grpc" => backend.otlp_grpc(),
        _ => backend.otlp_http(),
    };
    let program = program
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{receiver}"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .env("OTEL_TRACES_EXPORTER", "otlp")
        .env("OTEL_LOGS_EXPORTER", "otlp")
        .env("OTEL_METRICS_EXPORTER", "otlp");
    let program = more
        .iter()
        .fold(program, |program, (name, value)| program.env(name, value));
    program.run().await;
    assert_arrived(&backend, metrics);
    backend.stop().await;
}

/// Packed, with sums and histograms of the other kinds: from the last export on, and with exponential buckets.
async fn arrives_whole_in_other_kinds(program: Program, protocol: &str, metrics: Metrics) {
    let more = [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
        ),
    ];
    arrives_whole(program, protocol, metrics, &more).await;
}

macro_rules! arrives_whole {
    ($($name:ident, $in_other_kinds:ident: $program:ident, $protocol:literal, $other_metrics:ident, $needs:literal;)*) => {
        $(#[tokio::test]
        #[ignore = $needs]
        async fn $name() {
            arrives_whole(program::$program(), $protocol, Metrics::Usual, &[]).await;
        }

        #[tokio::test]
        #[ignore = $needs]
        async fn $in_other_kinds() {
            arrives_whole_in_other_kinds(program::$program(), $protocol, Metrics::$other_metrics).await;
        })*
    };
}

arrives_whole! {
    what_python_sends_by_http_arrives_whole, what_python_sends_by_http_in_other_kinds_arrives_whole:
        python, "http/protobuf", DeltaAndExponential, "needs python3, and packages in target/programs/sender-python";
    what_python_sends_by_grpc_arrives_whole, what_python_sends_by_grpc_in_other_kinds_arrives_whole:
        python, "grpc", DeltaAndExponential, "needs python3, and packages in target/programs/sender-python";
    what_node_sends_by_http_arrives_whole, what_node_sends_by_http_in_other_kinds_arrives_whole:
        node, "http/protobuf", Delta, "needs node, and packages in tests/senders/javascript";
    what_node_sends_in_json_arrives_whole, what_node_sends_in_json_in_other_kinds_arrives_whole:
        node, "http/json", Delta, "needs node, and packages in tests/senders/javascript";
    what_node_sends_by_grpc_arrives_whole, what_node_sends_by_grpc_in_other_kinds_arrives_whole:
        node, "grpc", Delta, "needs node, and packages in tests/senders/javascript";
    what_go_sends_by_http_arrives_whole, what_go_sends_by_http_in_other_kinds_arrives_whole:
        go, "http/protobuf", DeltaAndExponential, "needs go";
    what_go_sends_by_grpc_arrives_whole, what_go_sends_by_grpc_in_other_kinds_arrives_whole:
        go, "grpc", DeltaAndExponential, "needs go";
    what_java_sends_by_http_arrives_whole, what_java_sends_by_http_in_other_kinds_arrives_whole:
        java, "http/protobuf", DeltaAndExponential, "needs java, and packages in target/programs/sender-java";
    what_java_sends_by_grpc_arrives_whole, what_java_sends_by_grpc_in_other_kinds_arrives_whole:
        java, "grpc", DeltaAndExponential, "needs java, and packages in target/programs/sender-java";
}

/// The page has another origin than the receiver: the browser asks first whether it may send.
#[tokio::test]
#[ignore = "needs chromium, and the page's script in target/programs/sender-browser"]
async fn what_a_web_page_sends_arrives_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let html = Html("<!doctype html><script type=module src=sender.js></script>");
    let script = (
        [("content-type", "text/javascript")],
        program::page_script(),
    );
    let page = Router::new()
        .route("/", get(html))
        .route("/sender.js", get(script));
    tokio::spawn(axum::serve(listener, page).into_future());

    let backend = Backend::start(backend::Settings {
        allowed_origins: vec![origin.clone()],
        ..backend::Settings::on_free_ports()
    });
    let backend = backend.unwrap();
    let browser = program::browser(&format!("{origin}/?http://{}", backend.otlp_http()));
    let all = backend.store().wait_for(program::LIMIT, |store| {
        let has_all =
            store.span_count() == 2 && store.logs().len() == 2 && !store.metrics().is_empty();
        has_all.then_some(())
    });
    all.await.unwrap();
    assert_arrived(&backend, Metrics::Usual);
    drop(browser);
    backend.stop().await;
}

/// A span's scope, status and resource are tags in Zipkin's format, and every value is a text.
async fn arrives_by_zipkin(program: Program, scope: [&str; 2], event: &str) {
    let backend = Backend::start(backend::Settings::on_free_ports()).unwrap();
    let endpoint = format!("http://{}/api/v2/spans", backend.zipkin());
    let program = program
        .env("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &endpoint)
        .env("OTEL_LOGS_EXPORTER", "none")
        .env("OTEL_METRICS_EXPORTER", "none");
    program.run().await;
    assert_trace_arrived_by_zipkin(&backend, scope, event);
    backend.stop().await;
}

#[tokio::test]
#[ignore = "needs python3, and packages in target/programs/sender-python"]
async fn what_python_sends_to_zipkin_arrives_with_its_status_and_scope() {
    let program = program::python().env("OTEL_TRACES_EXPORTER", "zipkin_json");
    let event = r#"{"stock read": {"rows": 2}}"#;
    arrives_by_zipkin(program, ["orders", "1.2.3"], event).await;
}

/// JavaScript's exporter sends no scope and no attributes of events.
#[tokio::test]
#[ignore = "needs node, and packages in tests/senders/javascript"]
async fn what_node_sends_to_zipkin_arrives_with_its_status() {
    let program = program::node().env("OTEL_TRACES_EXPORTER", "zipkin");
    arrives_by_zipkin(program, ["", ""], "stock read").await;
}

#[tokio::test]
#[ignore = "needs python3, and packages in target/programs/sender-python"]
async fn what_aiozipkin_sends_arrives_whole() {
    let backend = Backend::start(backend::Settings::on_free_ports()).unwrap();
    let endpoint = format!("http://{}/api/v2/spans", backend.zipkin());
    program::aiozipkin().arg(&endpoint).arg("shop").run().await;

    let (order, query) = order_and_query(&backend);
    assert_eq!((order.service(), query.service()), ("shop", "shop"));
    assert_eq!(
        order.attributes,
        backend::Attributes::from([("http.path", "/orders".into())])
    );
    assert_eq!(
        query.attributes,
        backend::Attributes::from([
            ("network.peer.address", "127.0.0.2".into()),
            ("network.peer.port", 5432.into()),
            ("service.peer.name", "stock".into()),
        ])
    );
    let [event] = &query.events[..] else {
        panic!("{query:?}");
    };
    assert_eq!(event.name, "stock read");
    assert!(order.start_unix_nanos <= query.start_unix_nanos);
    assert!(query.end_unix_nanos <= order.end_unix_nanos);
    backend.stop().await;
}

/// The table of senders in the crate's documentation.
#[test]
fn the_versions_in_the_documentation_are_those_that_send() {
    let documentation = include_str!("../../src/lib.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders");
    for (file, before, after, sender) in [
        (
            "python/requirements.txt",
            "opentelemetry-sdk==",
            "\n",
            "OpenTelemetry for Python",
        ),
        ("python/requirements.txt", "aiozipkin==", "\n", "aiozipkin"),
        (
            "javascript/package.json",
            "\"@opentelemetry/sdk-node\": \"",
            "\"",
            "OpenTelemetry for Node",
        ),
        (
            "javascript/package.json",
            "\"@opentelemetry/sdk-trace-web\": \"",
            "\"",
            "OpenTelemetry for the web",
        ),
        (
            "go/go.mod",
            "go.opentelemetry.io/otel v",
            "\n",
            "OpenTelemetry for Go",
        ),
        (
            "java/pom.xml",
            "<opentelemetry.version>",
            "<",
            "OpenTelemetry for Java",
        ),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let (_, version) = text.split_once(before).unwrap();
        let (version, _) = version.split_once(after).unwrap();
        let row = format!("//! | {sender} {version} |");
        assert!(documentation.contains(&row), "{row}");
    }
}
