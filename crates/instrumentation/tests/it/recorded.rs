//! All that one instrumentation emitted, as text.
//!
//! A span is its name, kind and status on one line, then its attributes, sorted. A metric's point is its name,
//! its attributes, sorted, and its count or its value.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use instrumentation::{Propagator, SCHEMA_URL};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider, ShouldSample, SpanData,
};

/// Generous: a machine may be busy.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Recorded {
    spans: InMemorySpanExporter,
    tracers: SdkTracerProvider,
    metrics: InMemoryMetricExporter,
    meters: SdkMeterProvider,
}

impl Recorded {
    pub(crate) fn new() -> Self {
        Self::sampled_by(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
    }

    pub(crate) fn sampled_by(sampler: impl ShouldSample + 'static) -> Self {
        let spans = InMemorySpanExporter::default();
        let metrics = InMemoryMetricExporter::default();
        // Collected on demand only.
        let reader = PeriodicReader::builder(metrics.clone())
            .with_interval(LIMIT * 1000)
            .build();
        Self {
            tracers: SdkTracerProvider::builder()
                .with_sampler(sampler)
                .with_simple_exporter(spans.clone())
                .build(),
            meters: SdkMeterProvider::builder().with_reader(reader).build(),
            spans,
            metrics,
        }
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.tracers.tracer_with_scope(scope())
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meters.meter_with_scope(scope())
    }

    /// The spans that ended, in the order of their ends.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    /// Waits until so many spans have ended.
    pub(crate) async fn ended(&self, count: usize) -> Vec<SpanData> {
        eventually(|| Some(self.spans()).filter(|spans| spans.len() >= count)).await
    }

    /// The only span, once it has ended.
    pub(crate) async fn span(&self) -> SpanData {
        let mut spans = self.ended(1).await;
        assert_eq!(spans.len(), 1, "{spans:#?}");
        spans.remove(0)
    }

    /// Every point of every instrument, sorted.
    pub(crate) fn metrics(&self) -> String {
        self.meters.force_flush().unwrap();
        let collected = self.metrics.get_finished_metrics().unwrap();
        let mut lines = Vec::new();
        for scope in collected.last().unwrap().scope_metrics() {
            assert_eq!(scope.scope().schema_url(), Some(SCHEMA_URL));
            for metric in scope.metrics() {
                let mut point = |attributes: Vec<KeyValue>, value: i64| {
                    lines.push(format!(
                        "{} {{{}}} {value}",
                        metric.name(),
                        list(attributes).join(" ")
                    ));
                };
                match metric.data() {
                    AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                        sum.data_points().for_each(|data| {
                            point(data.attributes().cloned().collect(), data.value());
                        })
                    }
                    AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                        histogram.data_points().for_each(|data| {
                            point(data.attributes().cloned().collect(), data.count() as i64);
                        });
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        lines.sort();
        lines.join("\n")
    }

    /// Unit, description and buckets of every instrument, sorted.
    pub(crate) fn instruments(&self) -> Vec<(String, String, String, Vec<f64>)> {
        self.meters.force_flush().unwrap();
        let collected = self.metrics.get_finished_metrics().unwrap();
        let scopes = collected.last().unwrap().scope_metrics();
        let mut instruments: Vec<_> = scopes
            .flat_map(|scope| scope.metrics())
            .map(|metric| {
                let bounds = match metric.data() {
                    AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                        .data_points()
                        .flat_map(|point| point.bounds())
                        .collect(),
                    _ => Vec::new(),
                };
                let (name, unit) = (metric.name().to_owned(), metric.unit().to_owned());
                (name, unit, metric.description().to_owned(), bounds)
            })
            .collect();
        instruments.sort_by(|a, b| a.0.cmp(&b.0));
        instruments
    }

    /// The sum of all durations, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.meters.force_flush().unwrap();
        let collected = self.metrics.get_finished_metrics().unwrap();
        let scopes = collected.last().unwrap().scope_metrics();
        let metrics = scopes.flat_map(|scope| scope.metrics());
        metrics
            .map(|metric| match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    histogram.data_points().map(|point| point.sum()).sum()
                }
                _ => 0.0,
            })
            .sum()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("test")
        .with_schema_url(SCHEMA_URL)
        .build()
}

pub(crate) fn propagator() -> Propagator {
    Arc::new(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]))
}

/// Polls until there is something.
pub(crate) async fn eventually<R>(mut poll: impl FnMut() -> Option<R>) -> R {
    let start = Instant::now();
    loop {
        if let Some(result) = poll() {
            return result;
        }
        assert!(start.elapsed() < LIMIT, "waited for {LIMIT:?} in vain");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn text(span: &SpanData) -> String {
    let kind = match span.span_kind {
        SpanKind::Client => "CLIENT",
        SpanKind::Server => "SERVER",
        _ => "another kind",
    };
    let status = match &span.status {
        Status::Unset => String::new(),
        Status::Ok => " ok".to_owned(),
        Status::Error { description } if description.is_empty() => " error".to_owned(),
        Status::Error { description } => format!(" error: {description}"),
    };
    let mut text = format!("{} {kind}{status}", span.name);
    for attribute in list(span.attributes.clone()) {
        write!(text, "\n{attribute}").unwrap();
    }
    assert_eq!(span.dropped_attributes_count, 0);
    assert!(span.events.is_empty() && span.links.is_empty());
    assert_eq!(span.instrumentation_scope, scope());
    text
}

/// Strings with quotes, so that no number is taken for its text. An attribute that is there twice is there twice.
fn list(attributes: Vec<KeyValue>) -> Vec<String> {
    let mut list: Vec<_> = attributes
        .into_iter()
        .map(|attribute| match attribute.value {
            Value::String(text) => format!("{}={:?}", attribute.key, text.as_str()),
            other => format!("{}={other}", attribute.key),
        })
        .collect();
    list.sort();
    list
}

/// Text as it stands in a test: without the indentation, and with words in capitals replaced.
pub(crate) fn expected(text: &str, words: &[(&str, &str)]) -> String {
    let lines: Vec<_> = text.trim().lines().map(str::trim).collect();
    words.iter().fold(lines.join("\n"), |text, (word, value)| {
        text.replace(word, value)
    })
}
