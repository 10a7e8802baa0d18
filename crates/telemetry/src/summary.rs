//! The settings in effect, in one line: the first thing to look at when no traces arrive.
//!
//! It is made from the parsed settings, including defaults. A test compares it with what a receiver then gets. It contains no
//! header values and no credentials.

use std::fmt::Write;

use settings::{
    ExemplarFilter, LogRecordExporter, LogRecordProcessor, MetricExporter, MetricReader, Otlp,
    Propagator, Settings, SpanExporter, SpanProcessor,
};

/// `service_name` as it is sent, after the environment.
pub(crate) fn summary(service_name: &str, version: &str, settings: &Settings) -> String {
    let mut line = format!("{service_name} {version}; ");
    // Writing to a string does not fail.
    if settings.disabled {
        line.push_str("traces, metrics and logs off (OTEL_SDK_DISABLED)");
    } else {
        let (tracer, meter) = (&settings.tracer_provider, &settings.meter_provider);
        let traces = tracer.processors.iter();
        let traces = traces.map(|SpanProcessor::Batch { exporter, .. }| match exporter {
            SpanExporter::Otlp(to) => otlp(to),
            SpanExporter::Console => "console".to_owned(),
        });
        let prometheus = match meter.exemplar_filter {
            ExemplarFilter::TraceBased => "prometheus",
            ExemplarFilter::AlwaysOff => "prometheus without exemplars",
        };
        let metrics = meter.readers.iter().map(|reader| match reader {
            MetricReader::Prometheus => prometheus.to_owned(),
            MetricReader::Periodic { exporter, .. } => match exporter {
                MetricExporter::Otlp(to) => otlp(to),
                MetricExporter::Console => "console".to_owned(),
            },
        });
        let logs = settings.logger_provider.processors.iter();
        let logs = logs.map(
            |LogRecordProcessor::Batch { exporter, .. }| match exporter {
                LogRecordExporter::Otlp(to) => otlp(to),
            },
        );
        let _ = write!(
            line,
            "traces: {}, sampler {}; metrics: {}; logs: {}",
            list(traces),
            tracer.sampler,
            list(metrics),
            list(std::iter::once("stdout".to_owned()).chain(logs)),
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
        settings.tracing.filter.directives
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
