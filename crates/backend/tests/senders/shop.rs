//! A shop of services in several languages: a storefront (Node) asks two instances of a stock (Go) and the payments
//! (Python). Orders (Java) come on their own.
//!
//! What they send is recorded in a file, which other tests load: telemetry of real SDKs, with causes to find. Coffee is
//! slow, from the stock; cards of one kind are slow, from the payments; large amounts are declined; milk is not sold.
//! `bash crates/backend/tests/senders/record` writes it anew.

use std::{collections::BTreeSet, path::Path, time::Duration};

use backend::{Backend, Store};
use serde_json::Value;
use tokio::time::sleep;

use crate::program::{self, Program, Server};

const RECORDED: &str = "../showcase/tests/browser/recorded.jsonl";

const VISITS: usize = 36;

/// Between two visits, so that metrics have a course.
const PAUSE: Duration = Duration::from_millis(250);

/// Sends to `backend` as `name`. Resources say nothing of the machine.
fn of_shop(program: Program, backend: &Backend, name: &str, instance: &str) -> Program {
    let resource = format!("deployment.environment.name=test,service.instance.id={instance}");
    let endpoint = format!("http://{}", backend.otlp_http());
    [
        ("OTEL_SERVICE_NAME", name),
        ("OTEL_RESOURCE_ATTRIBUTES", &resource),
        ("OTEL_NODE_RESOURCE_DETECTORS", "env"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "2000"),
    ]
    .into_iter()
    .fold(program, |program, (name, value)| program.env(name, value))
}

/// Visits the shop, and returns the backend that has heard of it.
async fn visited() -> Backend {
    let backend = Backend::start(backend::Settings::on_free_ports()).unwrap();
    let stock = |instance: &'static str| {
        let exponential = "base2_exponential_bucket_histogram";
        of_shop(program::stock(), &backend, "stock", instance).env(
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            exponential,
        )
    };
    let payments = of_shop(program::payments(), &backend, "payments", "payments-1");
    let stocks = [
        Server::start(stock("stock-1")).await,
        Server::start(stock("stock-2")).await,
    ];
    let payments = Server::start(payments).await;
    let addresses = format!("{},{}", stocks[0].address, stocks[1].address);
    let storefront = of_shop(
        program::storefront(),
        &backend,
        "storefront",
        "storefront-1",
    )
    .env("STOCK", &addresses)
    .env("PAYMENTS", &payments.address);
    let storefront = Server::start(storefront).await;

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for visit in 0..VISITS {
        let item = ["tea", "cocoa", "tea", "coffee", "tea"][visit % 5];
        let item = if visit % 17 == 16 { "milk" } else { item };
        let card = if visit % 7 == 3 { "amex" } else { "visa" };
        let amount = if visit % 11 == 8 { 120 } else { 5 + visit };
        let address = &storefront.address;
        let url = format!("{address}/checkout?item={item}&card={card}&amount={amount}");
        client.get(url).send().await.unwrap();
        sleep(PAUSE).await;
    }
    of_shop(program::java(), &backend, "orders", "orders-1")
        .run()
        .await;
    for server in [storefront, payments].into_iter().chain(stocks) {
        server.stop().await;
    }
    backend
}

/// What there is in lines that were saved, without what differs from time to time.
fn contents(lines: &str) -> BTreeSet<String> {
    let store = Store::temporary(64 << 20).unwrap();
    assert_eq!(store.load(lines.as_bytes()).unwrap().faults, []);
    let mut contents = BTreeSet::new();
    for trace in store.latest(1000) {
        for span in &trace.spans {
            let (service, name, kind) = (span.service(), &span.name, span.kind);
            let status = span.status.code;
            contents.insert(format!("span {service} {name} {kind:?} {status:?}"));
        }
    }
    for log in store.logs() {
        let (service, severity) = (log.resource.service(), &log.severity_text);
        contents.insert(format!("log {service} {severity} {}", log.body.to_text()));
    }
    for line in lines
        .lines()
        .filter(|line| line.contains("resourceMetrics"))
    {
        let line: Value = serde_json::from_str(line).unwrap();
        // What Java's SDK says of itself depends on what it has done when it is asked.
        let of_shop = metrics(&line)
            .filter(|(scope, _)| !scope.to_string().starts_with("\"io.opentelemetry."));
        for (scope, metric) in of_shop {
            let kinds = ["gauge", "sum", "histogram", "exponentialHistogram"];
            let kind = kinds.into_iter().find(|kind| !metric[kind].is_null());
            let (name, unit) = (&metric["name"], &metric["unit"]);
            contents.insert(format!("metric {scope} {name} {unit} {kind:?}"));
        }
    }
    contents
}

/// Each metric with the name of its scope.
fn metrics(line: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    list(&line["resourceMetrics"]).flat_map(|of| {
        list(&of["scopeMetrics"]).flat_map(|of| {
            let scope = &of["scope"]["name"];
            list(&of["metrics"]).map(move |metric| (scope, metric))
        })
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[tokio::test]
#[ignore = "needs python3, node, go and java, and packages in target/programs and tests/senders/javascript"]
async fn the_recording_of_the_shop_is_what_its_services_send() {
    let backend = visited().await;
    for receiver in backend.received() {
        assert_eq!(receiver.refused, 0, "{receiver:?}");
    }
    let mut lines = Vec::new();
    backend.store().save(&mut lines).unwrap();
    // Python's stack traces name its files.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let lines = lines.replace(root.to_str().unwrap(), "/shop");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recorded.jsonl");
    std::fs::write(&file, &lines).unwrap();
    println!("recorded: {}", file.display());
    backend.stop().await;

    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    let recorded = std::fs::read_to_string(&recorded);
    assert_eq!(contents(&recorded.expect(RECORDED)), contents(&lines));
}
