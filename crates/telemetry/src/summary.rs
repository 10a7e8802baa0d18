//! What is in effect, in one line: the first thing to look at when no traces arrive.
//!
//! It is made from the settings as they were understood, defaults included; a test compares it with what a receiver then
//! gets. Header values and credentials are not in it.

use std::fmt::Write;

use crate::Settings;
use settings::{LogsExporter, MetricsExporter, Otlp, Propagator, TracesExporter};

/// `service_name` as it is sent, after the environment.
pub(crate) fn summary(service_name: &str, version: &str, settings: &Settings) -> String {
    let mut line = format!("{service_name} {version}; ");
    // Writing to a string does not fail.
    if settings.disabled {
        line.push_str("traces, metrics and logs off (OTEL_SDK_DISABLED)");
    } else {
        let traces = list(
            settings
                .traces
                .exporters
                .iter()
                .map(|exporter| match exporter {
                    TracesExporter::Otlp => otlp(&settings.traces.otlp),
                    TracesExporter::Console => "console".to_owned(),
                }),
        );
        let metrics = list(
            settings
                .metrics
                .exporters
                .iter()
                .map(|exporter| match exporter {
                    MetricsExporter::Prometheus if settings.metrics.exemplars => {
                        "prometheus".to_owned()
                    }
                    MetricsExporter::Prometheus => "prometheus without exemplars".to_owned(),
                    MetricsExporter::Otlp => otlp(&settings.metrics.otlp),
                    MetricsExporter::Console => "console".to_owned(),
                }),
        );
        let logs = list(
            std::iter::once("stdout".to_owned()).chain(settings.logs.exporters.iter().map(
                |exporter| match exporter {
                    LogsExporter::Otlp => otlp(&settings.logs.otlp),
                },
            )),
        );
        let _ = write!(
            line,
            "traces: {traces}, sampler {}; metrics: {metrics}; logs: {logs}",
            settings.traces.sampler
        );
    }
    let propagators = list(
        settings
            .propagators
            .iter()
            .map(|propagator| match propagator {
                Propagator::TraceContext => "tracecontext".to_owned(),
                Propagator::Baggage => "baggage".to_owned(),
            }),
    );
    let _ = write!(
        line,
        "; propagators: {propagators}; log filter: {}",
        settings.logs.filter.directives
    );
    line
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(" and ")
    }
}

fn otlp(otlp: &Otlp) -> String {
    let mut text = format!("{} to {}", otlp.protocol, otlp.endpoint);
    if otlp.gzip {
        text.push_str(" with gzip");
    }
    if !otlp.headers.is_empty() {
        let names: Vec<_> = otlp.headers.keys().map(|name| name.as_str()).collect();
        let _ = write!(text, " with headers {}", names.join(", "));
    }
    if let Some(proxy) = &otlp.proxy {
        let _ = write!(text, " through the proxy {proxy}");
    }
    text
}
