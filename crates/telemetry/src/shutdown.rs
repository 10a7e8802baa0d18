//! The end: what waits is sent, in order, within a limit, and what was lost is said.
//!
//! The SDK's shutdown blocks its thread, so it runs on one of its own: on the only worker of a runtime it would keep the
//! export it waits for from running. That thread is not one of the runtime's blocking pool either, since a runtime waits
//! for those when the program ends, however long a collector hangs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::watch;

use crate::ShutdownError;
use crate::health::{Health, Item};

/// The providers to shut down, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Providers {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    /// Last: the others still count.
    pub(crate) metrics: Option<SdkMeterProvider>,
    /// Tells the exporters that the end has begun.
    pub(crate) ending: watch::Sender<bool>,
}

impl Providers {
    pub(crate) fn is_empty(&self) -> bool {
        self.traces.is_none() && self.logs.is_none() && self.metrics.is_none()
    }

    /// Flushes and ends all of them. Returns whether that was done by `deadline`.
    pub(crate) async fn shutdown(self, deadline: Instant) -> bool {
        self.ending.send_replace(true);
        let (done, is_done) = tokio::sync::oneshot::channel();
        let thread = thread::Builder::new()
            .name("telemetry-shutdown".to_owned())
            .spawn(move || {
                self.shutdown_blocking(deadline);
                let _ = done.send(());
            });
        thread.is_ok()
            && tokio::time::timeout_at(deadline.into(), is_done)
                .await
                .is_ok()
    }

    /// The results say less than [`Health`] knows: an export that failed is no error to them.
    fn shutdown_blocking(&self, deadline: Instant) {
        let remaining = || deadline.saturating_duration_since(Instant::now());
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

/// What was lost since the start; Ok when nothing was.
///
/// `in_time` is whether the providers were done, `lines` what was lost of the log, `printed` whether its last lines were
/// in time.
pub(crate) fn verdict(
    pipelines: &[Arc<Health>],
    in_time: bool,
    lines: Vec<String>,
    printed: bool,
) -> Result<(), ShutdownError> {
    let mut losses: Vec<String> = Vec::new();
    for loss in pipelines.iter().flat_map(|health| health.losses()) {
        // Every exporter of spans sees the same spans that had not ended.
        if !losses.contains(&loss) {
            losses.push(loss);
        }
    }
    // Metrics wait in no queue that could be counted: each push carries what there is at that time.
    if !in_time
        && pipelines
            .iter()
            .any(|health| health.item == Item::DataPoint)
    {
        losses.push("the last metrics were not pushed in time".to_owned());
    }
    losses.extend(lines);
    if !printed {
        losses.push(
            "the last log lines were not written in time, because stdout is blocked".to_owned(),
        );
    }
    if losses.is_empty() {
        Ok(())
    } else {
        Err(ShutdownError { losses })
    }
}

/// How much of the limit is kept for the last log lines.
pub(crate) const FLUSH_LINES: Duration = Duration::from_millis(500);
