//! The end: what waits is sent, in order, within a limit, and what was lost is said.
//!
//! The SDK's shutdown blocks its thread, so it runs on one of its own: on the only worker of a runtime it would keep the
//! export it waits for from running. That thread is not one of the runtime's blocking pool either, since a runtime waits
//! for those when the program ends, however long a collector hangs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::ShutdownError;
use crate::health::Health;

/// The providers to shut down, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Providers {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    /// Last: the others still count.
    pub(crate) metrics: Option<SdkMeterProvider>,
}

impl Providers {
    pub(crate) fn is_empty(&self) -> bool {
        self.traces.is_none() && self.logs.is_none() && self.metrics.is_none()
    }

    /// Flushes and ends all of them until `deadline`. Returns the names of those that were not done by then.
    pub(crate) async fn shutdown(self, deadline: Instant) -> Vec<&'static str> {
        let (done, is_done) = tokio::sync::oneshot::channel();
        let thread = thread::Builder::new()
            .name("telemetry-shutdown".to_owned())
            .spawn(move || {
                let _ = done.send(self.shutdown_blocking(deadline));
            });
        if thread.is_err() {
            return vec!["everything, for want of a thread,"];
        }
        match tokio::time::timeout_at(deadline.into(), is_done).await {
            Ok(Ok(late)) => late,
            _ => vec!["something"],
        }
    }

    fn shutdown_blocking(&self, deadline: Instant) -> Vec<&'static str> {
        let remaining = || deadline.saturating_duration_since(Instant::now());
        let mut late = Vec::new();
        let mut ended = |name, result: Result<(), OTelSdkError>| {
            if let Err(OTelSdkError::Timeout(_)) = result {
                late.push(name);
            }
        };
        if let Some(provider) = &self.traces {
            ended("traces", provider.shutdown_with_timeout(remaining()));
        }
        if let Some(provider) = &self.logs {
            ended("logs", provider.shutdown_with_timeout(remaining()));
        }
        if let Some(provider) = &self.metrics {
            ended("metrics", provider.shutdown_with_timeout(remaining()));
        }
        late
    }
}

/// What was lost since the start; Ok when nothing was.
pub(crate) fn verdict(
    pipelines: &[Arc<Health>],
    late: &[&str],
    lines_dropped: usize,
    lines_flushed: bool,
) -> Result<(), ShutdownError> {
    let mut losses: Vec<_> = pipelines
        .iter()
        .flat_map(|health| health.losses())
        .collect();
    if losses.is_empty() && !late.is_empty() {
        losses.push(format!("{} not flushed in time", late.join(" and ")));
    }
    if lines_dropped > 0 {
        losses.push(format!(
            "{lines_dropped} log lines dropped, because stdout was too slow"
        ));
    }
    if !lines_flushed {
        losses.push("log lines not written in time, because stdout is blocked".to_owned());
    }
    if losses.is_empty() {
        Ok(())
    } else {
        Err(ShutdownError { losses })
    }
}

/// How much of the limit is kept for the last log lines.
pub(crate) const FLUSH_LINES: Duration = Duration::from_millis(500);
