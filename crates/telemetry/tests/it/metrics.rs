//! Metrics: where they go, what is bounded, what this crate measures itself.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceFlags, TraceId, TraceState, Tracer as _,
};
use telemetry::Telemetry;

use crate::help::{SERVICE, end, eventually, sample, scrape, sending, settings, span, telemetry};
use crate::receiver::{Answer, HOUR, Receiver, SOON, nobody};

#[tokio::test]
async fn prometheus_is_the_default_and_pushes_nothing() {
    let receiver = Receiver::start();
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5"),
    ]);
    telemetry
        .meter("m")
        .u64_counter("request_count")
        .build()
        .add(2, &[]);
    assert_eq!(
        sample(
            &telemetry,
            "request_count_total",
            &["otel_scope_name=\"m\""]
        ),
        Some(2.0)
    );
    end(telemetry).await;
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn otlp_pushes_at_the_interval_and_leaves_nothing_to_fetch() {
    let receiver = Receiver::start();
    let telemetry = telemetry(&[
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "20"),
    ]);
    assert!(telemetry.exposition().is_none());
    assert!(telemetry.exemplars().is_none());
    telemetry
        .meter("m")
        .u64_counter("request_count")
        .build()
        .add(2, &[]);
    eventually("three pushes", || {
        (receiver.requests().len() >= 3).then_some(())
    });
    assert_eq!(receiver.first().path, "/v1/metrics");
    end(telemetry).await;
    let last = receiver.requests().pop().unwrap().metrics();
    let scopes = &last.resource_metrics[0].scope_metrics;
    let names: Vec<_> = scopes
        .iter()
        .flat_map(|scope| &scope.metrics)
        .map(|metric| metric.name.as_str())
        .collect();
    assert!(names.contains(&"request_count"), "{names:?}");
}

#[tokio::test]
async fn metrics_of_the_last_moments_are_pushed_at_the_end() {
    let receiver = Receiver::start();
    let telemetry = telemetry(&[
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            &format!("{}/own", receiver.url()),
        ),
    ]);
    assert!(telemetry.exposition().is_some());
    telemetry
        .meter("m")
        .u64_counter("request_count")
        .build()
        .add(2, &[]);
    end(telemetry).await;
    assert_eq!(receiver.first().path, "/own");
}

#[tokio::test]
async fn export_timeout_bounds_a_push() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = telemetry(&[
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "20"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", HOUR),
    ]);
    let failed = || {
        let labels = ["error_type=\"timeout\"", "otlp_http_metric_exporter/0"];
        sample(
            &telemetry,
            "otel_sdk_exporter_metric_data_point_exported_total",
            &labels,
        )
    };
    assert!(eventually("the failure", failed) > 0.0);
    let lost = telemetry.shutdown(SOON).await.to_string();
    assert!(
        lost.contains("metric data points not confirmed (may have arrived)"),
        "{lost}"
    );
}

#[tokio::test]
async fn exporter_none_leaves_nothing() {
    let telemetry = telemetry(&[("OTEL_METRICS_EXPORTER", "none")]);
    assert!(telemetry.exposition().is_none());
    assert!(
        telemetry.summary().contains("metrics: none;"),
        "{}",
        telemetry.summary()
    );
    end(telemetry).await;
}

#[test]
fn unknown_exporter_is_warned_of_and_prometheus_takes_over() {
    let telemetry = telemetry(&[
        ("OTEL_METRICS_EXPORTER", "carrier-pigeon"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ]);
    assert_eq!(
        telemetry.warnings(),
        [
            "OTEL_METRICS_EXPORTER is \"carrier-pigeon\"; wanted: prometheus, otlp, console or none; used instead: \
             prometheus"
        ]
    );
    assert!(telemetry.exposition().is_some());
}

#[test]
fn exemplars_are_handed_out_unless_always_off() {
    for (value, expected, warnings) in [
        ("", true, 0),
        ("trace_based", true, 0),
        ("Always_Off", false, 0),
        ("always_on", true, 1),
        ("perhaps", true, 1),
    ] {
        let telemetry = telemetry(&[
            ("OTEL_METRICS_EXEMPLAR_FILTER", value),
            ("OTEL_TRACES_EXPORTER", "none"),
        ]);
        assert_eq!(telemetry.exemplars().is_some(), expected, "{value}");
        assert_eq!(telemetry.warnings().len(), warnings, "{value}");
        assert_eq!(telemetry.summary().contains("without exemplars"), !expected);
    }
}

#[test]
fn exemplars_that_are_handed_out_show_in_the_exposition() {
    let telemetry = telemetry(&[("OTEL_TRACES_EXPORTER", "none")]);
    let histogram = telemetry
        .meter("m")
        .f64_histogram("d")
        .with_unit("s")
        .with_boundaries(vec![1.0])
        .build();
    histogram.record(0.5, &[]);
    let remember = telemetry.exemplars().unwrap()("d", "s", &[], &[1.0]);
    let span = SpanContext::new(
        TraceId::from_bytes([1; 16]),
        SpanId::from_bytes([2; 8]),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    remember(0.5, SystemTime::now(), &span);
    let encoded = telemetry
        .exposition()
        .unwrap()
        .encode(Some("application/openmetrics-text"));
    let text = String::from_utf8(encoded.body).unwrap();
    assert!(
        text.contains("trace_id=\"01010101010101010101010101010101\""),
        "{text}"
    );
}

/// Fills three instruments with 10,000 attribute sets and checks that `limit` are kept apart and nothing is lost.
fn overflow(telemetry: &Telemetry, limit: usize) {
    let meter = telemetry.meter("m");
    let counter = meter.u64_counter("agents").build();
    let histogram = meter
        .f64_histogram("spent")
        .with_boundaries(vec![1.0, 2.0])
        .build();
    let gauge = meter.i64_up_down_counter("active").build();
    for number in 0..10_000 {
        let attributes = [KeyValue::new("agent", format!("agent {number}"))];
        counter.add(1, &attributes);
        histogram.record(1.5, &attributes);
        gauge.add(1, &attributes);
    }
    let lines = scrape(telemetry);
    for series in ["agents_total{", "spent_count{", "active{"] {
        let values: Vec<f64> = lines
            .iter()
            .filter(|line| line.starts_with(series))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(values.len(), limit + 1, "{series}");
        assert_eq!(
            values.iter().sum::<f64>(),
            10_000.0,
            "{series}: nothing is lost"
        );
    }
    assert_eq!(
        sample(
            telemetry,
            "agents_total",
            &["otel_metric_overflow=\"true\""]
        ),
        Some((10_000 - limit) as f64)
    );
}

#[test]
fn an_instrument_keeps_2000_attribute_sets_then_one_for_all_the_rest() {
    overflow(&telemetry(&[("OTEL_TRACES_EXPORTER", "none")]), 2000);
}

#[test]
fn limit_of_attribute_sets_is_set_in_code_within_its_range() {
    for (set, limit) in [(0, 1), (7, 7), (2500, 2500)] {
        let settings = settings(&[("OTEL_TRACES_EXPORTER", "none")]).with_cardinality_limit(set);
        overflow(&telemetry::build(SERVICE, &settings).unwrap(), limit);
    }
    // The SDK reserves room for as many as it is told, and the process would end here.
    let settings = settings(&[("OTEL_TRACES_EXPORTER", "none")]).with_cardinality_limit(1 << 40);
    let telemetry = telemetry::build(SERVICE, &settings).unwrap();
    let counter = telemetry.meter("m").u64_counter("requests").build();
    counter.add(1, &[KeyValue::new("agent", "one")]);
    assert_eq!(sample(&telemetry, "requests_total", &[]), Some(1.0));
}

#[test]
fn advised_buckets_survive_the_view() {
    let telemetry = telemetry(&[("OTEL_TRACES_EXPORTER", "none")]);
    let histogram = telemetry
        .meter("m")
        .f64_histogram("spent")
        .with_boundaries(vec![0.25, 0.5])
        .build();
    histogram.record(0.3, &[]);
    let bounds: Vec<_> = scrape(&telemetry)
        .into_iter()
        .filter_map(|line| {
            let rest = line
                .strip_prefix("spent_bucket{")?
                .split("le=\"")
                .nth(1)?
                .to_owned();
            Some(rest.split('"').next()?.to_owned())
        })
        .collect();
    assert_eq!(bounds, ["0.25", "0.5", "+Inf"]);
}

#[tokio::test]
async fn own_metrics_are_exactly_these() {
    let telemetry = telemetry(&[]);
    let families: BTreeSet<_> = scrape(&telemetry)
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix("# TYPE ")?.to_owned()))
        .collect();
    #[cfg(windows)]
    let system = ["process_windows_handle_count gauge"];
    #[cfg(not(windows))]
    let system = [
        "process_thread_count gauge",
        "process_unix_file_descriptor_count gauge",
    ];
    let expected = [
        "otel_sdk_exporter_span_exported_total counter",
        "otel_sdk_exporter_span_inflight gauge",
        "otel_sdk_processor_span_processed_total counter",
        "otel_sdk_processor_span_queue_capacity gauge",
        "otel_sdk_processor_span_queue_size gauge",
        "process_cpu_time_seconds_total counter",
        "process_memory_usage_bytes gauge",
        "process_memory_virtual_bytes gauge",
        "process_uptime_seconds gauge",
        "target_info gauge",
        "telemetry_log_line_dropped_total counter",
        "tokio_global_queue_depth gauge",
        "tokio_task_alive gauge",
        "tokio_worker_busy_ratio gauge",
        "tokio_worker_busy_time_seconds_total counter",
        "tokio_worker_count gauge",
        "tokio_worker_park_count_total counter",
    ];
    let expected: BTreeSet<_> = expected
        .into_iter()
        .chain(system)
        .map(str::to_owned)
        .collect();
    assert_eq!(families, expected);
    let _ = telemetry.shutdown(SOON).await;
}

#[test]
fn off_a_runtime_there_are_no_runtime_metrics() {
    let telemetry = telemetry(&[("OTEL_TRACES_EXPORTER", "none")]);
    let lines = scrape(&telemetry);
    assert!(lines.iter().all(|line| !line.contains("tokio_")));
    let modes: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("process_cpu_time_seconds_total{cpu_mode="))
        .filter_map(|rest| rest.split(',').next())
        .collect();
    assert_eq!(modes, ["\"system\"", "\"user\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn runtime_and_process_figures_are_those_of_this_process() {
    let telemetry = telemetry(&[("OTEL_TRACES_EXPORTER", "none")]);
    assert_eq!(sample(&telemetry, "tokio_worker_count", &[]), Some(3.0));
    let alive = sample(&telemetry, "tokio_task_alive", &[]).unwrap();
    let task = tokio::spawn(std::future::pending::<()>());
    eventually("one task more", || {
        (sample(&telemetry, "tokio_task_alive", &[]).unwrap() > alive).then_some(())
    });
    task.abort();
    let busy = || sample(&telemetry, "tokio_worker_busy_time_seconds_total", &[]).unwrap();
    let before = busy();
    for _ in 0..100 {
        tokio::spawn(async { std::hint::black_box((0..100_000).sum::<u64>()) })
            .await
            .unwrap();
    }
    eventually("busy time", || (busy() > before).then_some(()));
    assert!(sample(&telemetry, "process_memory_usage_bytes", &[]).unwrap() > 1e6);
    let uptime = sample(&telemetry, "process_uptime_seconds", &[]).unwrap();
    eventually("time goes on", || {
        (sample(&telemetry, "process_uptime_seconds", &[]).unwrap() > uptime).then_some(())
    });
    end(telemetry).await;
}

#[tokio::test]
async fn health_counts_what_arrived_by_these_attributes() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    for _ in 0..3 {
        span(&telemetry, "span");
    }
    receiver.wait_for_spans(3);
    eventually("the count", || {
        sample(&telemetry, "otel_sdk_exporter_span_exported_total", &[])
            .filter(|count| *count == 3.0)
    });
    let port = receiver.address.port();
    let expected = [
        format!(
            "otel_sdk_exporter_span_exported_total{{otel_component_name=\"otlp_http_span_exporter/0\",\
             otel_component_type=\"otlp_http_span_exporter\",otel_scope_name=\"telemetry\",\
             server_address=\"127.0.0.1\",server_port=\"{port}\"}} 3"
        ),
        format!(
            "otel_sdk_exporter_span_inflight{{otel_component_name=\"otlp_http_span_exporter/0\",\
             otel_component_type=\"otlp_http_span_exporter\",otel_scope_name=\"telemetry\",\
             server_address=\"127.0.0.1\",server_port=\"{port}\"}} 0"
        ),
        "otel_sdk_processor_span_processed_total{error_type=\"queue_full\",\
         otel_component_name=\"batching_span_processor/0\",otel_component_type=\"batching_span_processor\",\
         otel_scope_name=\"telemetry\"} 0"
            .to_owned(),
        "otel_sdk_processor_span_processed_total{otel_component_name=\"batching_span_processor/0\",\
         otel_component_type=\"batching_span_processor\",otel_scope_name=\"telemetry\"} 3"
            .to_owned(),
        "otel_sdk_processor_span_queue_capacity{otel_component_name=\"batching_span_processor/0\",\
         otel_component_type=\"batching_span_processor\",otel_scope_name=\"telemetry\"} 16384"
            .to_owned(),
        "otel_sdk_processor_span_queue_size{otel_component_name=\"batching_span_processor/0\",\
         otel_component_type=\"batching_span_processor\",otel_scope_name=\"telemetry\"} 0"
            .to_owned(),
    ];
    let seen: Vec<_> = scrape(&telemetry)
        .into_iter()
        .filter(|line| line.starts_with("otel_sdk"))
        .collect();
    assert_eq!(seen, expected);
    end(telemetry).await;
}

#[tokio::test]
async fn failed_exports_are_counted_by_reason() {
    let refusing = nobody();
    let failing = Receiver::answering(|_| Answer::Status(400));
    for (address, reason) in [(refusing, "connection_refused"), (failing.address, "400")] {
        // A refused connection is tried again until then.
        let telemetry = sending(address, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
        span(&telemetry, "span");
        let label = format!("error_type=\"{reason}\"");
        let failed = || {
            sample(
                &telemetry,
                "otel_sdk_exporter_span_exported_total",
                &[&label],
            )
        };
        assert_eq!(eventually("the failure", failed), 1.0);
        assert!(!telemetry.shutdown(SOON).await.is_empty());
    }
}

#[tokio::test]
async fn scrape_survives_resource_keys_that_are_no_label_names() {
    let telemetry = telemetry(&[
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "1st=a,%20=b,a.b=c,a-b=d,%E2%98%83=e",
        ),
        ("OTEL_TRACES_EXPORTER", "none"),
    ]);
    telemetry
        .meter("m")
        .u64_counter("request_count")
        .build()
        .add(1, &[]);
    assert_eq!(sample(&telemetry, "request_count_total", &[]), Some(1.0));
    let lines = scrape(&telemetry);
    let info = lines
        .iter()
        .find(|line| line.starts_with("target_info{"))
        .unwrap();
    let labels = info.trim_start_matches("target_info{").split("\",");
    for label in labels {
        let name = label.split('=').next().unwrap();
        let mut letters = name.chars();
        assert!(
            letters
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_'),
            "{name} in {info}"
        );
        assert!(
            letters.all(|c| c.is_ascii_alphanumeric() || c == '_'),
            "{name} in {info}"
        );
    }
    end(telemetry).await;
}

#[tokio::test]
async fn scrapes_go_on_until_the_end_and_are_harmless_after_it() {
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    let exposition = telemetry.exposition().unwrap();
    let tracer = telemetry.tracer("Ping");
    end(telemetry).await;
    assert!(
        !String::from_utf8(exposition.encode(None).body)
            .unwrap()
            .contains("process_")
    );
    tracer.start("late").end();
    assert_eq!(receiver.requests().len(), 0);
    tokio::time::sleep(Duration::ZERO).await;
}
