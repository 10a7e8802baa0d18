//! `OTEL_EXPORTER_OTLP_*` and `JAEGER_ADDRESS`, each by its effect at a receiver.

use std::time::Instant;

use crate::help::{end, eventually, over, sample, settings, span, telemetry};
use crate::receiver::{Answer, HOUR, Receiver, SOON, nobody};

const QUICK: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "10");

/// Sends one span with these settings and returns the path it came by.
async fn path_with(receiver: &Receiver, variables: &[(&str, &str)]) -> String {
    let mut variables = variables.to_vec();
    variables.push(QUICK);
    let telemetry = telemetry(&variables);
    span(&telemetry, "span");
    end(telemetry).await;
    receiver.first().path
}

#[tokio::test]
async fn general_endpoint_gets_the_signals_path_appended() {
    for (suffix, path) in [
        ("", "/v1/traces"),
        ("/", "/v1/traces"),
        ("/otlp", "/otlp/v1/traces"),
        ("/otlp/", "/otlp/v1/traces"),
    ] {
        let receiver = Receiver::start();
        let endpoint = format!("{}{suffix}", receiver.url());
        let seen = path_with(&receiver, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
        assert_eq!(seen, path, "{endpoint}");
    }
}

#[tokio::test]
async fn endpoint_of_one_signal_is_used_as_it_is() {
    for (suffix, path) in [
        ("", "/"),
        ("/", "/"),
        ("/v1/traces", "/v1/traces"),
        ("/in/", "/in/"),
    ] {
        let receiver = Receiver::start();
        let endpoint = format!("{}{suffix}", receiver.url());
        let seen = path_with(
            &receiver,
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint)],
        )
        .await;
        assert_eq!(seen, path, "{endpoint}");
    }
}

#[tokio::test]
async fn jaeger_address_is_where_traces_go_and_endpoints_win_over_it() {
    let receiver = Receiver::start();
    let address = receiver.address.to_string();
    assert_eq!(
        path_with(&receiver, &[("JAEGER_ADDRESS", &address)]).await,
        "/v1/traces"
    );

    for winner in [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ] {
        let receiver = Receiver::start();
        let nobody = nobody().to_string();
        path_with(
            &receiver,
            &[("JAEGER_ADDRESS", &nobody), (winner, &receiver.url())],
        )
        .await;
    }
}

#[tokio::test]
async fn endpoint_of_the_signal_wins_over_the_general_one() {
    let receiver = Receiver::start();
    let nobody = format!("http://{}", nobody());
    path_with(
        &receiver,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &nobody),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &receiver.url()),
        ],
    )
    .await;
}

#[tokio::test]
async fn jaeger_address_is_not_for_metrics_and_logs() {
    let address = nobody().to_string();
    let telemetry = telemetry(&[
        ("JAEGER_ADDRESS", &address),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
    ]);
    let summary = telemetry.summary();
    assert!(
        summary.contains(&format!(
            "traces: http/protobuf to http://{address}/v1/traces"
        )),
        "{summary}"
    );
    assert!(
        summary.contains("metrics: http/protobuf to http://localhost:4318/v1/metrics"),
        "{summary}"
    );
    assert!(
        summary.contains("http/protobuf to http://localhost:4318/v1/logs"),
        "{summary}"
    );
    let _ = telemetry.shutdown(SOON).await;
}

#[test]
fn default_endpoint_follows_the_protocol() {
    let http = telemetry(&[("OTEL_METRICS_EXPORTER", "none")]);
    assert!(
        http.summary()
            .contains("http/protobuf to http://localhost:4318/v1/traces")
    );
    let grpc = telemetry(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ]);
    assert!(
        grpc.summary().contains("grpc to http://localhost:4317,"),
        "{}",
        grpc.summary()
    );
}

#[tokio::test]
async fn grpc_sends_spans_metrics_and_logs() {
    let receiver = Receiver::start();
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "team=blue"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        QUICK,
    ]);
    span(&telemetry, "span");
    {
        let _here = tracing::subscriber::set_default(telemetry.subscriber());
        tracing::warn!("a line");
    }
    end(telemetry).await;
    let mut paths: Vec<_> = receiver
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    paths.sort();
    paths.dedup();
    assert_eq!(
        paths,
        [
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ]
    );
    assert_eq!(receiver.first().header("team"), Some("blue"));
    assert!(
        receiver
            .first()
            .header("user-agent")
            .unwrap()
            .starts_with("OTel-OTLP-Exporter-Rust/")
    );
}

#[tokio::test]
async fn protocol_of_the_signal_wins_over_the_general_one() {
    let receiver = Receiver::start();
    let path = path_with(
        &receiver,
        &[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "HTTP/Protobuf"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ],
    )
    .await;
    assert_eq!(path, "/v1/traces");
}

#[tokio::test]
async fn grpc_endpoint_without_scheme_is_plain_only_if_insecure() {
    let receiver = Receiver::start();
    let address = receiver.address.to_string();
    path_with(
        &receiver,
        &[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ],
    )
    .await;
    let secure = telemetry(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
    ]);
    assert!(
        secure
            .summary()
            .contains(&format!("grpc to https://{address}"))
    );
    let _ = secure.shutdown(SOON).await;
}

#[tokio::test]
async fn http_request_has_exactly_these_headers() {
    let receiver = Receiver::start();
    path_with(
        &receiver,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "x-team=blue%2Cred, authorization=Bearer%20s3cret",
            ),
        ],
    )
    .await;
    let request = receiver.first();
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .filter(|(name, _)| !matches!(*name, "content-length" | "host" | "user-agent"))
        .collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("accept", "*/*"),
            ("authorization", "Bearer s3cret"),
            ("content-type", "application/x-protobuf"),
            ("x-team", "blue,red"),
        ]
    );
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("OTel-OTLP-Exporter-Rust/")
    );
}

#[tokio::test]
async fn headers_of_the_signal_replace_the_general_ones() {
    let receiver = Receiver::start();
    path_with(
        &receiver,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "one=general"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "two=own"),
        ],
    )
    .await;
    let request = receiver.first();
    assert_eq!(
        (request.header("one"), request.header("two")),
        (None, Some("own"))
    );
}

#[tokio::test]
async fn header_values_and_credentials_are_never_printed() {
    let variables = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://user:s3cret@collector.example/otlp?token=s3cret",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
            "s3cret without an equals sign",
        ),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=s3cret%zz"),
    ];
    let settings = settings(&variables);
    let telemetry = telemetry(&variables);
    assert!(
        telemetry
            .summary()
            .contains("https://collector.example/otlp/v1/traces")
    );
    assert!(telemetry.summary().contains("authorization"));
    assert_eq!(telemetry.warnings().len(), 2, "{:#?}", telemetry.warnings());
    for text in [
        telemetry.summary().to_owned(),
        telemetry.warnings().join("\n"),
        format!("{telemetry:?}"),
        format!("{:?}", settings.warnings()),
    ] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let debug = format!("{settings:?}");
    assert!(!debug.contains("s3cret"), "{debug}");
    let _ = telemetry.shutdown(SOON).await;
}

#[tokio::test]
async fn gzip_really_compresses() {
    for protocol in ["http/protobuf", "grpc"] {
        for (compression, compressed) in [("gzip", true), ("GZIP", true), ("none", false)] {
            let receiver = Receiver::start();
            path_with(
                &receiver,
                &[
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
                ],
            )
            .await;
            assert_eq!(
                receiver.first().compressed,
                compressed,
                "{protocol} {compression}"
            );
            assert_eq!(receiver.first().spans().len(), 1);
        }
    }
}

#[tokio::test]
async fn timeout_bounds_an_export_with_its_retries() {
    for protocol in ["http/protobuf", "grpc"] {
        for (variable, others) in [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_EXPORT_TIMEOUT"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                "OTEL_EXPORTER_OTLP_TIMEOUT",
            ),
            ("OTEL_BSP_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ] {
            let receiver = Receiver::answering(|_| Answer::Never);
            let telemetry = over(
                protocol,
                &receiver.url(),
                &[(variable, "300"), (others, HOUR), QUICK],
            );
            let start = Instant::now();
            span(&telemetry, "span");
            let failed = || {
                sample(
                    &telemetry,
                    "otel_sdk_exporter_span_exported_total",
                    &["error_type=\"timeout\""],
                )
            };
            assert_eq!(eventually("the failure", failed), 1.0);
            assert!(start.elapsed() < SOON, "{protocol} {variable}");
            let lost = telemetry.shutdown(SOON).await;
            assert_eq!(
                lost.sentences(),
                [format!(
                    "1 span not confirmed (may have arrived), last: {} did not answer within 300ms",
                    receiver.address
                )]
            );
        }
    }
}

#[tokio::test]
async fn failure_is_told_in_words_with_the_address() {
    let address = nobody().to_string();
    for (protocol, variable, value) in [
        ("http/protobuf", "JAEGER_ADDRESS", address.clone()),
        (
            "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{address}"),
        ),
    ] {
        let telemetry = telemetry(&[
            (variable, &value),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            QUICK,
        ]);
        span(&telemetry, "span");
        let lost = telemetry.shutdown(SOON).await;
        assert_eq!(
            lost.to_string(),
            format!(
                "telemetry was lost: 1 span not exported, last: nothing listens at {address}; start a receiver there, \
                 such as Jaeger, or set OTEL_EXPORTER_OTLP_ENDPOINT"
            ),
            "{protocol}"
        );
    }
    let receiver = Receiver::answering(|_| Answer::Status(401));
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()), QUICK]);
    span(&telemetry, "span");
    let lost = telemetry.shutdown(SOON).await;
    assert_eq!(
        lost.sentences(),
        [format!(
            "1 span not exported, last: {} answered 401 Unauthorized",
            receiver.address
        )]
    );
}
