//! Flush and shutdown: exports what is queued, in order and within a limit, and reports what was lost.
//!
//! The SDK's shutdown blocks its thread, so it runs on a thread of its own. On the only worker of a runtime it would block the
//! export that it waits for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otlp::{Health, Item};
use subscriber::LostLines;
use tokio::sync::watch;

use crate::{FlushError, Loss, Losses, own_thread};

/// The providers to shut down, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Providers {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    /// Last, because they count the exports of the others.
    pub(crate) metrics: Option<SdkMeterProvider>,
    /// Tells the exporters that the end has begun.
    pub(crate) ending: watch::Sender<bool>,
}

impl Providers {
    pub(crate) fn is_empty(&self) -> bool {
        self.traces.is_none() && self.logs.is_none() && self.metrics.is_none()
    }

    /// Exports what waits, within `limit`.
    pub(crate) async fn force_flush(&self, limit: Duration) -> Result<(), FlushError> {
        let Self {
            traces,
            logs,
            metrics,
            ..
        } = self.clone();
        let work = move || {
            let results = [
                traces.map(|provider| provider.force_flush()),
                logs.map(|provider| provider.force_flush()),
                metrics.map(|provider| provider.force_flush()),
            ];
            results.into_iter().flatten().collect::<Result<(), _>>()
        };
        own_thread::wait("telemetry-flush", limit, work)
            .await
            .ok_or(FlushError::Timeout)?
            .map_err(FlushError::Failed)
    }

    /// Flushes and ends all of them. Returns whether that was done within `limit`.
    pub(crate) async fn shutdown(self, limit: Duration) -> bool {
        self.ending.send_replace(true);
        let work = move || self.shutdown_blocking(limit);
        own_thread::wait("telemetry-shutdown", limit, work)
            .await
            .is_some()
    }

    /// Ignores the results: [`Health`] knows more. The SDK does not return an error for an export that failed.
    fn shutdown_blocking(&self, limit: Duration) {
        let start = Instant::now();
        let remaining = || limit.saturating_sub(start.elapsed());
        if let Some(provider) = &self.traces {
            let _ = provider.shutdown_with_timeout(remaining());
        }
        if let Some(provider) = &self.logs {
            let _ = provider.shutdown_with_timeout(remaining());
        }
        if let Some(provider) = &self.metrics {
            let _ = provider.shutdown_with_timeout(remaining());
        }
    }
}

/// What was lost since the start.
///
/// `in_time` tells whether the providers ended within their limit, `lines` what was lost of the log, and `printed`
/// whether its last lines were written within theirs.
pub(crate) fn verdict(
    pipelines: &[Arc<Health>],
    in_time: bool,
    lines: impl Iterator<Item = LostLines>,
    printed: bool,
) -> Losses {
    let mut losses = Vec::new();
    for health in pipelines {
        let same_item = |other: &&Arc<Health>| other.item() == health.item();
        let is_alone = pipelines.iter().filter(same_item).count() == 1;
        let exporter = (!is_alone).then(|| health.exporter());
        losses.extend(health.losses().into_iter().map(|loss| Loss::Items {
            exporter: exporter.clone(),
            loss,
        }));
    }
    // Every exporter of spans sees the same open ones.
    let open = pipelines.iter().filter_map(|health| health.open_spans());
    losses.extend(open.max_by_key(|loss| loss.count).map(|loss| Loss::Items {
        exporter: None,
        loss,
    }));
    let pushes_metrics = |health: &Arc<Health>| health.item() == Item::DataPoint;
    if !in_time && pipelines.iter().any(pushes_metrics) {
        losses.push(Loss::LastMetrics);
    }
    losses.extend(lines.map(Loss::LogLines));
    if !printed {
        losses.push(Loss::LastLogLines);
    }
    Losses::new(losses)
}

/// The part of the limit that is reserved for the last log lines.
pub(crate) const FLUSH_LINES: Duration = Duration::from_millis(500);
