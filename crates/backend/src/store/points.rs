//! Metric points as rows: each with its metric, of which it was one of many, and OTLP's message of the point.

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, SummaryDataPoint, metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use rusqlite::Result;

use super::{reader::Reader, row::clamped};

/// A point that is to be inserted.
pub(super) struct Point {
    pub(super) time: i64,
    /// Of a gauge or a sum.
    pub(super) value: Option<f64>,
    pub(super) body: Vec<u8>,
}

/// Takes the points out of a metric. What is left says what they have in common.
pub(super) fn take_points(metric: &mut Metric) -> Vec<Point> {
    match &mut metric.data {
        Some(Data::Gauge(of)) => take(&mut of.data_points, number),
        Some(Data::Sum(of)) => take(&mut of.data_points, number),
        Some(Data::Histogram(of)) => take(&mut of.data_points, |point| {
            other(point.time_unix_nano, point)
        }),
        Some(Data::ExponentialHistogram(of)) => take(&mut of.data_points, |point| {
            other(point.time_unix_nano, point)
        }),
        Some(Data::Summary(of)) => take(&mut of.data_points, |point| {
            other(point.time_unix_nano, point)
        }),
        None => Vec::new(),
    }
}

fn take<T>(points: &mut Vec<T>, make: fn(&T) -> Point) -> Vec<Point> {
    std::mem::take(points).iter().map(make).collect()
}

#[expect(clippy::cast_precision_loss, reason = "the body has all digits")]
fn number(point: &NumberDataPoint) -> Point {
    let value = match point.value {
        Some(Value::AsDouble(double)) => Some(double),
        Some(Value::AsInt(int)) => Some(int as f64),
        None => None,
    };
    Point {
        value,
        ..other(point.time_unix_nano, point)
    }
}

fn other(time: u64, point: &impl Message) -> Point {
    Point {
        time: clamped(time),
        value: None,
        body: point.encode_to_vec(),
    }
}

/// Puts a point back. One that the file has damaged is left out.
fn put(metric: &mut Metric, body: &[u8]) {
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.extend(NumberDataPoint::decode(body)),
        Some(Data::Sum(sum)) => sum.data_points.extend(NumberDataPoint::decode(body)),
        Some(Data::Histogram(histogram)) => histogram
            .data_points
            .extend(HistogramDataPoint::decode(body)),
        Some(Data::ExponentialHistogram(histogram)) => {
            histogram
                .data_points
                .extend(ExponentialHistogramDataPoint::decode(body));
        }
        Some(Data::Summary(summary)) => summary.data_points.extend(SummaryDataPoint::decode(body)),
        None => {}
    }
}

/// The points that arrived after the one with the number `after`, which is moved on, as they were sent together.
pub(super) fn after(reader: &Reader, after: &mut i64) -> Result<Vec<ResourceMetrics>> {
    const BYTES: usize = 256 << 10;
    let sql =
        "SELECT p.number, p.metric, p.body, m.message, m.resource, m.scope, r.message, s.message
        FROM point p JOIN metric m ON m.number = p.metric JOIN resource r ON r.number = m.resource
        JOIN scope s ON s.number = m.scope WHERE p.number > ?1 ORDER BY p.number";
    let mut find = reader.prepare(sql)?;
    let mut rows = find.query([*after])?;
    let mut all: Vec<ResourceMetrics> = Vec::new();
    let (mut bytes, mut last) = (0, [0; 3]);
    while bytes < BYTES
        && let Some(row) = rows.next()?
    {
        *after = row.get(0)?;
        let [metric, resource, scope] = [row.get(1)?, row.get(4)?, row.get(5)?];
        if all.is_empty() || last[1] != resource {
            let of = ResourceSpans::decode(row.get_ref(6)?.as_blob()?).unwrap_or_default();
            bytes += row.get_ref(6)?.as_blob()?.len();
            all.push(ResourceMetrics {
                resource: of.resource,
                scope_metrics: Vec::new(),
                schema_url: of.schema_url,
            });
            last = [0, resource, 0];
        }
        let Some(of_resource) = all.last_mut() else {
            break;
        };
        if last[2] != scope {
            let of = ScopeSpans::decode(row.get_ref(7)?.as_blob()?).unwrap_or_default();
            of_resource.scope_metrics.push(ScopeMetrics {
                scope: of.scope,
                metrics: Vec::new(),
                schema_url: of.schema_url,
            });
            last = [0, resource, scope];
        }
        let Some(of_scope) = of_resource.scope_metrics.last_mut() else {
            break;
        };
        if last[0] != metric {
            let of = Metric::decode(row.get_ref(3)?.as_blob()?).unwrap_or_default();
            of_scope.metrics.push(of);
            last[0] = metric;
        }
        let body = row.get_ref(2)?.as_blob()?;
        bytes += body.len() + 100;
        if let Some(metric) = of_scope.metrics.last_mut() {
            put(metric, body);
        }
    }
    Ok(all)
}
