//! What telemetry takes of memory while the receiver hangs, as the system counts it. This has a binary of its own, because
//! other tests would count.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what is unwrapped here is what a test relies on"
)]

use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otlp::Pipelines;
use settings::{Settings, SpanExporter, SpanProcessor};
use tokio::sync::watch;

/// The resident memory of this process, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// A provider whose receiver takes connections, and says nothing on them.
fn sending_to_nobody(queue: &str) -> SdkTracerProvider {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    let lookup = |name: &str| {
        Some(match name {
            "JAEGER_ADDRESS" => address.to_string().into(),
            "OTEL_EXPORTER_OTLP_TIMEOUT" | "OTEL_BSP_EXPORT_TIMEOUT" => "3600000".into(),
            "OTEL_BSP_MAX_QUEUE_SIZE" => queue.into(),
            _ => return None,
        })
    };
    let settings = Settings::from_env(&lookup).unwrap();
    let [SpanProcessor::Batch { batch, exporter }] = &settings.tracer_provider.processors[..]
    else {
        panic!("one exporter");
    };
    let SpanExporter::Otlp(otlp) = exporter else {
        panic!("by OTLP");
    };
    let (_, not_ending) = watch::channel(false);
    let queue = Pipelines::new(not_ending).spans(otlp, batch, None);
    SdkTracerProvider::builder()
        .with_span_processor(queue.unwrap())
        .build()
}

/// By how many KiB `work` lets the process grow. What it makes stays.
fn growth<T>(work: impl FnOnce() -> T) -> usize {
    let before = resident();
    std::mem::forget(work());
    resident().saturating_sub(before)
}

#[test]
fn memory_is_bounded_whatever_spans_hold_and_none_is_taken_ahead() {
    // The HTTP client and its certificates; what is made once is not of interest.
    growth(|| sending_to_nobody("1"));
    // The SDK's queue of as many spans would take 12 MiB at once.
    let grown = growth(|| sending_to_nobody("32768"));
    assert!(grown < 4 << 10, "{grown} KiB to build it");

    // 64 KiB each: 375 MiB in all. 16 MiB wait, and a request of at most 8 MiB is made of them.
    let grown = growth(|| {
        let provider = sending_to_nobody("16384");
        for number in 0..6_000 {
            let mut span = provider.tracer("Ping").start("span");
            let text = format!("{number:065535}");
            span.add_event("event", vec![KeyValue::new("text", text)]);
            span.end();
        }
        provider
    });
    println!("{grown} KiB for long events");
    assert!(grown < 48 << 10, "{grown} KiB for long events");

    let named = |text: String| InstrumentationScope::builder(text);
    let described = |text: String| {
        let attributes = [KeyValue::new("text", text)];
        InstrumentationScope::builder("scope").with_attributes(attributes)
    };
    for of_text in [&named as &dyn Fn(_) -> _, &described] {
        let grown = growth(|| {
            let provider = sending_to_nobody("16384");
            for number in 0..6_000 {
                let scope = of_text(format!("{number:065535}")).build();
                provider.tracer_with_scope(scope).start("span").end();
            }
            provider
        });
        println!("{grown} KiB for long scopes");
        assert!(grown < 48 << 10, "{grown} KiB for long scopes");
    }
}
