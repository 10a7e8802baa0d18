//! The three signals, each a request whose items are kept.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::LogRecord,
    metrics::v1::Metric,
    trace::v1::Span,
};
use prost::Message;
use serde::de::DeserializeOwned;

use crate::{
    model::{decode, encode::Item as _},
    receive::{
        answer::Kept,
        messages::{self, Shape},
        salvage::Faults,
    },
    store::{Store, Unwritable},
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
    ///
    /// # Errors
    ///
    /// The store cannot be written to.
    fn keep(self, faults: Faults, store: &Store) -> Result<Kept, Unwritable>;
}

impl Signal for ExportTraceServiceRequest {
    const SHAPE: &'static Shape = &messages::TRACES;
    const REJECTED: &'static str = "rejectedSpans";
    const FIELDS: [&'static str; 3] = crate::Span::FIELDS;
    type Item = Span;

    fn keep(self, faults: Faults, store: &Store) -> Result<Kept, Unwritable> {
        let keep = |spans| store.keep_spans(spans);
        let (spans, kept) = keep_all(decode::spans(self), faults, keep)?;
        Ok(Kept { spans, ..kept })
    }
}

impl Signal for ExportLogsServiceRequest {
    const SHAPE: &'static Shape = &messages::LOGS;
    const REJECTED: &'static str = "rejectedLogRecords";
    const FIELDS: [&'static str; 3] = crate::LogRecord::FIELDS;
    type Item = LogRecord;

    fn keep(self, faults: Faults, store: &Store) -> Result<Kept, Unwritable> {
        let keep = |logs| store.keep_logs(logs);
        let (logs, kept) = keep_all(decode::log_records(self), faults, keep)?;
        Ok(Kept { logs, ..kept })
    }
}

impl Signal for ExportMetricsServiceRequest {
    const SHAPE: &'static Shape = &messages::METRICS;
    const REJECTED: &'static str = "rejectedDataPoints";
    const FIELDS: [&'static str; 3] = ["resourceMetrics", "scopeMetrics", "metrics"];
    type Item = Metric;

    fn keep(self, faults: Faults, store: &Store) -> Result<Kept, Unwritable> {
        let (mut points, mut too_large) = (0, 0);
        for metrics in self.resource_metrics {
            let [kept, refused] = store.keep_metrics(metrics)?;
            points += kept;
            too_large += refused;
        }
        let kept = kept(faults, too_large);
        Ok(Kept { points, ..kept })
    }
}

/// Items that are moved into the store at a time. Those of a whole request, decoded, can take hundreds of megabytes
/// above the store's bound.
const CHUNK: usize = 1000;

/// Keeps the items that are valid; `keep` gives how many were too large. The number taken comes first.
fn keep_all<T>(
    items: impl Iterator<Item = Result<T, String>>,
    mut faults: Faults,
    keep: impl Fn(Vec<T>) -> Result<usize, Unwritable>,
) -> Result<(usize, Kept), Unwritable> {
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
            too_large += keep(std::mem::take(&mut chunk))?;
        }
    }
    too_large += keep(chunk)?;
    Ok((valid - too_large, kept(faults, too_large)))
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
