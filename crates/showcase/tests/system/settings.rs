//! Wrong settings, and the line that says what is in effect.

use std::net::TcpListener;

use crate::PATIENCE;
use crate::pair::{Pair, Setting, backend, client, settings};
use crate::process::{Ended, Process};

fn refused(service: &str, setting: Setting<'_>) -> Ended {
    let ended = Process::start(service, [("ADDRESS", "127.0.0.1:0"), setting]).wait();
    assert_eq!(ended.status.code(), Some(2), "{setting:?}: {ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{setting:?}: {ended:#?}");
    ended
}

#[test]
fn a_wrong_value_is_one_line_that_names_variable_value_and_what_is_wanted_and_exit_code_2() {
    for (service, variable, value, wanted) in [
        ("ping", "ADDRESS", "nonsense", "127.0.0.1:8081"),
        ("pong", "ADDRESS", "localhost:8082", "IP:PORT"),
        ("ping", "PONG_ENDPOINT", ":::", "host:port"),
        ("ping", "JAEGER_ADDRESS", "a:b:c", "host:port"),
        ("pong", "PONG_FAILURE_RATE", "2", "from 0 to 1"),
        ("pong", "PONG_LATENCY", "fast", "20ms"),
        ("ping", "RUST_LOG", "ping=loud", "info"),
    ] {
        let ended = refused(service, (variable, value));
        for part in [variable, &format!("{value:?}"), wanted] {
            assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
        }
    }
}

#[test]
fn a_port_in_use_is_one_line_that_names_it_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = refused("pong", ("ADDRESS", &address));
    assert!(
        ended.stderr.contains(&address) && ended.stderr.contains("in use"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opentelemetry_does_not_understand_is_one_warning_that_names_it_and_counts_as_unset() {
    for (variable, value) in [
        ("OTEL_TRACES_SAMPLER", "perhaps"),
        ("OTEL_TRACES_EXPORTER", "carrier-pigeon"),
        ("OTEL_RESOURCE_ATTRIBUTES", "%zz"),
    ] {
        let backend = backend();
        let mut pong = Process::start("pong", settings(&backend, &[(variable, value)]));
        let url = pong.url();
        client().get(format!("{url}/pong")).send().await.unwrap();
        let trace = backend.store().wait_for_trace(2, PATIENCE).await;
        let ended = pong.stop();
        assert!(
            trace.is_ok() && ended.status.success(),
            "{variable}: {trace:#?} {ended:#?}"
        );
        let warnings: Vec<_> = ended
            .log
            .iter()
            .filter(|line| line.contains("\"WARN\""))
            .collect();
        let [warning] = warnings.as_slice() else {
            panic!("{variable}: {:#?}", ended.log)
        };
        assert!(
            warning.contains(variable) && warning.contains(value),
            "{warning}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_up_line_says_what_a_receiver_then_really_gets() {
    let backend = backend();
    let endpoint = format!("http://{}/elsewhere", backend.address());
    let right = format!("http://{}/", backend.address());
    let more = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", right.as_str()),
        ("OTEL_SERVICE_NAME", "Renamed"),
    ];
    // The setting of one signal beats the general one, and is used as it is.
    let mut pong = Process::start("pong", settings(&backend, &more));
    let line = pong.line_with("telemetry: ");
    assert!(
        line.contains("Renamed") && line.contains(&endpoint),
        "{line}"
    );
    drop(pong);

    let mut pong = Process::start("pong", settings(&backend, &more[1..]));
    let line = pong.line_with("telemetry: ");
    let expected = format!("http://{}/v1/traces", backend.address());
    assert!(
        line.contains("Renamed")
            && line.contains(&expected)
            && line.contains("parentbased_always_on"),
        "{line}"
    );
    let url = pong.url();
    client().get(format!("{url}/pong")).send().await.unwrap();
    let trace = backend.store().wait_for_trace(2, PATIENCE).await.unwrap();
    assert_eq!(trace.services(), ["Renamed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_sdk_makes_no_spans_and_no_metrics_and_hands_the_context_on() {
    let pair = Pair::start_with(&[("OTEL_SDK_DISABLED", "true")], &[]);
    let caller = (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    pair.get_with("/ping", &[caller]).await;
    assert_eq!(pair.get("/metrics").await.status().as_u16(), 404);

    let trace = pair.trace("0af7651916cd43dd8448eb211c80319c", 2).await;
    assert_eq!(trace.services(), ["Pong"]);
    assert_eq!(
        trace.spans[0].parent_span_id.unwrap().to_string(),
        "b7ad6b7169203331"
    );
}
