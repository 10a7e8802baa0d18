//! The end: nothing that waits is lost, nothing takes longer than allowed, and what was lost is said.

use std::time::{Duration, Instant};

use futures_executor::block_on;
use opentelemetry::trace::Tracer as _;
use telemetry::Losses;

use crate::help::{PATIENCE, end, over, sending, span, telemetry};
use crate::receiver::{Answer, HOUR, Receiver, SOON};

#[tokio::test]
async fn spans_that_wait_are_sent_and_nothing_is_said() {
    let receiver = Receiver::start();
    let address = receiver.address.to_string();
    let telemetry = telemetry(&[
        ("JAEGER_ADDRESS", &address),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ]);
    for _ in 0..1_000 {
        span(&telemetry, "span");
    }
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
    assert_eq!(receiver.spans().len(), 1_000);
}

/// A runtime of one thread: were the flush to run on it, gRPC could not move.
#[test]
fn runtime_with_one_worker_can_flush() {
    for protocol in ["http/protobuf", "grpc"] {
        let receiver = Receiver::start();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let telemetry = over(
                protocol,
                &receiver.url(),
                &[("OTEL_METRICS_EXPORTER", "otlp")],
            );
            span(&telemetry, "span");
            end(telemetry).await;
        });
        assert!(receiver.requests().len() >= 2, "{protocol}");
    }
}

#[test]
fn any_executor_can_shut_down_and_a_limit_without_end_is_one() {
    for protocol in ["http/protobuf", "grpc"] {
        for limit in [SOON, Duration::MAX] {
            let receiver = Receiver::start();
            let telemetry = over(
                protocol,
                &receiver.url(),
                &[
                    ("OTEL_METRICS_EXPORTER", "otlp"),
                    ("OTEL_LOGS_EXPORTER", "otlp"),
                ],
            );
            span(&telemetry, "span");
            let lost = block_on(telemetry.shutdown(limit));
            assert_eq!(lost, Losses::default(), "{protocol} {limit:?}");
            assert!(receiver.requests().len() >= 2, "{protocol} {limit:?}");
        }
    }
}

/// Neither timer nor reactor: a runtime that has been given none is as good as another executor.
#[test]
fn runtime_without_timer_can_shut_down() {
    let receiver = Receiver::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let telemetry = sending(receiver.address, &[]);
        span(&telemetry, "span");
        end(telemetry).await;
    });
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn the_limit_holds_without_a_runtime_too() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = sending(
        receiver.address,
        &[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ],
    );
    span(&telemetry, "span");
    let start = Instant::now();
    let lost = block_on(telemetry.shutdown(Duration::from_millis(500)));
    // An hour, did it wait for the export.
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(
        lost.sentences(),
        ["1 span not confirmed (may have arrived)"]
    );
}

#[test]
fn collector_that_hangs_delays_neither_the_shutdown_nor_the_runtimes_end() {
    for protocol in ["http/protobuf", "grpc"] {
        let receiver = Receiver::answering(|_| Answer::Never);
        let limit = Duration::from_secs(1);
        let start = Instant::now();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let lost = runtime.block_on(async {
            let telemetry = over(
                protocol,
                &receiver.url(),
                &[
                    ("OTEL_METRICS_EXPORTER", "otlp"),
                    ("OTEL_LOGS_EXPORTER", "otlp"),
                    ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
                    ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
                ],
            );
            span(&telemetry, "first");
            span(&telemetry, "second");
            telemetry.shutdown(limit).await
        });
        drop(runtime);
        // An hour, did it wait for the export.
        assert!(start.elapsed() < SOON, "{protocol}: {:?}", start.elapsed());
        assert_eq!(
            lost.sentences(),
            [
                "2 spans not confirmed (may have arrived)",
                "the last metrics were not pushed in time"
            ],
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn spans_that_have_not_ended_are_said() {
    let receiver = Receiver::start();
    let telemetry = sending(
        receiver.address,
        &[("OTEL_TRACES_EXPORTER", "otlp,console")],
    );
    let open = telemetry.tracer("Ping").start("open");
    let lost = telemetry.shutdown(SOON).await;
    assert_eq!(lost.sentences(), ["1 span had not ended"]);
    drop(open);
}

#[tokio::test]
async fn loss_early_in_life_is_said_at_the_end() {
    let receiver = Receiver::answering(|number| {
        if number == 0 {
            Answer::Status(400)
        } else {
            Answer::Ok
        }
    });
    let telemetry = sending(receiver.address, &[]);
    span(&telemetry, "lost");
    receiver.first();
    for _ in 0..10 {
        span(&telemetry, "kept");
    }
    let lost = telemetry.shutdown(SOON).await.to_string();
    let sent = receiver.spans().len();
    assert_eq!(sent, 11, "all were sent once");
    assert!(
        lost.ends_with(&format!(
            "not exported, last: {} answered 400 Bad Request",
            receiver.address
        )),
        "{lost}"
    );
}

#[test]
fn force_flush_sends_what_waits_and_goes_on_without_any_runtime() {
    let receiver = Receiver::start();
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
        ("OTEL_BLRP_SCHEDULE_DELAY", HOUR),
        ("OTEL_METRIC_EXPORT_INTERVAL", HOUR),
    ]);
    for _ in 0..2 {
        let before = receiver.requests().len();
        span(&telemetry, "job");
        tracing::subscriber::with_default(telemetry.subscriber(), || tracing::info!("done"));
        block_on(telemetry.force_flush(PATIENCE)).unwrap();
        let requests = receiver.requests();
        let mut paths: Vec<_> = requests[before..]
            .iter()
            .map(|request| request.path.as_str())
            .collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/v1/logs", "/v1/metrics", "/v1/traces"]);
    }
    assert!(block_on(telemetry.shutdown(PATIENCE)).is_empty());
}

#[test]
fn force_flush_keeps_its_limit_and_says_what_is_wrong() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = sending(receiver.address, &[("OTEL_EXPORTER_OTLP_TIMEOUT", HOUR)]);
    span(&telemetry, "job");
    let limit = Duration::from_millis(100);
    let late = block_on(telemetry.force_flush(limit)).unwrap_err();
    assert!(matches!(late, telemetry::FlushError::Timeout), "{late}");
    assert!(!block_on(telemetry.shutdown(limit)).is_empty());

    let receiver = Receiver::answering(|_| Answer::Status(400));
    // Nothing is sent before the flush, which would then have nothing to fail at.
    let telemetry = sending(receiver.address, &[("OTEL_BSP_SCHEDULE_DELAY", HOUR)]);
    span(&telemetry, "job");
    let failed = block_on(telemetry.force_flush(PATIENCE)).unwrap_err();
    assert!(failed.to_string().contains("400"), "{failed}");
    assert!(!block_on(telemetry.shutdown(SOON)).is_empty());
}
