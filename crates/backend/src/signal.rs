//! The three signals, each a request whose items are kept.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::LogRecord,
    metrics::v1::{Metric, ResourceMetrics, metric::Data},
    trace::v1::Span,
};
use prost::Message;
use serde::de::DeserializeOwned;

use crate::{
    answer::Kept,
    decode,
    encode::Item as _,
    messages::{self, Shape},
    salvage::Faults,
    store::Store,
};

/// An export request of one signal.
pub(crate) trait Signal: DeserializeOwned + Message + Default + 'static {
    /// Where the messages within it stand.
    const SHAPE: &'static Shape;
    /// What the answer in JSON calls the number of items that were not taken.
    const REJECTED: &'static str;
    /// Its lists in JSON: of resources, of scopes, of items.
    const FIELDS: [&'static str; 3];
    /// What it is for: a span, a log record, a metric.
    type Item: DeserializeOwned + Message + Default;

    /// Moves its items into `store`. `faults` are of those that could not be decoded.
    fn keep(self, faults: Faults, store: &Store) -> Kept;
}

impl Signal for ExportTraceServiceRequest {
    const SHAPE: &'static Shape = &messages::TRACES;
    const REJECTED: &'static str = "rejectedSpans";
    const FIELDS: [&'static str; 3] = crate::Span::FIELDS;
    type Item = Span;

    fn keep(self, faults: Faults, store: &Store) -> Kept {
        let insert = |spans| store.insert_spans(spans);
        let (spans, kept) = keep_all(decode::spans(self), faults, insert);
        Kept { spans, ..kept }
    }
}

impl Signal for ExportLogsServiceRequest {
    const SHAPE: &'static Shape = &messages::LOGS;
    const REJECTED: &'static str = "rejectedLogRecords";
    const FIELDS: [&'static str; 3] = crate::LogRecord::FIELDS;
    type Item = LogRecord;

    fn keep(self, faults: Faults, store: &Store) -> Kept {
        let insert = |logs| store.insert_logs(logs);
        let (logs, kept) = keep_all(decode::log_records(self), faults, insert);
        Kept { logs, ..kept }
    }
}

impl Signal for ExportMetricsServiceRequest {
    const SHAPE: &'static Shape = &messages::METRICS;
    const REJECTED: &'static str = "rejectedDataPoints";
    const FIELDS: [&'static str; 3] = ["resourceMetrics", "scopeMetrics", "metrics"];
    type Item = Metric;

    fn keep(self, faults: Faults, store: &Store) -> Kept {
        let (mut points, mut too_large) = (0, 0);
        for metrics in &self.resource_metrics {
            let count = match store.insert_metrics(metrics) {
                true => &mut points,
                false => &mut too_large,
            };
            *count += data_points(metrics);
        }
        let kept = kept(faults, too_large);
        Kept { points, ..kept }
    }
}

/// Items that are moved into the store at a time. Those of a whole request, decoded, can take hundreds of megabytes
/// above the store's bound.
const CHUNK: usize = 1000;

/// Inserts the items that are valid; `insert` gives how many were too large. The number taken comes first.
fn keep_all<T>(
    items: impl Iterator<Item = Result<T, String>>,
    mut faults: Faults,
    insert: impl Fn(Vec<T>) -> usize,
) -> (usize, Kept) {
    let mut chunk = Vec::new();
    let (mut valid, mut too_large) = (0, 0);
    for item in items {
        match item {
            Ok(item) => {
                valid += 1;
                chunk.push(item);
            }
            Err(fault) => faults.add(1, fault),
        }
        if chunk.len() == CHUNK {
            too_large += insert(std::mem::take(&mut chunk));
        }
    }
    too_large += insert(chunk);
    (valid - too_large, kept(faults, too_large))
}

fn kept(faults: Faults, too_large: usize) -> Kept {
    let Faults { count, first } = faults;
    let invalid_ones = first.map(|fault| format!("{count} invalid, the first: {fault}"));
    let large = (too_large > 0).then(|| format!("{too_large} larger than the store"));
    let reasons: Vec<_> = invalid_ones.into_iter().chain(large).collect();
    Kept {
        rejected: count + too_large,
        reason: reasons.join("; "),
        ..Kept::default()
    }
}

fn data_points(metrics: &ResourceMetrics) -> usize {
    let data = metrics
        .scope_metrics
        .iter()
        .flat_map(|scope| &scope.metrics)
        .filter_map(|metric| metric.data.as_ref());
    data.map(|data| match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    })
    .sum()
}
