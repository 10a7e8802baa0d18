//! A real Collector, configured as the one of `docker-compose.yml` is, before a real Jaeger and a real Zipkin.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;

use crate::PATIENCE;
use crate::jaeger::Jaeger;
use crate::pair::{Pair, client};
use crate::parts::caller::{trace_id, traceparent};
use crate::parts::jaeger;
use crate::parts::ports::free_port;
use crate::parts::within;
use crate::program::{Program, repository};

struct Zipkin {
    program: Program,
    address: String,
}

impl Zipkin {
    /// Takes its time: see [`Self::ready`].
    fn start() -> Self {
        let port = free_port();
        let program = Program::start("zipkin", |command, _| {
            command.args([
                "--armeria.ports[0].ip=127.0.0.1".to_owned(),
                format!("--armeria.ports[0].port={port}"),
                "--armeria.ports[0].protocols[0]=http".to_owned(),
            ]);
        });
        Self {
            program,
            address: format!("127.0.0.1:{port}"),
        }
    }

    async fn ready(&self) {
        let health = format!("http://{}/health", self.address);
        self.program.ready(&health).await;
    }

    /// The trace of that id once it has `spans` spans.
    async fn trace(&self, id: &str, spans: usize) -> Vec<Value> {
        let url = format!("http://{}/api/v2/trace/{id}", self.address);
        let found = within(PATIENCE, async || {
            let answer = client().get(&url).send().await.ok()?.text().await.ok()?;
            let trace: Vec<Value> = serde_json::from_str(&answer).ok()?;
            (trace.len() == spans).then_some(trace)
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("not {spans} spans of {id} in Zipkin"))
    }
}

/// Starts a Collector that sends to both, and says where it takes OTLP by HTTP.
fn collector(jaeger: &Jaeger, zipkin: &Zipkin) -> (Program, String) {
    let [http, grpc] = std::array::from_fn(|_| format!("127.0.0.1:{}", free_port()));
    let program = Program::start("otelcol-contrib", |command, _| {
        command
            .arg("--config")
            .arg(repository("collector/collector.yml"));
        for (endpoint, address) in [
            ("receivers.otlp.protocols.http", http.clone()),
            ("receivers.otlp.protocols.grpc", grpc),
            (
                "exporters.otlp_http/jaeger",
                format!("http://{}", jaeger.otlp),
            ),
            (
                "exporters.zipkin",
                format!("http://{}/api/v2/spans", zipkin.address),
            ),
        ] {
            command.arg(format!("--set={endpoint}.endpoint={address}"));
        }
    });
    (program, http)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger, otelcol-contrib, zipkin"]
async fn the_collector_hands_on_errors_and_slow_traces_whole_to_jaeger_and_zipkin_and_no_others() {
    let zipkin = Zipkin::start();
    let jaeger = Jaeger::start().await;
    let (_collector, otlp) = collector(&jaeger, &zipkin);
    zipkin.ready().await;

    let receiver = ("JAEGER_ADDRESS", otlp.as_str());
    let good = Pair::start_with(&[receiver], &[receiver]);
    let slow = Pair::start_with(&[receiver], &[receiver, ("PONG_LATENCY", "400ms")]);
    let failing = Pair::start_with(&[receiver], &[receiver, ("PONG_FAILURE_RATE", "1")]);

    let fast = fast(&good).await;
    // So its spans are with the Collector before anything of the others can be.
    good.stop();
    let kept = [(&slow, StatusCode::OK), (&failing, StatusCode::BAD_GATEWAY)];
    let mut ids = Vec::new();
    for (pair, status) in kept {
        let id = trace_id();
        let context = traceparent(&id);
        let answer = pair.get_with("/ping", &[("traceparent", &context)]).await;
        assert_eq!(answer.status(), status);
        ids.push(id);
    }

    for id in &ids {
        let trace = jaeger.api.wait_for(id, 5, PATIENCE).await;
        let names: Vec<_> = jaeger::chain(&trace)
            .into_iter()
            .map(|span| span.name)
            .collect();
        assert_eq!(names, NAMES);

        let trace = zipkin.trace(id, 5).await;
        let mut parent = Value::from("00000000000c0ffe");
        for (name, service) in NAMES.iter().zip(SERVICES) {
            let span = trace.iter().find(|span| span["parentId"] == parent);
            let span = span.unwrap_or_else(|| panic!("no child of {parent}: {trace:#?}"));
            // Zipkin knows small letters only.
            assert_eq!(span["name"], name.to_lowercase());
            assert_eq!(span["localEndpoint"]["serviceName"], service);
            parent = span["id"].clone();
        }
    }
    assert_eq!(jaeger.api.trace(&fast).await, None);
}

const NAMES: [&str; 5] = [
    "GET /ping",
    "ping-request",
    "GET",
    "GET /pong",
    "pong-request",
];
const SERVICES: [&str; 5] = ["ping", "ping", "ping", "pong", "pong"];

/// The trace of a call that was answered at once, even on a machine that stumbles.
async fn fast(pair: &Pair) -> String {
    let found = within(PATIENCE, async || {
        let id = trace_id();
        let context = traceparent(&id);
        let began = Instant::now();
        let answer = pair.get_with("/ping", &[("traceparent", &context)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        (began.elapsed() < Duration::from_millis(200)).then_some(id)
    });
    found.await.expect("a fast answer")
}
