//! The services' own metrics: each target's `/metrics` is read every two seconds, and what is derived from it is kept
//! for fifteen minutes. Every ten seconds what was read goes into the store, as any OTLP metrics do.
//!
//! Names are those that OpenTelemetry's semantic conventions have in Prometheus: `http_server_request_duration_seconds`,
//! `http_server_active_requests`, `process_cpu_time_seconds_total`, `process_memory_usage_bytes`,
//! `otel_sdk_exporter_span_exported_total`, `otel_sdk_processor_span_processed_total`. Any service that has them can be
//! a target; a figure whose metric it has not is `null`.

mod exposition;
mod histogram;
mod metrics;
mod point;
mod reading;
mod window;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, header::ACCEPT, redirect::Policy};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

pub(crate) use window::{Figures, Health, Window};

use self::{metrics::metrics, reading::Reading};
use crate::store::Store;

/// Time between two scrapes.
const INTERVAL: Duration = Duration::from_secs(2);

/// Rounds of which one is kept. All of them would fill a store overnight with services that do nothing.
const KEPT: u64 = 5;

/// A scrape that takes longer has failed; the next one is not late.
const LIMIT: Duration = Duration::from_millis(1500);

/// Largest exposition, in bytes.
const SIZE: usize = 4 << 20;

/// OpenMetrics has the exemplars.
const FORMATS: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// A service whose metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its `service.name`.
    pub name: String,
    /// Where it is, for example `http://127.0.0.1:8081`; `/metrics` is appended.
    pub url: String,
}

/// A client for [`scrape`].
///
/// # Errors
///
/// It cannot be built, for example for want of any CA certificate.
pub(crate) fn client() -> io::Result<Client> {
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(LIMIT);
    client.build().map_err(io::Error::other)
}

/// Reads every target of the window for ever, and tells `listener` of each round's figures.
pub(crate) async fn scrape(
    client: Client,
    window: Arc<Window>,
    store: Arc<Store>,
    listener: impl Fn(&Figures),
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = 0;
    for round in 0_u64.. {
        ticks.tick().await;
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let start = Instant::now();
        let texts = read_all(&client, &window).await;
        let readings = texts
            .iter()
            .map(|(place, text)| (*place, Reading::of(text, time.as_secs_f64() * 1e3)));
        listener(&window.add(time.as_secs_f64() * 1e3, start, readings.collect()));
        if round.is_multiple_of(KEPT) {
            let times = [kept, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)];
            let (window, store) = (window.clone(), store.clone());
            let keep = move || {
                for (place, text) in texts {
                    store.insert_metrics(metrics(&text, &window.targets()[place], times));
                }
            };
            let _ = spawn_blocking(keep).await; // a panic has been reported
            kept = times[1];
        }
    }
}

/// Reads every target once, all at a time: the places of those that answered, with what they expose.
async fn read_all(client: &Client, window: &Window) -> Vec<(usize, String)> {
    let mut reads = JoinSet::new();
    for (place, target) in window.targets().iter().enumerate() {
        let request = client.get(format!("{}/metrics", target.url.trim_end_matches('/')));
        reads.spawn(async move { Some((place, read(request).await?)) });
    }
    let mut texts = Vec::new();
    while let Some(read) = reads.join_next().await {
        texts.extend(read.ok().flatten());
    }
    texts
}

/// The exposition, if all of it came.
async fn read(request: reqwest::RequestBuilder) -> Option<String> {
    let answer = request.header(ACCEPT, FORMATS).send().await.ok()?;
    let mut answer = answer.error_for_status().ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > SIZE {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(String::from_utf8_lossy(&body).into_owned())
}
