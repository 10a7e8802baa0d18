//! An exposition as OTLP's metrics, by *Prometheus and OpenMetrics Compatibility* of the OpenTelemetry specification,
//! section "Prometheus Metric points to OTLP".
//!
//! Names and labels stay as they are, suffixes included. Labels `otel_scope_*` are the scope's, those of `target_info`
//! the resource's. A series without `_created` has a start that is not known. Gauge histograms are left out.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
        metric::Data, number_data_point, summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
};
use reqwest::Url;

use super::{
    Target,
    exposition::{self, Label, Line, Sample},
};
use crate::model::id::{SpanId, TraceId};

/// Who translates: the scope of series that name none.
const SCOPE: &str = env!("CARGO_PKG_NAME");

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// What is said of a family before its samples.
#[derive(Clone, Default)]
struct About<'a> {
    kind: &'a str,
    unit: &'a str,
    help: String,
}

/// The samples of a family and of a scope.
#[derive(Default)]
struct Family<'a> {
    about: About<'a>,
    /// As the samples have it.
    name: &'a str,
    series: BTreeMap<Vec<Label<'a>>, Series>,
}

/// What the samples with the same labels say.
#[derive(Default)]
struct Series {
    value: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
    /// Seconds since 1970-01-01 UTC.
    created: f64,
    /// Upper bounds with cumulative counts, or quantiles with values.
    parts: Vec<[f64; 2]>,
    exemplars: Vec<Exemplar>,
}

/// What `target` exposed as `text`. `times` are those of the exposition before and of this one, in nanoseconds since
/// 1970-01-01 UTC: an exemplar stays until another takes its place, and counts once.
pub(super) fn metrics(text: &str, target: &Target, times: [u64; 2]) -> ResourceMetrics {
    let mut known: HashMap<&str, About<'_>> = HashMap::new();
    let mut resource = resource(target);
    let mut scopes: BTreeMap<Vec<Label<'_>>, BTreeMap<&str, Family<'_>>> = BTreeMap::new();
    for line in exposition::lines(text) {
        let sample = match line {
            Line::Type(name, kind) => {
                known.entry(name).or_default().kind = kind;
                continue;
            }
            Line::Unit(name, unit) => {
                known.entry(name).or_default().unit = unit;
                continue;
            }
            Line::Help(name, help) => {
                known.entry(name).or_default().help = help;
                continue;
            }
            Line::Sample(sample) if sample.name == "target_info" => {
                resource.extend(sample.labels.0.into_iter().map(attribute));
                continue;
            }
            Line::Sample(sample) if sample.name == "otel_scope_info" => continue,
            Line::Sample(sample) => sample,
        };
        let (name, part) = part(&known, sample.name);
        let all = sample.labels.0.iter().cloned();
        let (scope, labels) = all.partition(|(name, _)| name.starts_with("otel_scope_"));
        let families = scopes.entry(scope).or_default();
        let family = families.entry(name).or_insert_with(|| Family {
            about: known.get(name).cloned().unwrap_or_default(),
            ..Family::default()
        });
        family.add(&sample, part, labels, times);
    }
    ResourceMetrics {
        resource: Some(Resource {
            attributes: resource,
            ..Resource::default()
        }),
        scope_metrics: scopes
            .into_iter()
            .map(|(labels, families)| ScopeMetrics {
                metrics: families
                    .into_values()
                    .filter_map(|family| family.metric(times[1]))
                    .collect(),
                ..scope(labels)
            })
            .collect(),
        ..ResourceMetrics::default()
    }
}

/// The name of a sample's family, and which part of it the sample is.
fn part<'a>(known: &HashMap<&str, About<'_>>, name: &'a str) -> (&'a str, &'a str) {
    if !known.contains_key(name)
        && let Some((family, part)) = name.rsplit_once('_')
        && let Some(about) = known.get(family)
    {
        let parts: &[_] = match about.kind {
            "counter" => &["total", "created"],
            "info" => &["info"],
            "histogram" => &["bucket", "count", "sum", "created"],
            "gaugehistogram" => &["bucket", "gcount", "gsum"],
            "summary" => &["count", "sum", "created"],
            _ => &[],
        };
        if parts.contains(&part) {
            return (family, part);
        }
    }
    (name, "")
}

impl<'a> Family<'a> {
    fn add(
        &mut self,
        sample: &Sample<'a>,
        part: &str,
        mut labels: Vec<Label<'a>>,
        [before, now]: [u64; 2],
    ) {
        let mut place = None;
        labels.retain(|(name, value)| {
            let is_place = *name == "le" && part == "bucket"
                || *name == "quantile" && self.about.kind == "summary";
            if is_place {
                place = value.parse().ok();
            }
            !is_place
        });
        labels.sort_unstable();
        let series = self.series.entry(labels).or_default();
        match part {
            "created" => series.created = sample.value,
            "count" => series.count = Some(sample.value),
            "sum" => series.sum = Some(sample.value),
            _ => match place {
                Some(place) => series.parts.push([place, sample.value]),
                None => series.value = Some(sample.value),
            },
        }
        self.name = match part {
            "total" | "info" | "" => sample.name,
            _ if self.name.is_empty() => &sample.name[..sample.name.len() - part.len() - 1],
            _ => self.name,
        };
        let exemplar = sample.exemplar.as_ref().map(|of| exemplar(of, now));
        let new = exemplar.filter(|exemplar| exemplar.time_unix_nano > before);
        series.exemplars.extend(new);
    }

    /// None if it has no points, or if its kind is one that OTLP has not.
    fn metric(self, now: u64) -> Option<Metric> {
        let About { kind, unit, help } = self.about;
        let sum = |is_monotonic, data_points| Sum {
            is_monotonic,
            aggregation_temporality: CUMULATIVE,
            data_points,
        };
        let series = self.series;
        let data = match kind {
            "counter" => Data::Sum(sum(true, points(series, now, Series::number)?)),
            "info" | "stateset" => Data::Sum(sum(false, points(series, now, Series::number)?)),
            "histogram" => Data::Histogram(Histogram {
                aggregation_temporality: CUMULATIVE,
                data_points: points(series, now, Series::histogram)?,
            }),
            "summary" => Data::Summary(Summary {
                data_points: points(series, now, Series::summary)?,
            }),
            "gaugehistogram" => return None,
            _ => Data::Gauge(Gauge {
                data_points: points(series, now, Series::number)?,
            }),
        };
        let kind = if kind.is_empty() { "unknown" } else { kind };
        Some(Metric {
            name: self.name.to_owned(),
            description: help,
            unit: unit_of(unit),
            metadata: vec![attribute(("prometheus.type", kind.to_owned()))],
            data: Some(data),
        })
    }
}

/// The points of the series that have what a point needs; none if there is none.
fn points<'a, T>(
    series: BTreeMap<Vec<Label<'a>>, Series>,
    now: u64,
    point: fn(Series, Vec<Label<'a>>, u64) -> Option<T>,
) -> Option<Vec<T>> {
    let series = series.into_iter();
    let points: Vec<_> = series
        .filter_map(|(labels, of)| point(of, labels, now))
        .collect();
    (!points.is_empty()).then_some(points)
}

impl Series {
    fn number(self, labels: Vec<Label<'_>>, now: u64) -> Option<NumberDataPoint> {
        Some(NumberDataPoint {
            attributes: labels.into_iter().map(attribute).collect(),
            start_time_unix_nano: nanos(self.created),
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(self.value?)),
            exemplars: self.exemplars,
            ..NumberDataPoint::default()
        })
    }

    fn histogram(mut self, labels: Vec<Label<'_>>, now: u64) -> Option<HistogramDataPoint> {
        let count = whole(self.count?);
        self.parts.retain(|[bound, _]| bound.is_finite());
        self.parts
            .sort_by(|[one, _], [other, _]| one.total_cmp(other));
        let mut below = 0;
        let counts = self.parts.iter().map(|[_, count]| whole(*count));
        let counts = counts.chain([count]).map(|count| {
            let within = count.saturating_sub(below);
            below = below.max(count);
            within
        });
        Some(HistogramDataPoint {
            bucket_counts: counts.collect(),
            explicit_bounds: self.parts.iter().map(|[bound, _]| *bound).collect(),
            attributes: labels.into_iter().map(attribute).collect(),
            start_time_unix_nano: nanos(self.created),
            time_unix_nano: now,
            count,
            sum: self.sum,
            exemplars: self.exemplars,
            ..HistogramDataPoint::default()
        })
    }

    fn summary(mut self, labels: Vec<Label<'_>>, now: u64) -> Option<SummaryDataPoint> {
        self.parts
            .sort_by(|[one, _], [other, _]| one.total_cmp(other));
        let quantiles = self.parts.iter();
        Some(SummaryDataPoint {
            attributes: labels.into_iter().map(attribute).collect(),
            start_time_unix_nano: nanos(self.created),
            time_unix_nano: now,
            count: whole(self.count?),
            sum: self.sum.unwrap_or(0.0),
            quantile_values: quantiles
                .map(|&[quantile, value]| ValueAtQuantile { quantile, value })
                .collect(),
            ..SummaryDataPoint::default()
        })
    }
}

fn exemplar(of: &exposition::Exemplar<'_>, now: u64) -> Exemplar {
    let trace_id = of
        .labels
        .get("trace_id")
        .and_then(|id| id.parse::<TraceId>().ok());
    let span_id = of
        .labels
        .get("span_id")
        .and_then(|id| id.parse::<SpanId>().ok());
    let others = of.labels.0.iter().filter(|(name, _)| match *name {
        "trace_id" => trace_id.is_none(),
        "span_id" => span_id.is_none(),
        _ => true,
    });
    Exemplar {
        time_unix_nano: of.timestamp.map_or(now, nanos),
        filtered_attributes: others.cloned().map(attribute).collect(),
        trace_id: trace_id.map(|id| id.to_bytes().into()).unwrap_or_default(),
        span_id: span_id.map(|id| id.to_bytes().into()).unwrap_or_default(),
        value: Some(exemplar::Value::AsDouble(of.value)),
    }
}

/// What is known of a target before it is asked.
fn resource(target: &Target) -> Vec<KeyValue> {
    let mut resource = vec![("service.name", target.name.clone())];
    if let Ok(url) = Url::parse(&target.url)
        && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
    {
        resource.extend([
            ("service.instance.id", format!("{host}:{port}")),
            ("server.address", host.to_owned()),
            ("server.port", port.to_string()),
            ("url.scheme", url.scheme().to_owned()),
        ]);
    }
    resource.into_iter().map(attribute).collect()
}

/// A scope without metrics.
fn scope(labels: Vec<Label<'_>>) -> ScopeMetrics {
    let mut scope = InstrumentationScope {
        name: SCOPE.to_owned(),
        ..InstrumentationScope::default()
    };
    let mut schema_url = String::new();
    for (label, value) in labels {
        match label.trim_start_matches("otel_scope_") {
            "name" => scope.name = value,
            "version" => scope.version = value,
            "schema_url" => schema_url = value,
            other => scope.attributes.push(attribute((other, value))),
        }
    }
    ScopeMetrics {
        scope: Some(scope),
        schema_url,
        ..ScopeMetrics::default()
    }
}

fn attribute((name, value): Label<'_>) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value)),
        }),
        ..KeyValue::default()
    }
}

/// A unit of Prometheus' as UCUM has it, which is what OpenTelemetry uses.
fn unit_of(unit: &str) -> String {
    let one = |unit| match unit {
        "days" | "day" => "d",
        "hours" | "hour" => "h",
        "minutes" | "minute" => "min",
        "seconds" | "second" => "s",
        "milliseconds" => "ms",
        "microseconds" => "us",
        "nanoseconds" => "ns",
        "bytes" => "By",
        "kibibytes" => "KiBy",
        "mebibytes" => "MiBy",
        "gibibytes" => "GiBy",
        "kilobytes" => "KBy",
        "megabytes" => "MBy",
        "gigabytes" => "GBy",
        "meters" => "m",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "grams" => "g",
        "celsius" => "Cel",
        "hertz" => "Hz",
        "percent" => "%",
        "ratio" => "1",
        other => other,
    };
    match unit.split_once("_per_") {
        Some((of, per)) => format!("{}/{}", one(of), one(per)),
        None => one(unit).to_owned(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is no count becomes the nearest"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Seconds as nanoseconds; 0, which is not known, if there are none.
fn nanos(seconds: f64) -> u64 {
    whole(seconds * 1e9)
}
