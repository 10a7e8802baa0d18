//! Each setting by its effect, wrong settings, and the line that says what is in effect.

use std::io::{Read, Write};
use std::net::TcpListener;

use backend::{Backend, Span, Value};

use crate::PATIENCE;
use crate::pair::{Pair, Setting, backend, client, settings};
use crate::process::{Ended, Process};

fn refused(service: &str, setting: Setting<'_>) -> Ended {
    let ended = Process::start(service, [("ADDRESS", "127.0.0.1:0"), setting]).wait();
    assert_eq!(ended.status.code(), Some(2), "{setting:?}: {ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{setting:?}: {ended:#?}");
    assert!(ended.log.is_empty(), "{setting:?}: {ended:#?}");
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

/// What pong leaves behind that was asked once, by a caller that samples, and then stopped.
struct Left {
    backend: Backend,
    ended: Ended,
    /// Status and body of `/metrics`, in OpenMetrics.
    metrics: (u16, String),
}

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn left_by_pong_with(more: &[Setting<'_>]) -> Left {
    let backend = backend();
    let logs = format!("http://{}/v1/logs", backend.otlp_http());
    let mut all = vec![("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", logs.as_str())];
    all.extend(more);
    let mut pong = Process::start("pong", settings(&backend, &all));
    let url = pong.url();
    let get = |path: &str| client().get(format!("{url}{path}"));
    let answer = get("/pong").header("traceparent", CALLER).send().await;
    let answer = answer.expect("pong answers");
    assert_eq!(answer.status().as_u16(), 200, "{more:?}");
    let accept = "application/openmetrics-text; version=1.0.0";
    let answer = get("/metrics").header("accept", accept).send().await;
    let answer = answer.expect("pong answers");
    let metrics = (answer.status().as_u16(), answer.text().await.expect("text"));
    let ended = pong.stop();
    assert!(ended.status.success(), "{more:?}: {ended:#?}");
    Left {
        backend,
        ended,
        metrics,
    }
}

impl Left {
    /// All spans; the stop has flushed them.
    fn spans(&self) -> Vec<Span> {
        let traces = self.backend.store().latest(10).into_iter();
        let spans = traces.flat_map(|trace| trace.spans);
        spans.map(|span| Span::clone(&span)).collect()
    }

    fn warnings(&self) -> Vec<&String> {
        let lines = self.ended.log.iter();
        lines.filter(|line| line.contains("\"WARN\"")).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opentelemetry_does_not_understand_is_one_warning_that_names_it_and_counts_as_unset() {
    for (variable, value) in [
        ("OTEL_SDK_DISABLED", "perhaps"),
        ("OTEL_RESOURCE_ATTRIBUTES", "%zz"),
        ("OTEL_PROPAGATORS", "carrier-pigeon"),
        ("OTEL_TRACES_EXPORTER", "carrier-pigeon"),
        ("OTEL_METRICS_EXPORTER", "carrier-pigeon"),
        ("OTEL_LOGS_EXPORTER", "carrier-pigeon"),
        ("OTEL_TRACES_SAMPLER", "perhaps"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "soon"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "short"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "perhaps"),
    ] {
        let left = left_by_pong_with(&[(variable, value)]).await;
        assert_eq!(left.spans().len(), 2, "{variable}");
        assert_eq!(left.metrics.0, 200, "{variable}");
        let warnings = left.warnings();
        let [warning] = warnings.as_slice() else {
            panic!("{variable}: {:#?}", left.ended.log)
        };
        assert!(
            warning.contains(variable) && warning.contains(value),
            "{warning}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samplers_and_exporters_decide_what_a_receiver_gets() {
    for (more, spans, metrics, pushed, logs) in [
        (&[][..], 2, 200, false, false),
        (
            &[("OTEL_TRACES_SAMPLER", "always_off")],
            0,
            200,
            false,
            false,
        ),
        (
            &[
                ("OTEL_TRACES_SAMPLER", "traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0"),
            ],
            0,
            200,
            false,
            false,
        ),
        // The caller has decided.
        (
            &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")],
            2,
            200,
            false,
            false,
        ),
        (&[("OTEL_TRACES_EXPORTER", "none")], 0, 200, false, false),
        (&[("OTEL_METRICS_EXPORTER", "none")], 2, 404, false, false),
        (&[("OTEL_METRICS_EXPORTER", "otlp")], 2, 404, true, false),
        (
            &[("OTEL_METRICS_EXPORTER", "otlp,prometheus")],
            2,
            200,
            true,
            false,
        ),
        (&[("OTEL_LOGS_EXPORTER", "otlp")], 2, 200, false, true),
    ] {
        let left = left_by_pong_with(more).await;
        let store = left.backend.store();
        let seen = (
            left.spans().len(),
            left.metrics.0,
            !store.metrics().is_empty(),
            !store.logs().is_empty(),
        );
        assert_eq!(seen, (spans, metrics, pushed, logs), "{more:?}");
        assert_eq!(left.warnings(), [""; 0], "{more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_what_is_not_sent() {
    let left = left_by_pong_with(&[
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_METRICS_EXPORTER", "console"),
    ])
    .await;
    assert_eq!((left.spans().len(), left.metrics.0), (0, 404));
    let log = left.ended.log.join("\n");
    for text in ["pong-request", "http.server.request.duration"] {
        assert!(log.contains(text), "no {text} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_propagators_a_trace_begins_here() {
    for (propagators, continues) in [("tracecontext", true), ("baggage", false), ("none", false)] {
        let left = left_by_pong_with(&[("OTEL_PROPAGATORS", propagators)]).await;
        let spans = left.spans();
        assert_eq!(spans.len(), 2, "{propagators}");
        for span in spans {
            let is_callers = CALLER.contains(&span.trace_id.to_string());
            assert_eq!(is_callers, continues, "{propagators}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_resource_are_those_of_the_environment() {
    let left = left_by_pong_with(&[
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "team=blue%2C%20red,service.version=9",
        ),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
    ])
    .await;
    let spans = left.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let manual = named("pong-request");
    assert_eq!((manual.events.len(), manual.dropped_events_count), (1, 1));
    let automatic = named("GET /pong");
    assert_eq!(automatic.attributes.iter().len(), 4);
    assert!(automatic.dropped_attributes_count > 0);
    let lengths = automatic
        .attributes
        .iter()
        .filter_map(|(_, value)| match value {
            Value::String(text) => Some(text.chars().count()),
            _ => None,
        });
    assert_eq!(lengths.max(), Some(3), "{automatic:#?}");
    let text = |value: &str| Value::String(value.to_owned());
    let resource = &manual.resource.attributes;
    assert_eq!(resource.get("team"), Some(&text("blue, red")));
    assert_eq!(resource.get("service.version"), Some(&text("9")));
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_can_be_switched_off() {
    for (filter, there) in [("trace_based", true), ("always_off", false)] {
        let left = left_by_pong_with(&[("OTEL_METRICS_EXEMPLAR_FILTER", filter)]).await;
        let (_, metrics) = &left.metrics;
        assert_eq!(metrics.contains(" # {"), there, "{filter}: {metrics}");
    }
}

/// What a receiver that only listens hears first from pong with these settings: HTTP's head, or gRPC's preface.
async fn first_words_of_pong_with(more: &[Setting<'_>]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is known");
    let endpoint = format!("http://{address}/in");
    let backend = backend();
    let mut all = vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str())];
    all.extend(more);
    let mut pong = Process::start("pong", settings(&backend, &all));
    let url = format!("{}/pong", pong.url());
    let answer = client().get(url).send().await;
    answer.expect("pong answers");
    let (mut connection, _) = listener.accept().expect("pong connects");
    let limit = connection.set_read_timeout(Some(PATIENCE));
    limit.expect("a limit can be set");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    String::from_utf8_lossy(&head).to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_compression_and_protocol_are_on_the_wire() {
    let plain = first_words_of_pong_with(&[]).await;
    assert!(plain.starts_with("post /in http/1.1\r\n"), "{plain}");
    assert!(
        plain.contains("\r\nuser-agent: otel-otlp-exporter-rust/"),
        "{plain}"
    );
    for (variable, value, header) in [
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "x-team=blue%20red",
            "x-team: blue red",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "gzip",
            "content-encoding: gzip",
        ),
    ] {
        let header = format!("\r\n{header}\r\n");
        assert!(!plain.contains(&header), "{plain}");
        let head = first_words_of_pong_with(&[(variable, value)]).await;
        assert!(head.contains(&header), "{head}");
    }
    let grpc = [("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")];
    let preface = first_words_of_pong_with(&grpc).await;
    assert!(preface.starts_with("pri * http/2.0"), "{preface}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_up_line_says_what_a_receiver_then_really_gets() {
    let backend = backend();
    let endpoint = format!("http://{}/elsewhere", backend.otlp_http());
    let right = format!("http://{}/", backend.otlp_http());
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
    let expected = format!("http://{}/v1/traces", backend.otlp_http());
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
