//! What is sent again, when, and for how long; and what a receiver rejects.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::help::{PATIENCE, end, eventually, over, sample, span, telemetry};
use crate::receiver::{Answer, HOUR, Receiver, SOON, nobody};

const QUICK: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "10");

/// Sends one span to a receiver that answers like this first, and well from then on. Returns when the requests came,
/// and whether nothing was lost.
async fn attempts(protocol: &str, first: Answer) -> (Vec<Instant>, bool) {
    let receiver = Receiver::answering(move |number| match number {
        0 => first,
        _ => Answer::Ok,
    });
    let telemetry = over(protocol, &receiver.url(), &[QUICK]);
    span(&telemetry, "span");
    let kept = telemetry.shutdown(PATIENCE).await.is_empty();
    let times = receiver.requests().into_iter().map(|request| request.at);
    (times.collect(), kept)
}

#[tokio::test]
async fn what_may_pass_is_sent_again_and_nothing_else_is() {
    let statuses = [
        (429, true),
        (502, true),
        (503, true),
        (504, true),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, false),
        (413, false),
        (500, false),
        (501, false),
    ];
    for (status, again) in statuses {
        let (times, kept) = attempts("http/protobuf", Answer::Status(status)).await;
        assert_eq!((times.len() == 2, kept), (again, again), "{status}");
    }
    // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS; RESOURCE_EXHAUSTED (8) only with a
    // RetryInfo.
    for code in 1..=16 {
        let again = [1, 4, 10, 11, 14, 15].contains(&code);
        let (times, kept) = attempts("grpc", Answer::Grpc(code)).await;
        assert_eq!((times.len() == 2, kept), (again, again), "gRPC {code}");
    }
}

#[tokio::test]
async fn receiver_says_when_it_is_sent_again() {
    for (protocol, answer) in [
        ("http/protobuf", Answer::RetryAfter(429, "1")),
        ("http/protobuf", Answer::RetryAfter(503, "1")),
        ("grpc", Answer::RetryInfo(8)),
        ("grpc", Answer::RetryInfo(14)),
    ] {
        let (times, kept) = attempts(protocol, answer).await;
        assert_eq!((times.len(), kept), (2, true), "{answer:?}");
        let pause = times[1] - times[0];
        assert!(pause >= Duration::from_secs(1), "{answer:?}: {pause:?}");
    }
    // A date that has passed, and what is neither date nor number: as if there were none. A date beyond the export's
    // limit: there is no use in waiting.
    for (when, again) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("soon", true),
        ("Fri, 31 Dec 9999 23:59:59 GMT", false),
        ("3600", false),
    ] {
        let (times, kept) = attempts("http/protobuf", Answer::RetryAfter(503, when)).await;
        assert_eq!((times.len() == 2, kept), (again, again), "{when}");
    }
}

#[tokio::test]
async fn a_pause_that_the_receiver_asks_for_is_asked_for_once() {
    for (protocol, [first, second]) in [
        (
            "http/protobuf",
            [Answer::RetryAfter(503, "1"), Answer::Status(503)],
        ),
        ("grpc", [Answer::RetryInfo(14), Answer::Grpc(14)]),
    ] {
        for signal in ["traces", "logs", "metrics"] {
            let receiver = Receiver::answering(move |number| match number {
                0 => first,
                1 => second,
                _ => Answer::Ok,
            });
            let exporter = |of| if signal == of { "otlp" } else { "none" };
            let telemetry = over(
                protocol,
                &receiver.url(),
                &[
                    ("OTEL_TRACES_EXPORTER", exporter("traces")),
                    ("OTEL_LOGS_EXPORTER", exporter("logs")),
                    ("OTEL_METRICS_EXPORTER", exporter("metrics")),
                    QUICK,
                ],
            );
            span(&telemetry, "span");
            tracing::subscriber::with_default(telemetry.subscriber(), || tracing::warn!("line"));
            end(telemetry).await;
            let times: Vec<_> = receiver
                .requests()
                .into_iter()
                .map(|request| request.at)
                .collect();
            let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert_eq!(pauses.len(), 2, "{protocol} {signal}");
            assert!(pauses[0] >= Duration::from_secs(1), "{pauses:?}");
            // The second is the exporter's own again, a fifth of a second and some jitter.
            assert!(pauses[1] < pauses[0], "{protocol} {signal}: {pauses:?}");
        }
    }
}

#[tokio::test]
async fn what_could_not_be_flushed_is_said_with_the_reason() {
    for (protocol, answer, said) in [
        (
            "http/protobuf",
            Answer::RetryAfter(503, "5"),
            "503 Service Unavailable",
        ),
        // A pause of one second: without it, an attempt could be under way at the end.
        ("grpc", Answer::RetryInfo(14), "UNAVAILABLE"),
    ] {
        let receiver = Receiver::answering(move |_| answer);
        let telemetry = over(protocol, &receiver.url(), &[QUICK]);
        span(&telemetry, "span");
        receiver.first();
        let lost = telemetry.shutdown(Duration::from_millis(800)).await;
        assert_eq!(
            lost.sentences(),
            [format!(
                "1 span not flushed in time, last: {} answered {said}",
                receiver.address
            )]
        );
    }
}

#[tokio::test]
async fn what_is_under_way_at_the_end_may_have_arrived_whatever_was_answered_before() {
    for (protocol, refused) in [
        ("http/protobuf", Answer::Status(503)),
        ("http/protobuf", Answer::Status(400)),
        ("grpc", Answer::Grpc(14)),
        ("grpc", Answer::Grpc(3)),
    ] {
        let receiver = Receiver::answering(move |number| match number {
            0 => refused,
            _ => Answer::Never,
        });
        let telemetry = over(protocol, &receiver.url(), &[QUICK]);
        span(&telemetry, "answered");
        receiver.first();
        span(&telemetry, "not answered");
        eventually("a second attempt", || {
            receiver.requests().into_iter().nth(1)
        });
        let lost = telemetry.shutdown(Duration::from_millis(100)).await;
        let sentences = lost.sentences();
        assert!(
            sentences
                .iter()
                .any(|lost| lost.starts_with("1 span not confirmed (may have arrived)")),
            "{protocol}: {sentences:?}"
        );
    }
}

#[tokio::test]
async fn what_a_grpc_status_says_is_said_escaped_and_bounded() {
    static LONG: &str = match std::str::from_utf8(&[b'x'; 4_000]) {
        Ok(text) => text,
        Err(_) => panic!("these are letters"),
    };
    let xs = format!(": \"{}\"", "x".repeat(200));
    for (code, message, said) in [
        (
            16,
            "unknown API key",
            "UNAUTHENTICATED: \"unknown API key\"",
        ),
        (
            7,
            "no%0Akey%1B[31m",
            r#"PERMISSION_DENIED: "no\nkey\u{1b}[31m""#,
        ),
        (12, "", "UNIMPLEMENTED"),
        (3, LONG, &format!("INVALID_ARGUMENT{xs}")),
    ] {
        let receiver = Receiver::answering(move |_| Answer::GrpcMessage(code, message));
        let telemetry = over("grpc", &receiver.url(), &[QUICK]);
        span(&telemetry, "span");
        let lost = telemetry.shutdown(SOON).await;
        assert_eq!(
            lost.sentences(),
            [format!(
                "1 span not exported, last: {} answered {said}",
                receiver.address
            )]
        );
    }
}

#[tokio::test]
async fn key_that_a_receiver_repeats_is_not_said() {
    const SAYS: &[u8] = br#"{"message": "Bearer k3y-of-orders is unknown, k3y-of-orders"}"#;
    let answers = [
        ("http/protobuf", Answer::Body(401, "application/json", SAYS)),
        ("grpc", Answer::GrpcMessage(16, "k3y-of-orders is unknown")),
    ];
    for (protocol, answer) in answers {
        let receiver = Receiver::answering(move |_| answer);
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[
                (
                    "OTEL_EXPORTER_OTLP_HEADERS",
                    "authorization=Bearer%20k3y-of-orders",
                ),
                QUICK,
            ],
        );
        span(&telemetry, "span");
        let lost = telemetry.shutdown(SOON).await.to_string();
        assert!(
            lost.contains("REDACTED is unknown") && !lost.contains("k3y"),
            "{lost}"
        );
    }
}

#[tokio::test]
async fn each_exporter_has_losses_of_its_own_and_an_open_span_is_said_once() {
    let receiver = Receiver::answering(|_| Answer::Status(400));
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
    ]);
    span(&telemetry, "span");
    let open = opentelemetry::trace::Tracer::start(&telemetry.tracer("Ping"), "open");
    let lost = telemetry.shutdown(PATIENCE).await;
    assert_eq!(
        lost.sentences(),
        [
            format!(
                "otlp_http_span_exporter: 1 span not exported, last: {} answered 400 Bad Request",
                receiver.address
            ),
            "1 span had not ended".to_owned(),
        ]
    );
    drop(open);
}

#[tokio::test]
async fn what_a_receiver_says_of_a_refusal_is_said_escaped_and_bounded() {
    static LONG: [u8; 100_000] = [b'x'; 100_000];
    // `google.rpc.Status`: code 16, message "no key".
    const STATUS: &[u8] = b"\x08\x10\x12\x06no key";
    let xs = format!("\"{}\"", "x".repeat(200));
    for (kind, body, said) in [
        (
            "application/json",
            &br#"{"message": "unknown API key"}"#[..],
            "\"unknown API key\"",
        ),
        (
            "application/json",
            br#"{"error": "no\nkey"}"#,
            r#""no\nkey""#,
        ),
        (
            "application/json",
            br#"{"code": 16}"#,
            r#""{\"code\": 16}""#,
        ),
        ("application/x-protobuf", STATUS, "\"no key\""),
        (
            "text/html",
            b"<h1>\x1b[31mNo</h1>\n",
            r#""<h1>\u{1b}[31mNo</h1>""#,
        ),
        ("text/plain", &LONG, &xs),
    ] {
        let receiver = Receiver::answering(move |_| Answer::Body(401, kind, body));
        let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()), QUICK]);
        span(&telemetry, "span");
        let lost = telemetry.shutdown(SOON).await;
        assert_eq!(
            lost.sentences(),
            [format!(
                "1 span not exported, last: {} answered 401 Unauthorized: {said}",
                receiver.address
            )]
        );
    }
    // What cannot be read is left out.
    for (kind, body) in [
        ("application/x-protobuf", &b"\xff"[..]),
        ("text/plain", b"\xff"),
        ("text/plain", b" "),
    ] {
        let receiver = Receiver::answering(move |_| Answer::Body(401, kind, body));
        let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()), QUICK]);
        span(&telemetry, "span");
        let lost = telemetry.shutdown(SOON).await;
        assert!(
            lost.to_string().ends_with("answered 401 Unauthorized"),
            "{lost}"
        );
    }
}

#[tokio::test]
async fn receiver_that_stays_unavailable_is_asked_until_the_limit_and_no_longer() {
    for (protocol, answer, error_type) in [
        ("http/protobuf", Answer::Status(503), "503"),
        ("grpc", Answer::Grpc(14), "UNAVAILABLE"),
    ] {
        for variable in ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_EXPORT_TIMEOUT"] {
            let receiver = Receiver::answering(move |_| answer);
            let telemetry = over(protocol, &receiver.url(), &[(variable, "3000"), QUICK]);
            span(&telemetry, "span");
            let label = format!("error_type=\"{error_type}\"");
            let failed = || {
                sample(
                    &telemetry,
                    "otel_sdk_exporter_span_exported_total",
                    &[&label],
                )
            };
            assert_eq!(eventually("the failure", failed), 1.0);
            let times = receiver.requests();
            // The first and more than the three retries that the exporter has by default.
            assert!(times.len() > 4, "{protocol}: {} requests", times.len());
            let pauses: Vec<_> = times
                .windows(2)
                .map(|pair| pair[1].at - pair[0].at)
                .collect();
            for (pause, least) in pauses.iter().zip([100, 200, 400, 800]) {
                assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
            }
            let all = times[times.len() - 1].at - times[0].at;
            assert!(
                all < Duration::from_secs(3),
                "{protocol} {variable}: {all:?}"
            );
            let _ = telemetry.shutdown(SOON).await;
        }
    }
}

#[tokio::test]
async fn receiver_that_is_away_for_three_seconds_costs_no_span() {
    let services = ["http/protobuf", "grpc"].map(|protocol| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let endpoint = format!("http://{}", socket.local_addr().unwrap());
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            QUICK,
        ]);
        span(&telemetry, "early");
        (socket, telemetry)
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    for (socket, telemetry) in services {
        let receiver = Receiver::at(socket);
        span(&telemetry, "late");
        receiver.wait_for_spans(2);
        end(telemetry).await;
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_receiver_that_is_not_there() {
    for protocol in ["http/protobuf", "grpc"] {
        let endpoint = format!("http://{}", nobody());
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", HOUR),
            ("OTEL_BSP_EXPORT_TIMEOUT", HOUR),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", HOUR),
        ]);
        for _ in 0..20 {
            span(&telemetry, "span");
        }
        let start = Instant::now();
        let lost = telemetry.shutdown(PATIENCE).await;
        assert!(start.elapsed() < SOON, "{protocol}: {:?}", start.elapsed());
        assert!(
            lost.sentences()[0].starts_with("20 spans not exported, last: nothing listens at "),
            "{lost}"
        );
    }
}

#[tokio::test]
async fn spans_that_a_receiver_rejects_are_counted_as_failed_and_said_to_be_lost() {
    // Rejected, and what is counted: never more than was sent; a mere warning is no loss.
    for (protocol, rejected, failed) in [
        ("http/protobuf", 2, 2.0),
        ("http/protobuf", 7, 3.0),
        ("http/protobuf", 0, 0.0),
        ("http/protobuf", -1, 0.0),
        ("grpc", 2, 2.0),
        ("grpc", 0, 0.0),
    ] {
        let receiver = Receiver::answering(move |_| Answer::Partial(rejected));
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3"),
                ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
            ],
        );
        for _ in 0..3 {
            span(&telemetry, "span");
        }
        let name = "otel_sdk_exporter_span_exported_total";
        let lines = || {
            let all = crate::help::scrape(&telemetry);
            let of_name = all.into_iter().filter(|line| line.starts_with(name));
            of_name.partition::<Vec<_>, _>(|line| line.contains("error_type=\"rejected\""))
        };
        let value = |lines: &[String]| -> f64 {
            let line = lines
                .first()
                .map_or("0", |line| line.rsplit(' ').next().unwrap());
            line.parse().unwrap()
        };
        let total = || {
            let (bad, good) = lines();
            let (bad, good) = (value(&bad), value(&good));
            (bad + good == 3.0).then_some(bad)
        };
        assert_eq!(eventually("the counts", total), failed, "{rejected}");
        assert_eq!(
            receiver.requests().len(),
            1,
            "rejected spans are not sent again"
        );
        let lost = telemetry.shutdown(SOON).await;
        let expected = (failed > 0.0).then(|| {
            format!(
                "{failed} spans not exported, last: {} rejected some: \"too\\nold\"",
                receiver.address
            )
        });
        assert_eq!(lost.sentences(), expected.as_slice(), "{rejected}");
    }
}
