//! `tracer_provider.processors`, `meter_provider.readers` and `logger_provider.processors`: where each signal goes
//! (`OTEL_*_EXPORTER`); `meter_provider.exemplar_filter`.

use std::time::Duration;

use crate::reader::Reader;
use crate::{Batch, Otlp};

/// What is done with ended spans.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanProcessor {
    /// They wait in a queue for the exporter.
    Batch {
        /// The queue.
        batch: Batch,
        /// Where they go.
        exporter: SpanExporter,
    },
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few values, made once: a box would only be in the reader's way"
)]
pub enum SpanExporter {
    /// `otlp_http` or `otlp_grpc`: to a receiver of OTLP.
    Otlp(Otlp),
    /// `console`: to stdout, for a look at the raw data.
    Console,
}

/// Who collects the metrics.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few values, made once: a box would only be in the reader's way"
)]
pub enum MetricReader {
    /// `periodic`: they are pushed at each interval.
    Periodic {
        /// The time between two pushes.
        interval: Duration,
        /// How long one push may take.
        timeout: Duration,
        /// Where they go.
        exporter: MetricExporter,
    },
    /// `pull.exporter.prometheus`: a Prometheus fetches `/metrics`.
    Prometheus,
}

/// Where pushed metrics go.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few values, made once: a box would only be in the reader's way"
)]
pub enum MetricExporter {
    /// `otlp_http` or `otlp_grpc`: to a receiver of OTLP.
    Otlp(Otlp),
    /// `console`: to stdout, for a look at the raw data.
    Console,
}

/// Which measurements can become exemplars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemplarFilter {
    /// Those made in a sampled span.
    TraceBased,
    /// None.
    AlwaysOff,
}

/// What is done with log records.
#[derive(Clone, Debug, PartialEq)]
pub enum LogRecordProcessor {
    /// They wait in a queue for the exporter.
    Batch {
        /// The queue.
        batch: Batch,
        /// Where they go.
        exporter: LogRecordExporter,
    },
}

/// Where log records go, besides stdout.
#[derive(Clone, Debug, PartialEq)]
pub enum LogRecordExporter {
    /// `otlp_http` or `otlp_grpc`: to a receiver of OTLP.
    Otlp(Otlp),
}

pub(crate) fn spans(reader: &mut Reader<'_>, otlp: &Otlp) -> Vec<SpanExporter> {
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    let value = reader.text(NAME).unwrap_or_default().to_ascii_lowercase();
    // Known to the specification, and asked for often enough to deserve more than "not understood".
    let wanted = if value.split(',').any(|word| word.trim() == "zipkin") {
        "otlp, console or none (to reach Zipkin, send OTLP to a Collector, which sends on to Zipkin)"
    } else {
        "otlp, console or none"
    };
    none_is_empty(reader.list(NAME, wanted, "otlp", |word| match word {
        "otlp" => Some(Some(SpanExporter::Otlp(otlp.clone()))),
        "console" | "logging" => Some(Some(SpanExporter::Console)),
        "none" => Some(None),
        _ => None,
    }))
    .unwrap_or_else(|| vec![SpanExporter::Otlp(otlp.clone())])
}

pub(crate) fn metrics(reader: &mut Reader<'_>, otlp: &Otlp) -> Vec<MetricReader> {
    let interval = reader.interval("OTEL_METRIC_EXPORT_INTERVAL", 60_000);
    let timeout = reader.timeout("OTEL_METRIC_EXPORT_TIMEOUT", 30_000);
    let pushed = |exporter| {
        Some(Some(MetricReader::Periodic {
            interval,
            timeout,
            exporter,
        }))
    };
    none_is_empty(reader.list(
        "OTEL_METRICS_EXPORTER",
        "prometheus, otlp, console or none",
        "prometheus",
        |word| match word {
            "prometheus" => Some(Some(MetricReader::Prometheus)),
            "otlp" => pushed(MetricExporter::Otlp(otlp.clone())),
            "console" | "logging" => pushed(MetricExporter::Console),
            "none" => Some(None),
            _ => None,
        },
    ))
    .unwrap_or_else(|| vec![MetricReader::Prometheus])
}

/// The default is `none` and not the specification's `otlp`: Jaeger, the default receiver, takes no logs.
pub(crate) fn log_records(reader: &mut Reader<'_>, otlp: &Otlp) -> Vec<LogRecordExporter> {
    none_is_empty(reader.list(
        "OTEL_LOGS_EXPORTER",
        "otlp or none (stdout is governed by RUST_LOG)",
        "none",
        |word| match word {
            "otlp" => Some(Some(LogRecordExporter::Otlp(otlp.clone()))),
            "none" => Some(None),
            _ => None,
        },
    ))
    .unwrap_or_default()
}

pub(crate) fn exemplar_filter(reader: &mut Reader<'_>) -> ExemplarFilter {
    reader
        .parsed(
            "OTEL_METRICS_EXEMPLAR_FILTER",
            "trace_based or always_off",
            "trace_based",
            |value| match value.to_ascii_lowercase().as_str() {
                "trace_based" => Some(ExemplarFilter::TraceBased),
                "always_off" => Some(ExemplarFilter::AlwaysOff),
                _ => None,
            },
        )
        .unwrap_or(ExemplarFilter::TraceBased)
}

/// `none` adds nothing to a list.
fn none_is_empty<T>(list: Option<Vec<Option<T>>>) -> Option<Vec<T>> {
    list.map(|list| list.into_iter().flatten().collect())
}
