//! A stop over gRPC never panics, on whichever thread and however the collector behaves. This has a binary of its own,
//! because a panic on a thread of the exporter's is seen only by the hook of the whole process.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_executor::block_on;
use opentelemetry::trace::{Span as _, Tracer as _};
use telemetry::{Service, Settings};

/// How often: each at another moment of an export.
const STOPS: u64 = 60;

#[test]
fn a_stop_while_the_collector_hangs_panics_nowhere() {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |info| {
        seen.lock().unwrap().push(info.to_string());
    }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // Takes connections, and says nothing on them: neither HTTP/2 nor TLS.
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    for stop in 0..STOPS {
        let scheme = if stop % 2 == 0 { "http" } else { "https" };
        let lookup = |name: &str| {
            Some(match name {
                "OTEL_EXPORTER_OTLP_PROTOCOL" => "grpc".into(),
                "OTEL_EXPORTER_OTLP_ENDPOINT" => format!("{scheme}://{address}").into(),
                "OTEL_EXPORTER_OTLP_TIMEOUT" => (20 + 7 * (stop % 30)).to_string().into(),
                "OTEL_METRICS_EXPORTER" | "OTEL_LOGS_EXPORTER" => "otlp".into(),
                "OTEL_BSP_SCHEDULE_DELAY" => "1".into(),
                _ => return None,
            })
        };
        let settings = Settings::from_env(&lookup).unwrap();
        let telemetry = telemetry::build(Service::new("Ping", "1.2.3"), &settings).unwrap();
        telemetry.tracer("Ping").start("span").end();
        // The exports go on for a while after it.
        let lost = block_on(telemetry.shutdown(Duration::from_millis(3 * (stop % 30))));
        assert!(!lost.is_empty());
    }
    // Longer than the longest of them: what ends late is to be seen, too.
    thread::sleep(Duration::from_secs(1));
    let panics = panics.lock().unwrap();
    assert!(panics.is_empty(), "{panics:#?}");
}
