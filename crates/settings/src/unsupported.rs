//! Variables of the specification that have no effect here. Each that is set makes a warning: without it, a user would believe
//! that it works.

use crate::reader::Reader;

/// The variable, and what to use instead.
const UNSUPPORTED: [(&str, &str); 18] = [
    ("OTEL_CONFIG_FILE", "set the OTEL_* variables"),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", "set the OTEL_* variables"),
    (
        "OTEL_LOG_LEVEL",
        "set RUST_LOG, for instance to \"info,opentelemetry_sdk=debug\"",
    ),
    (
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        "the stable conventions are always used",
    ),
    (
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "log records have no limit",
    ),
    (
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "log records have no limit",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "metrics are cumulative",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "histograms have explicit buckets",
    ),
    (
        "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
        "set OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
        "set OTEL_EXPORTER_OTLP_METRICS_INSECURE",
    ),
    (
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "send OTLP to a Collector, which sends on to Zipkin",
    ),
    (
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
        "send OTLP to a Collector, which sends on to Zipkin",
    ),
    (
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "metrics are scraped where the service serves them",
    ),
    (
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "metrics are scraped where the service serves them",
    ),
    (
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "set JAEGER_ADDRESS or OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    (
        "OTEL_EXPORTER_JAEGER_AGENT_HOST",
        "set JAEGER_ADDRESS or OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    (
        "OTEL_EXPORTER_JAEGER_AGENT_PORT",
        "set JAEGER_ADDRESS or OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    (
        "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
        "one export runs at a time",
    ),
];

pub(crate) fn warn(reader: &mut Reader<'_>) {
    for (name, instead) in UNSUPPORTED {
        if let Some(value) = reader.text(name) {
            reader.warn(format!(
                "{name} is {value:?}; it is not supported; {instead}"
            ));
        }
    }
}
