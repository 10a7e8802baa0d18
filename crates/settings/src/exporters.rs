//! `OTEL_*_EXPORTER`: where each signal goes; `OTEL_METRICS_EXEMPLAR_FILTER`.

use crate::reader::Reader;

/// Where spans go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracesExporter {
    /// To a receiver of OTLP.
    Otlp,
    /// To stdout, for a look at the raw data.
    Console,
}

/// Where metrics go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsExporter {
    /// To whoever fetches `/metrics`.
    Prometheus,
    /// To a receiver of OTLP.
    Otlp,
    /// To stdout, for a look at the raw data.
    Console,
}

/// Where log records go, besides stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsExporter {
    /// To a receiver of OTLP.
    Otlp,
}

pub(crate) fn traces(reader: &mut Reader<'_>) -> Vec<TracesExporter> {
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    let value = reader.text(NAME).unwrap_or_default().to_ascii_lowercase();
    // Known to the specification, and asked for often enough to deserve more than "not understood".
    let wanted = if value.split(',').any(|word| word.trim() == "zipkin") {
        "otlp, console or none (to reach Zipkin, send OTLP to a Collector, which sends on to Zipkin)"
    } else {
        "otlp, console or none"
    };
    none_is_empty(reader.list(NAME, wanted, "otlp", |word| match word {
        "otlp" => Some(Some(TracesExporter::Otlp)),
        "console" | "logging" => Some(Some(TracesExporter::Console)),
        "none" => Some(None),
        _ => None,
    }))
    .unwrap_or_else(|| vec![TracesExporter::Otlp])
}

pub(crate) fn metrics(reader: &mut Reader<'_>) -> Vec<MetricsExporter> {
    none_is_empty(reader.list(
        "OTEL_METRICS_EXPORTER",
        "prometheus, otlp, console or none",
        "prometheus",
        |word| match word {
            "prometheus" => Some(Some(MetricsExporter::Prometheus)),
            "otlp" => Some(Some(MetricsExporter::Otlp)),
            "console" | "logging" => Some(Some(MetricsExporter::Console)),
            "none" => Some(None),
            _ => None,
        },
    ))
    .unwrap_or_else(|| vec![MetricsExporter::Prometheus])
}

/// Unlike the specification, not `otlp` by default: Jaeger, the default receiver, takes no logs.
pub(crate) fn logs(reader: &mut Reader<'_>) -> Vec<LogsExporter> {
    none_is_empty(reader.list(
        "OTEL_LOGS_EXPORTER",
        "otlp or none (stdout is governed by RUST_LOG)",
        "none",
        |word| match word {
            "otlp" => Some(Some(LogsExporter::Otlp)),
            "none" => Some(None),
            _ => None,
        },
    ))
    .unwrap_or_default()
}

/// Whether exemplars are wanted: `trace_based` (default) or `always_off`.
pub(crate) fn exemplars(reader: &mut Reader<'_>) -> bool {
    reader
        .parsed(
            "OTEL_METRICS_EXEMPLAR_FILTER",
            "trace_based or always_off",
            "trace_based",
            |value| match value.to_ascii_lowercase().as_str() {
                "trace_based" => Some(true),
                "always_off" => Some(false),
                _ => None,
            },
        )
        .unwrap_or(true)
}

/// `none` adds nothing to a list.
fn none_is_empty<T>(list: Option<Vec<Option<T>>>) -> Option<Vec<T>> {
    list.map(|list| list.into_iter().flatten().collect())
}
