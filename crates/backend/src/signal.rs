//! The three signals, each a request whose items are kept.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    metrics::v1::{ResourceMetrics, metric::Data},
};
use prost::Message;
use serde::de::DeserializeOwned;

use crate::{
    answer::Kept,
    decode,
    messages::{self, Shape},
    store::Store,
};

/// An export request of one signal.
pub(crate) trait Signal: DeserializeOwned + Message + Default + 'static {
    /// Where the messages within it stand.
    const SHAPE: &'static Shape;
    /// What the answer in JSON calls the number of items that were not taken.
    const REJECTED: &'static str;

    /// Moves its items into `store`.
    fn keep(self, store: &Store) -> Kept;
}

impl Signal for ExportTraceServiceRequest {
    const SHAPE: &'static Shape = &messages::TRACES;
    const REJECTED: &'static str = "rejectedSpans";

    fn keep(self, store: &Store) -> Kept {
        let (spans, kept) = keep_all(decode::spans(self), |spans| store.insert_spans(spans));
        Kept { spans, ..kept }
    }
}

impl Signal for ExportLogsServiceRequest {
    const SHAPE: &'static Shape = &messages::LOGS;
    const REJECTED: &'static str = "rejectedLogRecords";

    fn keep(self, store: &Store) -> Kept {
        let (logs, kept) = keep_all(decode::log_records(self), |logs| store.insert_logs(logs));
        Kept { logs, ..kept }
    }
}

impl Signal for ExportMetricsServiceRequest {
    const SHAPE: &'static Shape = &messages::METRICS;
    const REJECTED: &'static str = "rejectedDataPoints";

    fn keep(self, store: &Store) -> Kept {
        let (mut points, mut too_large) = (0, 0);
        for metrics in &self.resource_metrics {
            let count = match store.insert_metrics(metrics) {
                true => &mut points,
                false => &mut too_large,
            };
            *count += data_points(metrics);
        }
        let kept = kept(0, None, too_large);
        Kept { points, ..kept }
    }
}

/// Items that are moved into the store at a time. Those of a whole request, decoded, can take hundreds of megabytes
/// above the store's bound.
const CHUNK: usize = 1000;

/// Inserts the items that are valid; `insert` gives how many were too large. The number taken comes first.
fn keep_all<T>(
    items: impl Iterator<Item = Result<T, String>>,
    insert: impl Fn(Vec<T>) -> usize,
) -> (usize, Kept) {
    let mut chunk = Vec::new();
    let (mut valid, mut invalid, mut too_large) = (0, 0, 0);
    let mut first_fault = None;
    for item in items {
        match item {
            Ok(item) => {
                valid += 1;
                chunk.push(item);
            }
            Err(fault) => {
                invalid += 1;
                first_fault.get_or_insert(fault);
            }
        }
        if chunk.len() == CHUNK {
            too_large += insert(std::mem::take(&mut chunk));
        }
    }
    too_large += insert(chunk);
    (valid - too_large, kept(invalid, first_fault, too_large))
}

fn kept(invalid: usize, first_fault: Option<String>, too_large: usize) -> Kept {
    let invalid_ones = first_fault.map(|fault| format!("{invalid} invalid, the first: {fault}"));
    let large = (too_large > 0).then(|| format!("{too_large} larger than the store"));
    let reasons: Vec<_> = invalid_ones.into_iter().chain(large).collect();
    Kept {
        rejected: invalid + too_large,
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
