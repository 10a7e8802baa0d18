//! What is secret in the settings is in nothing that the services print or answer.

use crate::pair::{Pair, Setting};
use crate::process::Process;

const SECRET: &str = "hunter2";

/// All of it understood: in effect, and used.
const USED: [Setting<'_>; 6] = [
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=Bearer%20hunter2,x-key=hunter2",
    ),
    (
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "x-honeycomb-team=hunter2",
    ),
    // Nothing listens: the failure is said with the address.
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "http://hunter2:hunter2@127.0.0.1:1/v1/traces?key=hunter2",
    ),
    (
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "http://127.0.0.1:1/v1/logs?token=hunter2",
    ),
    ("OTEL_LOGS_EXPORTER", "otlp"),
    ("RUST_LOG", "trace"),
];

/// None of it understood, or not there.
const WRONG: [Setting<'_>; 5] = [
    ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "ftp://user:hunter2@127.0.0.1/",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "http://user:hunter2@[/",
    ),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/keys/hunter2.pem"),
    (
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "/nonexistent/client.pem",
    ),
];

fn assert_silent(text: &str) {
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_settings_are_in_no_line_no_answer_and_no_error() {
    for variables in [&USED[..], &WRONG[..]] {
        let pair = Pair::start_with(variables, variables);
        for path in ["/ping", "/", "/metrics", "/healthz", "/readyz", "/nowhere"] {
            let answer = pair.get(path).await;
            assert_silent(&format!("{:?}", answer.headers()));
            assert_silent(&answer.text().await.expect("a text"));
        }
        // What is lost is said at the end, with the reason.
        let (backend, ended) = pair.stop();
        for ended in ended {
            assert_silent(&format!("{ended:?}"));
        }
        for trace in backend.store().latest(10) {
            assert_silent(&format!("{trace:?}"));
        }
    }
}

#[test]
fn a_wrong_setting_that_may_hold_a_password_is_refused_without_it() {
    for variable in ["PONG_ENDPOINT", "JAEGER_ADDRESS"] {
        for value in [
            "http://user:hunter2@pong:8082",
            "user:hunter2@pong:8082",
            "http://pong:8082?key=hunter2",
        ] {
            let ended = Process::start("ping", [(variable, value)]).wait();
            assert_eq!(ended.status.code(), Some(2), "{ended:#?}");
            assert!(ended.stderr.contains(variable), "{ended:#?}");
            assert_silent(&format!("{ended:?}"));
        }
    }
}

#[test]
fn help_shows_no_setting_that_is_in_effect() {
    let mut command = Process::command(&[], "ping", USED);
    let ended = Process::spawn(command.arg("--help")).wait();
    assert!(ended.status.success(), "{ended:#?}");
    assert_silent(&format!("{ended:?}"));
}
