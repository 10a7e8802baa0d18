//! What the view `metrics` shows of OTLP's messages.

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    NumberDataPoint, SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets,
    metric::Data,
};
use prost::Message;
use rusqlite::types::Value;
use serde_json::{Value as Json, json};

use super::{functions::object, row::clamped};
use crate::model::id::hex;

/// A part of a metric without its points.
pub(super) fn metric_part(message: &[u8], part: &str) -> Value {
    let metric = Metric::decode(message).unwrap_or_default();
    let (kind, temporality, monotonic) = match &metric.data {
        None => ("", None, None),
        Some(Data::Gauge(_)) => ("gauge", None, None),
        Some(Data::Sum(sum)) => (
            "sum",
            Some(sum.aggregation_temporality),
            Some(sum.is_monotonic),
        ),
        Some(Data::Histogram(of)) => ("histogram", Some(of.aggregation_temporality), None),
        Some(Data::ExponentialHistogram(of)) => (
            "exponential_histogram",
            Some(of.aggregation_temporality),
            None,
        ),
        Some(Data::Summary(_)) => ("summary", None, None),
    };
    match part {
        "name" => text(&metric.name),
        "unit" => text(&metric.unit),
        "description" => text(&metric.description),
        "kind" => text(kind),
        "temporality" => match temporality.map(AggregationTemporality::try_from) {
            Some(Ok(AggregationTemporality::Delta)) => text("delta"),
            Some(Ok(AggregationTemporality::Cumulative)) => text("cumulative"),
            _ => Value::Null,
        },
        "monotonic" => monotonic.into(),
        _ => Value::Null,
    }
}

/// What points have, of any kind.
#[derive(Default)]
struct Point {
    start: u64,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    attributes: Json,
    exemplars: Vec<Exemplar>,
    buckets: Json,
}

/// A part of a point of the metric.
pub(super) fn point_part(metric: &[u8], body: &[u8], part: &str) -> Value {
    let metric = Metric::decode(metric).unwrap_or_default();
    let point = match metric.data {
        Some(Data::Gauge(_) | Data::Sum(_)) => NumberDataPoint::decode(body).ok().map(number),
        Some(Data::Histogram(_)) => HistogramDataPoint::decode(body).ok().map(histogram),
        Some(Data::ExponentialHistogram(_)) => ExponentialHistogramDataPoint::decode(body)
            .ok()
            .map(exponential),
        Some(Data::Summary(_)) => SummaryDataPoint::decode(body).ok().map(summary),
        None => None,
    };
    let point = point.unwrap_or_default();
    match part {
        "start" => clamped(point.start).into(),
        "count" => point.count.map(clamped).into(),
        "sum" => point.sum.into(),
        "min" => point.min.into(),
        "max" => point.max.into(),
        "attributes" => text(&point.attributes.to_string()),
        "exemplars" => text(&Json::from_iter(point.exemplars.into_iter().map(shown)).to_string()),
        "buckets" if !point.buckets.is_null() => text(&point.buckets.to_string()),
        _ => Value::Null,
    }
}

fn number(point: NumberDataPoint) -> Point {
    Point {
        start: point.start_time_unix_nano,
        attributes: object(point.attributes),
        exemplars: point.exemplars,
        ..Point::default()
    }
}

fn histogram(point: HistogramDataPoint) -> Point {
    let bounds = point.explicit_bounds.iter().map(Some).chain([None]);
    let buckets = bounds.zip(&point.bucket_counts);
    Point {
        start: point.start_time_unix_nano,
        count: Some(point.count),
        sum: point.sum,
        min: point.min,
        max: point.max,
        attributes: object(point.attributes),
        buckets: buckets
            .map(|(bound, count)| json!({ "le": bound, "count": count }))
            .collect(),
        exemplars: point.exemplars,
    }
}

fn exponential(point: ExponentialHistogramDataPoint) -> Point {
    let side = |side: Option<Buckets>| {
        let Buckets {
            offset,
            bucket_counts,
        } = side.unwrap_or_default();
        json!({ "offset": offset, "counts": bucket_counts })
    };
    Point {
        start: point.start_time_unix_nano,
        count: Some(point.count),
        sum: point.sum,
        min: point.min,
        max: point.max,
        attributes: object(point.attributes),
        buckets: json!({
            "scale": point.scale, "zero_count": point.zero_count, "zero_threshold": point.zero_threshold,
            "positive": side(point.positive), "negative": side(point.negative)
        }),
        exemplars: point.exemplars,
    }
}

fn summary(point: SummaryDataPoint) -> Point {
    let quantiles = point.quantile_values.iter();
    Point {
        start: point.start_time_unix_nano,
        count: Some(point.count),
        sum: Some(point.sum),
        attributes: object(point.attributes),
        buckets: quantiles
            .map(|of| json!({ "quantile": of.quantile, "value": of.value }))
            .collect(),
        ..Point::default()
    }
}

fn shown(exemplar: Exemplar) -> Json {
    let value = match exemplar.value {
        Some(exemplar::Value::AsDouble(double)) => json!(double),
        Some(exemplar::Value::AsInt(int)) => json!(int),
        None => Json::Null,
    };
    json!({
        "time_unix_nanos": clamped(exemplar.time_unix_nano), "value": value, "trace_id": hex(&exemplar.trace_id),
        "span_id": hex(&exemplar.span_id), "attributes": object(exemplar.filtered_attributes)
    })
}

fn text(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => text.to_owned().into(),
    }
}
