//! A registry of families made by hand, hostile ones too, and what goes in and out of it.

use openmetrics::Exposition;
use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

pub(crate) const OPENMETRICS: Option<&str> = Some("application/openmetrics-text; version=1.0.0");
pub(crate) const TEXT: Option<&str> = None;

struct Families(Vec<MetricFamily>);

impl Collector for Families {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.clone()
    }
}

pub(crate) fn exposition(families: Vec<MetricFamily>) -> Exposition {
    let registry = Registry::new();
    registry.register(Box::new(Families(families))).unwrap();
    Exposition::new(registry)
}

pub(crate) fn body(exposition: &Exposition, accept: Option<&str>) -> String {
    String::from_utf8(exposition.encode(accept).body).unwrap()
}

pub(crate) fn counter(name: &str, help: &str, series: &[(&[(&str, &str)], f64)]) -> MetricFamily {
    let metrics = series.iter().map(|(labels, value)| {
        let mut counter = Counter::default();
        counter.set_value(*value);
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        metric
    });
    family(MetricType::COUNTER, name, help, metrics.collect())
}

pub(crate) fn gauge(name: &str, help: &str, series: &[(&[(&str, &str)], f64)]) -> MetricFamily {
    let metrics = series.iter().map(|(labels, value)| {
        let mut gauge = Gauge::default();
        gauge.set_value(*value);
        let mut metric = labelled(labels);
        metric.set_gauge(gauge);
        metric
    });
    family(MetricType::GAUGE, name, help, metrics.collect())
}

/// One series a label set, all with the same cumulative `buckets`.
pub(crate) fn histogram(
    name: &str,
    help: &str,
    series: &[&[(&str, &str)]],
    buckets: &[(f64, u64)],
    (sum, count): (f64, u64),
) -> MetricFamily {
    let metrics = series.iter().map(|labels| {
        let buckets = buckets.iter().map(|(bound, cumulative)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(*cumulative);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_sum(sum);
        histogram.set_sample_count(count);
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        metric
    });
    family(MetricType::HISTOGRAM, name, help, metrics.collect())
}

pub(crate) fn family(
    kind: MetricType,
    name: &str,
    help: &str,
    metrics: Vec<Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

pub(crate) fn labelled(labels: &[(&str, &str)]) -> Metric {
    let labels = labels.iter().map(|(name, value)| {
        let mut label = LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value((*value).to_owned());
        label
    });
    Metric::from_label(labels.collect())
}
