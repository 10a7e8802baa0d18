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
    decode::{self, Decoded},
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
        keep_spans(decode::spans(self), store)
    }
}

impl Signal for ExportLogsServiceRequest {
    const SHAPE: &'static Shape = &messages::LOGS;
    const REJECTED: &'static str = "rejectedLogRecords";

    fn keep(self, store: &Store) -> Kept {
        let mut decoded = decode::log_records(self);
        let too_large = store.insert_logs(std::mem::take(&mut decoded.items));
        kept(0, &decoded, too_large)
    }
}

impl Signal for ExportMetricsServiceRequest {
    const SHAPE: &'static Shape = &messages::METRICS;
    const REJECTED: &'static str = "rejectedDataPoints";

    fn keep(self, store: &Store) -> Kept {
        let all = self.resource_metrics.iter();
        let too_large = all
            .filter(|metrics| !store.insert_metrics(metrics))
            .map(data_points)
            .sum();
        kept(0, &Decoded::<()>::default(), too_large)
    }
}

/// Spans, however they came.
pub(crate) fn keep_spans(mut decoded: Decoded<crate::Span>, store: &Store) -> Kept {
    let spans = std::mem::take(&mut decoded.items);
    let all = spans.len();
    let too_large = store.insert_spans(spans);
    kept(all - too_large, &decoded, too_large)
}

fn kept<T>(spans: usize, decoded: &Decoded<T>, too_large: usize) -> Kept {
    let invalid = decoded
        .first_fault
        .as_ref()
        .map(|fault| format!("{} invalid, the first: {fault}", decoded.invalid));
    let large = (too_large > 0).then(|| format!("{too_large} larger than the store"));
    let reasons: Vec<_> = invalid.into_iter().chain(large).collect();
    Kept {
        spans,
        rejected: decoded.invalid + too_large,
        reason: reasons.join("; "),
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
