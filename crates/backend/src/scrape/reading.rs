//! What one scrape says, without what is of no use here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    exposition::{self, Labels, Sample},
    histogram::Histogram,
};
use crate::model::id::{SpanId, TraceId};

/// Routes that are told apart; the rest is [`OTHERS`]. And characters of a name.
const ROUTES: usize = 32;
const NAME: usize = 200;

/// Requests that no route took, as the dashboards call them; and those of the routes that are too many.
const NO_ROUTE: &str = "(no route)";
const OTHERS: &str = "(others)";

/// Exemplars that are taken from one scrape.
const EXEMPLARS: usize = 256;

/// One scrape. What the service does not say is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The process; counters of another one begin anew.
    pub(crate) instance: Option<String>,
    pub(crate) routes: BTreeMap<String, Route>,
    pub(crate) active: Option<f64>,
    /// Seconds since the process was created.
    pub(crate) uptime: Option<f64>,
    /// Seconds.
    pub(crate) cpu: Option<f64>,
    /// Bytes.
    pub(crate) memory: Option<f64>,
    pub(crate) exported: Option<f64>,
    pub(crate) dropped: Option<f64>,
    /// Spans that could not be exported, by `error.type`.
    pub(crate) failures: BTreeMap<String, f64>,
    pub(crate) exporter: Option<Exporter>,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// Requests of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) durations: Histogram,
    /// Those with an `error.type`, which is what the conventions call an error.
    pub(crate) errors: f64,
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exporter {
    pub(crate) kind: String,
    pub(crate) endpoint: Option<String>,
}

/// A request that a bucket's count has as its example.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exemplar {
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: f64,
    /// Milliseconds.
    pub(crate) value: f64,
    pub(crate) route: String,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
}

impl Reading {
    /// Of an exposition that was read at `time`, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn of(text: &str, time: f64) -> Self {
        let mut reading = Self::default();
        for sample in exposition::samples(text) {
            reading.take(&sample, time);
        }
        reading
    }

    fn take(&mut self, sample: &Sample<'_>, time: f64) {
        let Sample {
            name,
            labels,
            value,
            ..
        } = sample;
        let value = *value;
        match *name {
            "target_info" => self.instance = labels.get("service_instance_id").map(str::to_owned),
            "http_server_request_duration_seconds_bucket" => {
                let route = self.route(labels);
                if let Some(Ok(bound)) = labels.get("le").map(str::parse) {
                    route.durations.add(bound, value);
                }
                self.exemplars.extend(Exemplar::of(sample, time));
                self.exemplars.truncate(EXEMPLARS);
            }
            "http_server_request_duration_seconds_count" if is_error(labels) => {
                self.route(labels).errors += value;
            }
            "http_server_active_requests" => add(&mut self.active, value),
            "process_uptime_seconds" => self.uptime = Some(value),
            "process_cpu_time_seconds_total" => add(&mut self.cpu, value),
            "process_memory_usage_bytes" => add(&mut self.memory, value),
            "otel_sdk_exporter_span_exported_total" => {
                if self
                    .exporter
                    .as_ref()
                    .is_none_or(|known| known.endpoint.is_none())
                {
                    self.exporter = Exporter::of(labels);
                }
                match labels.get("error_type") {
                    None => add(&mut self.exported, value),
                    Some(kind) => *self.failures.entry(short(kind)).or_default() += value,
                }
            }
            "otel_sdk_processor_span_processed_total" => {
                let dropped = if labels.get("error_type").is_some() {
                    value
                } else {
                    0.0
                };
                add(&mut self.dropped, dropped);
            }
            _ => {}
        }
    }

    /// Spans that could not be exported; none if nothing is said of exports.
    pub(crate) fn failed(&self) -> Option<f64> {
        let failed = self.failures.values().fold(0.0, |sum, failed| sum + failed); // of none, `sum` is -0
        (self.exported.is_some() || !self.failures.is_empty()).then_some(failed)
    }

    fn route(&mut self, labels: &Labels<'_>) -> &mut Route {
        let mut name = route(labels);
        if self.routes.len() >= ROUTES && !self.routes.contains_key(&name) {
            name = OTHERS.to_owned();
        }
        self.routes.entry(name).or_default()
    }
}

impl Exporter {
    fn of(labels: &Labels<'_>) -> Option<Self> {
        let port = labels.get("server_port");
        Some(Self {
            kind: short(labels.get("otel_component_type")?),
            endpoint: labels.get("server_address").map(|address| match port {
                Some(port) => short(&format!("{address}:{port}")),
                None => short(address),
            }),
        })
    }
}

impl Exemplar {
    fn of(sample: &Sample<'_>, time: f64) -> Option<Self> {
        let exemplar = sample.exemplar.as_ref()?;
        Some(Self {
            time: exemplar.timestamp.map_or(time, |seconds| seconds * 1e3),
            value: exemplar.value * 1e3,
            route: route(&sample.labels),
            trace_id: exemplar.labels.get("trace_id")?.parse().ok()?,
            span_id: exemplar.labels.get("span_id")?.parse().ok()?,
        })
    }
}

fn route(labels: &Labels<'_>) -> String {
    match labels.get("http_route") {
        None | Some("") => NO_ROUTE.to_owned(),
        Some(route) => short(route),
    }
}

/// As the alert and the dashboards have it. A status tells less: a request whose handler panics has none.
fn is_error(labels: &Labels<'_>) -> bool {
    labels
        .get("error_type")
        .is_some_and(|kind| !kind.is_empty())
}

fn short(name: &str) -> String {
    name.chars().take(NAME).collect()
}

fn add(sum: &mut Option<f64>, value: f64) {
    if value.is_finite() {
        *sum.get_or_insert(0.0) += value;
    }
}
