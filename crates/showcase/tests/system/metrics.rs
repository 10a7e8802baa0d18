//! What `/metrics` of both services says.

use std::collections::BTreeSet;

use crate::pair::Pair;

/// Names of the families in a Prometheus text, and its samples.
fn parse(text: &str) -> (BTreeSet<&str>, Vec<&str>) {
    let families = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    (
        families,
        text.lines().filter(|line| !line.starts_with('#')).collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_both_services_have_the_names_of_the_contract() {
    let pair = Pair::start();
    pair.get("/ping").await;
    let ping = pair.metrics_with("request_count_total{").await;
    let pong = reqwest::get(format!("{}/metrics", pair.pong_url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let common = [
        "duration_milliseconds",
        "http_server_active_requests",
        "http_server_request_duration_seconds",
        "otel_sdk_exporter_span_exported_total",
        "otel_sdk_processor_span_processed_total",
        "otel_sdk_processor_span_queue_capacity",
        "otel_sdk_processor_span_queue_size",
        "process_cpu_time_seconds_total",
        "process_memory_usage_bytes",
        "process_thread_count",
        "process_uptime_seconds",
        "request_count_total",
        "target_info",
        "tokio_worker_busy_ratio",
        "tokio_worker_count",
    ];
    for (metrics, more) in [
        (&ping, Some("http_client_request_duration_seconds")),
        (&pong, None),
    ] {
        let (families, _) = parse(metrics);
        for name in common.into_iter().chain(more) {
            assert!(families.contains(name), "no {name} in {families:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_metrics_have_the_callers_address_without_port_and_its_user_agent() {
    let pair = Pair::start();
    pair.get("/ping").await;
    pair.get("/ping").await;
    let ping = pair.metrics_with("request_count_total{").await;
    let (_, samples) = parse(&ping);
    let of = |name: &str| {
        let mut samples = samples
            .iter()
            .filter(|sample| sample.starts_with(&format!("{name}{{")));
        let sample = samples
            .next()
            .copied()
            .unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(samples.next(), None, "one caller is one series");
        sample
    };
    let labels = r#"{otel_scope_name="getting-started-opentelemetry-rust/ping/manual-instrumentation",remoteAddr="127.0.0.1",userAgent="tester/1.0"}"#;
    assert_eq!(
        of("request_count_total"),
        format!("request_count_total{labels} 2")
    );
    assert_eq!(
        of("duration_milliseconds_count"),
        format!("duration_milliseconds_count{labels} 2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pongs_caller_is_ping_by_its_user_agent() {
    let pair = Pair::start();
    pair.get("/ping").await;
    let pong = reqwest::get(format!("{}/metrics", pair.pong_url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let ping = env!("CARGO_PKG_VERSION");
    let series = format!(r#"remoteAddr="127.0.0.1",userAgent="ping/{ping}"}} 1"#);
    assert!(pong.contains(&series), "{pong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exemplar_of_the_open_metrics_format_names_the_trace() {
    let pair = Pair::start();
    pair.get_with(
        "/ping",
        &[(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )],
    )
    .await;
    let answer = pair
        .get_with(
            "/metrics",
            &[("accept", "application/openmetrics-text; version=1.0.0")],
        )
        .await;
    let metrics = answer.text().await.unwrap();
    let buckets = metrics
        .lines()
        .filter(|line| line.contains("0af7651916cd43dd8448eb211c80319c"));
    let families: BTreeSet<_> = buckets.filter_map(|line| line.split('{').next()).collect();
    assert_eq!(
        families,
        BTreeSet::from([
            "http_client_request_duration_seconds_bucket",
            "http_server_request_duration_seconds_bucket"
        ])
    );
    assert!(metrics.ends_with("# EOF\n"));
}
