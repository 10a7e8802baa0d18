//! A registry as `opentelemetry-prometheus` really fills it: whole outputs, byte for byte.

use std::time::SystemTime;

use crate::families::{OPENMETRICS, TEXT, body};
use openmetrics::Exposition;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;

pub(crate) fn filled() -> (SdkMeterProvider, Exposition) {
    let registry = prometheus::Registry::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()
        .unwrap();
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "Ping"),
            KeyValue::new("service.version", "0.1.0"),
        ])
        .build();
    let provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader)
        .build();

    let manual = provider.meter("manual");
    let caller = [
        KeyValue::new("remoteAddr", "127.0.0.1"),
        KeyValue::new("userAgent", "a \"quoted\\\" agent\n"),
    ];
    let requests = manual.u64_counter("request_count").with_unit("{request}");
    let requests = requests.with_description("Incoming request count").build();
    requests.add(2, &caller);
    requests.add(1, &[]);
    let duration = manual.f64_histogram("duration").with_unit("ms");
    let duration = duration.with_boundaries(vec![0.0, 5.0, 10.0]).build();
    duration.record(7.5, &caller);

    let scope = InstrumentationScope::builder("automatic").with_version("1.0");
    let automatic = provider.meter_with_scope(scope.build());
    let request = automatic.f64_histogram("http.server.request.duration");
    let request = request
        .with_unit("s")
        .with_boundaries(vec![0.005, 0.25, 1.0]);
    let request = request
        .with_description("Duration of HTTP server requests.")
        .build();
    for (route, seconds) in [("/ping", 0.001), ("/ping", 0.5), ("/slow", 10.0)] {
        request.record(seconds, &[KeyValue::new("http.route", route)]);
    }
    let active = automatic.i64_up_down_counter("http.server.active_requests");
    let active = active.with_unit("{request}").build();
    active.add(2, &[KeyValue::new("url.scheme", "http")]);
    active.add(-3, &[KeyValue::new("url.scheme", "http")]);

    manual
        .f64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_callback(|gauge| gauge.observe(1_048_576.0, &[]))
        .build();
    manual
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_callback(|counter| counter.observe(0.125, &[KeyValue::new("cpu:mode", "user")]))
        .build();
    (provider, Exposition::new(registry))
}

#[test]
fn text_is_this_byte_for_byte() {
    let (_provider, exposition) = filled();
    let expected = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="Ping",service_version="0.1.0"} 1
# TYPE duration_milliseconds histogram
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="0"} 0
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="5"} 0
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="10"} 1
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="+Inf"} 1
duration_milliseconds_sum{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n"} 7.5
duration_milliseconds_count{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n"} 1
# TYPE http_server_active_requests gauge
http_server_active_requests{otel_scope_name="automatic",otel_scope_version="1.0",url_scheme="http"} -1
# HELP http_server_request_duration_seconds Duration of HTTP server requests.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="0.005"} 1
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="0.25"} 1
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="1"} 2
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="+Inf"} 2
http_server_request_duration_seconds_sum{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0"} 0.501
http_server_request_duration_seconds_count{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0"} 2
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="0.005"} 0
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="0.25"} 0
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="1"} 0
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="+Inf"} 1
http_server_request_duration_seconds_sum{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0"} 10
http_server_request_duration_seconds_count{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0"} 1
# TYPE process_cpu_time_seconds_total counter
process_cpu_time_seconds_total{cpu_mode="user",otel_scope_name="manual"} 0.125
# TYPE process_memory_usage_bytes gauge
process_memory_usage_bytes{otel_scope_name="manual"} 1048576
# HELP request_count_total Incoming request count
# TYPE request_count_total counter
request_count_total{otel_scope_name="manual"} 1
request_count_total{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n"} 2
"#;
    assert_eq!(body(&exposition, TEXT), expected);
}

#[test]
fn openmetrics_is_this_byte_for_byte() {
    let (_provider, exposition) = filled();
    let series = exposition.exemplars().series(
        "http_server_request_duration_seconds",
        &[("http_route".to_owned(), "/ping".to_owned())],
        &[0.005, 0.25, 1.0],
    );
    series.record(0.5, SystemTime::now(), [0x4b; 16], [0x5c; 8]);
    let expected = r#"# TYPE target info
# HELP target Target metadata
target_info{service_name="Ping",service_version="0.1.0"} 1
# TYPE duration_milliseconds histogram
# UNIT duration_milliseconds milliseconds
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="0.0"} 0
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="5.0"} 0
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="10.0"} 1
duration_milliseconds_bucket{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n",le="+Inf"} 1
duration_milliseconds_sum{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n"} 7.5
duration_milliseconds_count{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n"} 1
# TYPE http_server_active_requests gauge
http_server_active_requests{otel_scope_name="automatic",otel_scope_version="1.0",url_scheme="http"} -1
# TYPE http_server_request_duration_seconds histogram
# UNIT http_server_request_duration_seconds seconds
# HELP http_server_request_duration_seconds Duration of HTTP server requests.
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="0.005"} 1
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="0.25"} 1
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="1.0"} 2 # {span_id="5c5c5c5c5c5c5c5c",trace_id="4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b"} 0.5 TIMESTAMP
http_server_request_duration_seconds_bucket{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0",le="+Inf"} 2
http_server_request_duration_seconds_sum{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0"} 0.501
http_server_request_duration_seconds_count{http_route="/ping",otel_scope_name="automatic",otel_scope_version="1.0"} 2
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="0.005"} 0
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="0.25"} 0
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="1.0"} 0
http_server_request_duration_seconds_bucket{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0",le="+Inf"} 1
http_server_request_duration_seconds_sum{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0"} 10
http_server_request_duration_seconds_count{http_route="/slow",otel_scope_name="automatic",otel_scope_version="1.0"} 1
# TYPE process_cpu_time_seconds counter
# UNIT process_cpu_time_seconds seconds
process_cpu_time_seconds_total{cpu_mode="user",otel_scope_name="manual"} 0.125
# TYPE process_memory_usage_bytes gauge
# UNIT process_memory_usage_bytes bytes
process_memory_usage_bytes{otel_scope_name="manual"} 1048576
# TYPE request_count counter
# HELP request_count Incoming request count
request_count_total{otel_scope_name="manual"} 1
request_count_total{otel_scope_name="manual",remoteAddr="127.0.0.1",userAgent="a \"quoted\\\" agent\n"} 2
# EOF
"#;
    let body = body(&exposition, OPENMETRICS);
    let exemplar = body.lines().find(|line| line.contains(" # {"));
    let timestamp = exemplar.and_then(|line| line.rsplit(' ').next()).unwrap();
    assert_eq!(body, expected.replace("TIMESTAMP", timestamp));
}

#[test]
fn after_the_provider_has_shut_down_the_exposition_is_empty_but_valid() {
    let (provider, exposition) = filled();
    provider.shutdown().unwrap();
    assert_eq!(body(&exposition, TEXT), "");
    assert_eq!(body(&exposition, OPENMETRICS), "# EOF\n");
}
