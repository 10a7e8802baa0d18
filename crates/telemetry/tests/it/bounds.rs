//! What bounds a queue and a request, in bytes; and what becomes of a request that is still too long, or lost on its way.

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use otlp::Reason;
use telemetry::Telemetry;
#[cfg(target_os = "linux")]
use tokio::net::TcpSocket;

use crate::help::{
    PATIENCE, end, over, pipelines, provider, sample, sending, settings, span, span_exporter,
    telemetry,
};
use crate::receiver::{Answer, HOUR, Receiver};

const PROTOCOLS: [&str; 2] = ["http/protobuf", "grpc"];

/// Ends a span with so many bytes in an event, for which no limit in characters is set.
fn long_span(telemetry: &Telemetry, number: usize, bytes: usize) {
    let mut span = telemetry.tracer("Ping").start(format!("span {number}"));
    span.add_event("event", vec![KeyValue::new("text", "x".repeat(bytes))]);
    span.end();
}

/// How often each span has arrived.
fn arrivals(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut arrivals = BTreeMap::new();
    for span in receiver.spans() {
        *arrivals.entry(span.name).or_default() += 1;
    }
    arrivals
}

#[tokio::test]
async fn room_is_counted_in_bytes_wherever_they_are_and_the_loss_names_that_bound() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = sending(
        receiver.address,
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", HOUR),
            ("OTEL_BSP_EXPORT_TIMEOUT", HOUR),
        ],
    );
    span(&telemetry, "the one that keeps the exporter busy");
    receiver.first();
    // Of these 4 MiB hold at most three: each is a little longer.
    for number in 0..10 {
        long_span(&telemetry, number, 1 << 20);
    }
    // There is room for others.
    for _ in 0..50 {
        span(&telemetry, "short");
    }
    let dropped = sample(
        &telemetry,
        "otel_sdk_processor_span_processed_total",
        &["error_type=\"queue_full\""],
    );
    let kept = sample(&telemetry, "otel_sdk_processor_span_queue_size", &[]).unwrap();
    assert!((51.0..=53.0).contains(&kept), "{kept} are kept");
    assert_eq!(dropped, Some(60.0 - kept));
    let lost = telemetry.shutdown(Duration::from_millis(500)).await;
    let sentence = format!(
        "{} spans dropped, because the queue's 4 MiB were full",
        60.0 - kept
    );
    assert_eq!(lost.sentences()[0], sentence);
}

/// With a receiver that is idle nothing is dropped, however few items the bytes are.
#[tokio::test]
async fn bytes_that_make_a_request_or_fill_half_of_the_queue_are_sent_at_once() {
    for (queue, spans) in [("100", 2), ("16384", 8)] {
        let receiver = Receiver::start();
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
            ("OTEL_BSP_MAX_QUEUE_SIZE", queue),
        ]);
        for number in 0..spans {
            long_span(&telemetry, number, 1 << 20);
        }
        receiver.wait_for_spans(spans - 1);
        end(telemetry).await;
    }
}

#[tokio::test]
async fn a_request_has_at_most_so_many_bytes_and_one_long_span_goes_alone() {
    for (protocol, most) in PROTOCOLS.into_iter().zip([8 << 20, 4 << 20]) {
        let receiver = Receiver::start();
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[
                ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "32768"),
            ],
        );
        for number in 0..150 {
            long_span(&telemetry, number, 100_000);
        }
        long_span(&telemetry, 150, 9 << 20);
        end(telemetry).await;
        let sizes = receiver.sizes();
        let too_long: Vec<_> = sizes.iter().filter(|size| **size > most).collect();
        assert_eq!(too_long.len(), 1, "{protocol}: {sizes:?}");
        assert!(
            sizes.len() <= 150 * 100_000 / most + 4,
            "{protocol}: {sizes:?}"
        );
        let arrivals = arrivals(&receiver);
        assert_eq!(arrivals.len(), 151, "{protocol}");
        assert!(arrivals.values().all(|times| *times == 1), "{arrivals:?}");
    }
}

#[test]
fn a_request_has_at_most_as_many_bytes_as_the_code_asks_for() {
    let receiver = Receiver::start();
    let settings = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    let (otlp, batch) = span_exporter(&settings);
    let mut otlp = otlp.clone();
    otlp.max_request_size = 10_000;
    let provider = provider(pipelines().spans(&otlp, batch, None));
    for number in 0..100 {
        let span = provider.tracer("Ping").start(format!("{number:01000}"));
        drop(span);
    }
    provider.shutdown().unwrap();
    let sizes = receiver.sizes();
    assert!(sizes.iter().all(|size| *size <= 10_000), "{sizes:?}");
    assert_eq!(receiver.spans().len(), 100);
}

#[test]
fn a_limit_that_the_code_sets_to_the_longest_duration_is_one() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::start();
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ]);
        let (otlp, batch) = span_exporter(&settings);
        let (mut otlp, mut batch) = (otlp.clone(), batch.clone());
        otlp.timeout = Duration::MAX;
        batch.export_timeout = Duration::MAX;
        batch.schedule_delay = Duration::MAX;
        let provider = provider(pipelines().spans(&otlp, &batch, None));
        drop(provider.tracer("Ping").start("span"));
        provider.shutdown_with_timeout(Duration::MAX).unwrap();
        assert_eq!(receiver.spans().len(), 1, "{protocol}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_for_its_length_is_sent_in_halves() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::answering(|_| Answer::AtMost(100_000));
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[("OTEL_BSP_SCHEDULE_DELAY", HOUR)],
        );
        for number in 0..50 {
            long_span(&telemetry, number, 10_000);
        }
        long_span(&telemetry, 50, 200_000);
        for number in 51..100 {
            long_span(&telemetry, number, 10_000);
        }
        let lost = telemetry.shutdown(PATIENCE).await.sentences();
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(
            lost[0].starts_with("1 span not exported, last: "),
            "{lost:?}"
        );
        let mut taken: Vec<_> = receiver.requests();
        taken.retain(|request| request.message.len() <= 100_000);
        let mut names: Vec<_> = taken
            .iter()
            .flat_map(|it| it.spans())
            .map(|it| it.name)
            .collect();
        names.sort();
        let but_one = (0..100).filter(|number| *number != 50);
        let mut wanted: Vec<_> = but_one.map(|number| format!("span {number}")).collect();
        wanted.sort();
        assert_eq!(names, wanted, "{protocol}");
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_short_requests_too_is_not_asked_for_each_span() {
    for (protocol, answer) in PROTOCOLS
        .into_iter()
        .zip([Answer::Status(413), Answer::Grpc(8)])
    {
        let receiver = Receiver::answering(move |_| answer);
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[("OTEL_BSP_SCHEDULE_DELAY", HOUR)],
        );
        for number in 0..1_000 {
            long_span(&telemetry, number, 1_000);
        }
        let lost = telemetry.shutdown(PATIENCE).await.sentences();
        assert!(
            lost[0].starts_with("1000 spans not exported, last: "),
            "{lost:?}"
        );
        // Halves of halves, until one is no longer than 64 KiB.
        let sizes = receiver.sizes();
        assert!(
            sizes[0] > 1 << 20 && sizes.len() == 6,
            "{protocol}: {sizes:?}"
        );
    }
}

#[tokio::test]
async fn parts_for_which_no_time_is_left_are_not_said_to_have_been_sent() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::answering(|number| match number {
            0 => Answer::AtMost(100_000),
            _ => Answer::Never,
        });
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
                ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
            ],
        );
        for number in 0..40 {
            long_span(&telemetry, number, 10_000);
        }
        let lost = telemetry.shutdown(PATIENCE).await.sentences();
        assert_eq!(receiver.batch_sizes(), [40, 20], "{protocol}");
        assert_eq!(lost.len(), 2, "{protocol}: {lost:?}");
        assert!(lost[0].starts_with("20 spans not exported, last: "));
        assert!(lost[1].starts_with("20 spans not confirmed (may have arrived), last: "));
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_no_halves() {
    let receiver = Receiver::answering(|_| Answer::RetryInfo(8));
    let telemetry = over(
        "grpc",
        &receiver.url(),
        &[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
        ],
    );
    for number in 0..100 {
        long_span(&telemetry, number, 10_000);
    }
    let lost = telemetry.shutdown(PATIENCE).await.sentences();
    assert!(
        lost[0].starts_with("100 spans not exported, last: "),
        "{lost:?}"
    );
    let sizes = receiver.batch_sizes();
    assert!(sizes.iter().all(|size| *size == 100), "{sizes:?}");
}

#[tokio::test]
async fn a_request_whose_connection_is_lost_is_sent_again() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::answering(|number| match number {
            0 => Answer::HangUp,
            _ => Answer::Ok,
        });
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[("OTEL_BSP_SCHEDULE_DELAY", "10")],
        );
        span(&telemetry, "span");
        end(telemetry).await;
        let arrivals = arrivals(&receiver);
        assert_eq!(
            arrivals.into_iter().collect::<Vec<_>>(),
            [("span".to_owned(), 2)],
            "{protocol}"
        );
    }
}

/// Listens, and takes no connection: the system drops what asks for one.
#[cfg(target_os = "linux")]
fn full() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap().into_std().unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let waiting = std::iter::from_fn(connect).collect();
    (listener, waiting)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn spans_for_which_there_was_no_connection_are_not_said_to_have_been_sent() {
    for protocol in PROTOCOLS {
        let (listener, _waiting) = full();
        let telemetry = telemetry(&[
            (
                "JAEGER_ADDRESS",
                &listener.local_addr().unwrap().to_string(),
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "700"),
        ]);
        span(&telemetry, "span");
        let lost = telemetry.shutdown(PATIENCE).await.sentences();
        assert!(
            lost[0].starts_with("1 span not exported, last: "),
            "{protocol}: {lost:?}"
        );
    }
}

#[tokio::test]
async fn spans_whose_request_was_never_answered_may_have_arrived_whatever_came_later() {
    for (protocol, later) in [
        ("http/protobuf", Answer::HangUp),
        ("http/protobuf", Answer::Status(503)),
        ("http/protobuf", Answer::Status(400)),
        ("grpc", Answer::HangUp),
        ("grpc", Answer::Grpc(14)),
        ("grpc", Answer::Grpc(3)),
    ] {
        let receiver = Receiver::answering(move |number| match number {
            0 => Answer::HangUp,
            _ => later,
        });
        let telemetry = over(
            protocol,
            &receiver.url(),
            &[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "700"),
                ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ],
        );
        span(&telemetry, "span");
        let lost = telemetry.shutdown(PATIENCE).await.sentences();
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(
            lost[0].starts_with("1 span not confirmed (may have arrived), last: "),
            "{protocol}, {later:?}: {lost:?}"
        );
        assert!(receiver.requests().len() > 1, "{protocol}, {later:?}");
    }
}

/// One of everything that is answered at once.
fn by_turns(number: usize) -> Answer {
    match number % 7 {
        1 => Answer::Status(400),
        2 => Answer::Status(503),
        3 => Answer::Partial(3),
        4 | 5 => Answer::AtMost(100_000),
        _ => Answer::Ok,
    }
}

/// Many threads end spans of all lengths, so that both bounds are struck, while others flush; the shutdown comes afterwards or
/// in the middle.
#[test]
fn every_span_has_arrived_or_is_counted_as_lost() {
    for is_early in [false, true] {
        let receiver = Receiver::answering(by_turns);
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "300"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50"),
        ]);
        let (otlp, batch) = span_exporter(&settings);
        let mut pipelines = pipelines();
        let provider = provider(pipelines.spans(otlp, batch, None));
        let started = AtomicUsize::new(0);
        let work = || {
            for number in 0..300 {
                let mut span = provider.tracer("Ping").start("span");
                // After the shutdown none is.
                if span.is_recording() {
                    started.fetch_add(1, Ordering::Relaxed);
                    let length = match number % 29 {
                        0 => 1 << 20,
                        1..10 => 10_000,
                        _ => 100,
                    };
                    span.add_event("event", vec![KeyValue::new("text", "x".repeat(length))]);
                }
                span.end();
            }
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            // A failure is one of an export, or the shutdown.
            scope.spawn(|| (0..10).for_each(|_| drop(provider.force_flush())));
            if is_early {
                receiver.first();
            } else {
                threads.into_iter().for_each(|it| it.join().unwrap());
            }
            let _ = provider.shutdown_with_timeout(PATIENCE);
        });
        let mut arrived = 0;
        for (number, request) in receiver.requests().iter().enumerate() {
            let spans = request.spans().len();
            arrived += match by_turns(number) {
                Answer::Ok => spans,
                Answer::Partial(_) => spans.saturating_sub(3),
                Answer::AtMost(bytes) if request.message.len() <= bytes => spans,
                _ => 0,
            };
        }
        let health = &pipelines.health[0];
        let lost: Vec<_> = health
            .losses()
            .into_iter()
            .chain(health.open_spans())
            .collect();
        let count: u64 = lost.iter().map(|loss| loss.count).sum();
        assert_eq!(started.into_inner(), arrived + count as usize, "{lost:?}");
        // All of them for their own reason: what was forgotten would still be under way.
        let is_left = |loss: &otlp::Loss| match loss.reason {
            Reason::Unconfirmed { .. } => true,
            Reason::NotFlushed { .. } => !is_early,
            _ => false,
        };
        assert!(!lost.iter().any(is_left), "{lost:?}");
    }
}
