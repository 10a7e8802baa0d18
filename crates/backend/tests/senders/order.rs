//! What the programs send, as it looks when it has arrived whole.

use std::sync::Arc;

use backend::{Attributes, Backend, LogRecord, Resource, Scope, Span, SpanKind, StatusCode, Value};
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value},
    metrics::v1::{AggregationTemporality, Metric, metric::Data, number_data_point},
};

/// The kinds of the order's sum and histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// Since the start, with given buckets.
    Usual,
    /// Since the last export, with given buckets.
    Delta,
    /// Since the last export, with exponential buckets.
    DeltaAndExponential,
}

impl Metrics {
    fn temporality(self) -> AggregationTemporality {
        match self {
            Self::Usual => AggregationTemporality::Cumulative,
            Self::Delta | Self::DeltaAndExponential => AggregationTemporality::Delta,
        }
    }
}

/// All three signals: the store holds what was sent, and nothing was refused.
pub(crate) fn assert_arrived(backend: &Backend, metrics: Metrics) {
    let order = assert_trace(backend);
    assert_logs(backend, &order);
    assert_metrics(backend, &order, metrics);
    for receiver in backend.received() {
        assert_eq!(receiver.refused, 0, "{receiver:?}");
    }
}

/// Returns the span of the order.
fn assert_trace(backend: &Backend) -> Arc<Span> {
    let (order, query) = spans(backend);
    for span in [&order, &query] {
        assert_resource(&span.resource);
        assert_scope(&span.scope);
    }
    assert_eq!(
        order.attributes,
        Attributes::from([
            ("http.response.status_code", 503.into()),
            ("http.route", "/orders".into()),
            ("order.express", true.into()),
            ("order.items", ["tea", "Käse ☕"].into()),
            ("order.total", 12.5.into()),
        ])
    );
    let [link] = &order.links[..] else {
        panic!("{order:?}");
    };
    assert_eq!(
        link.trace_id.to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(link.span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(
        link.attributes,
        Attributes::from([("reason", "retry".into())])
    );
    assert_eq!(
        query.attributes,
        Attributes::from([("db.system.name", "sqlite".into())])
    );
    let event = &query.events[0];
    assert_eq!(event.name, "stock read");
    assert_eq!(event.attributes, Attributes::from([("rows", 2.into())]));
    order
}

/// The trace as Zipkin's format has it: every value is a text. `scope` is the scope's name and version, `event` the event.
pub(crate) fn assert_trace_arrived_by_zipkin(backend: &Backend, scope: [&str; 2], event: &str) {
    let (order, query) = spans(backend);
    assert_eq!(query.events[0].name, event);
    for span in [&order, &query] {
        assert_eq!(span.service(), "shop");
        assert_eq!([&*span.scope.name, &span.scope.version], scope);
    }
    for (key, value) in [
        ("http.response.status_code", "503"),
        ("http.route", "/orders"),
        ("order.express", "true"),
        ("order.total", "12.5"),
        ("deployment.environment.name", "test"),
    ] {
        assert_eq!(order.attributes.get(key), Some(&value.into()), "{key}");
    }
    for key in ["error", "otel.status_code"] {
        assert_eq!(order.attributes.get(key), None);
    }
}

/// The order and the query below it, with what every sender says of them.
pub(crate) fn order_and_query(backend: &Backend) -> (Arc<Span>, Arc<Span>) {
    let [trace] = &backend.store().latest(2)[..] else {
        panic!("{:?}: {:?}", backend.store(), backend.received());
    };
    let tree = trace.tree();
    let [order, query] = &tree.rows[..] else {
        panic!("{trace:?}");
    };
    let (order, query) = (order.span.clone(), query.span.clone());
    assert_eq!(
        (&*order.name, &*query.name),
        ("POST /orders", "SELECT stock")
    );
    assert_eq!(
        (order.kind, query.kind),
        (SpanKind::Server, SpanKind::Client)
    );
    assert_eq!(order.parent_span_id, None);
    assert_eq!(query.parent_span_id, Some(order.span_id));
    assert_eq!(
        (order.status.code, &*order.status.message),
        (StatusCode::Error, "out of stock")
    );
    (order, query)
}

/// The same, with what every SDK says.
fn spans(backend: &Backend) -> (Arc<Span>, Arc<Span>) {
    let (order, query) = order_and_query(backend);
    assert_eq!(
        (query.status.code, &*query.status.message),
        (StatusCode::Ok, "")
    );
    let [event] = &query.events[..] else {
        panic!("{query:?}");
    };
    let times = [
        order.start_unix_nanos,
        query.start_unix_nanos,
        event.unix_nanos,
        query.end_unix_nanos,
        order.end_unix_nanos,
    ];
    assert!(times[0] > 0 && times.is_sorted(), "{times:?}");
    (order, query)
}

fn assert_resource(resource: &Resource) {
    assert_eq!(resource.service(), "shop");
    let environment = resource.attributes.get("deployment.environment.name");
    assert_eq!(environment, Some(&"test".into()));
    let sdk = resource.attributes.get("telemetry.sdk.name");
    assert_eq!(sdk, Some(&"opentelemetry".into()));
}

fn assert_scope(scope: &Scope) {
    let expected = Scope {
        name: "orders".to_owned(),
        version: "1.2.3".to_owned(),
        ..Scope::default()
    };
    assert_eq!(*scope, expected);
}

/// One record within the order's span, and one without a trace.
fn assert_logs(backend: &Backend, order: &Span) {
    let logs = backend.store().logs();
    let (within, without): (Vec<_>, Vec<_>) = logs
        .iter()
        .map(|log| &**log)
        .partition(|log| log.trace_id.is_some());
    let ([refused], [opened]) = (&within[..], &without[..]) else {
        panic!("{logs:?}");
    };
    let of = |log: &LogRecord| (log.severity_number, log.severity_text.clone());
    assert_eq!(of(opened), (9, "INFO".to_owned()));
    assert_eq!(opened.event_name, "shop.opened");
    let body = Attributes::from([("goods", ["tea", "Käse"].into()), ("shelves", 3.into())]);
    assert_eq!(opened.body, Value::Map(body));
    assert_eq!(opened.span_id, None);

    assert_eq!(of(refused), (17, "ERROR".to_owned()));
    assert_eq!(refused.event_name, "");
    assert_eq!(refused.body, "order refused".into());
    assert_eq!(
        refused.attributes,
        Attributes::from([("order.id", 7.into())])
    );
    assert_eq!(refused.trace_id, Some(order.trace_id));
    assert_eq!(refused.span_id, Some(order.span_id));
    for log in [opened, refused] {
        assert!(log.observed_unix_nanos > 0, "{log:?}");
        assert_resource(&log.resource);
        assert_scope(&log.scope);
    }
}

fn assert_metrics(backend: &Backend, order: &Span, kinds: Metrics) {
    let all = backend.store().metrics();
    let of_shop = all.iter().find(|metrics| {
        let resource = metrics.resource.as_ref();
        resource.is_some_and(|resource| {
            let attributes = texts(&resource.attributes);
            ["service.name=shop", "deployment.environment.name=test"]
                .iter()
                .all(|attribute| attributes.iter().any(|other| other == attribute))
        })
    });
    let of_shop = of_shop.unwrap_or_else(|| panic!("{all:?}"));
    let scope = of_shop.scope_metrics.iter().find(|metrics| {
        let scope = metrics.scope.clone().unwrap_or_default();
        (&*scope.name, &*scope.version) == ("orders", "1.2.3")
    });
    let mut metrics = scope.unwrap_or_else(|| panic!("{all:?}")).metrics.clone();
    metrics.sort_by(|one, other| one.name.cmp(&other.name));
    let [duration, orders, stock] = &metrics[..] else {
        panic!("{metrics:?}");
    };
    assert_duration(duration, order, kinds);
    assert_orders(orders, kinds);
    assert_stock(stock);
}

fn about(metric: &Metric) -> [&str; 3] {
    [&metric.name, &metric.unit, &metric.description]
}

fn assert_orders(metric: &Metric, kinds: Metrics) {
    assert_eq!(about(metric), ["orders", "{order}", "Orders taken"]);
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}");
    };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality(), kinds.temporality());
    let [point] = &sum.data_points[..] else {
        panic!("{metric:?}");
    };
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
    assert_eq!(texts(&point.attributes), ["express=true"]);
    assert!(point.start_time_unix_nano <= point.time_unix_nano);
}

fn assert_stock(metric: &Metric) {
    assert_eq!(about(metric), ["stock", "{item}", "Items left"]);
    let Some(Data::Gauge(gauge)) = &metric.data else {
        panic!("{metric:?}");
    };
    let [point] = &gauge.data_points[..] else {
        panic!("{metric:?}");
    };
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(42)));
    assert_eq!(texts(&point.attributes), ["item=tea"]);
}

fn assert_duration(metric: &Metric, order: &Span, kinds: Metrics) {
    assert_eq!(
        about(metric),
        ["order.duration", "s", "Time to take an order"]
    );
    let (temporality, figures, in_buckets, exemplars) = match &metric.data {
        Some(Data::Histogram(histogram)) if kinds != Metrics::DeltaAndExponential => {
            let [point] = &histogram.data_points[..] else {
                panic!("{metric:?}");
            };
            assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
            (
                histogram.aggregation_temporality(),
                (point.count, point.sum, point.min, point.max),
                point.bucket_counts.iter().sum::<u64>(),
                &point.exemplars,
            )
        }
        Some(Data::ExponentialHistogram(histogram)) if kinds == Metrics::DeltaAndExponential => {
            let [point] = &histogram.data_points[..] else {
                panic!("{metric:?}");
            };
            let positive = point.positive.as_ref();
            (
                histogram.aggregation_temporality(),
                (point.count, point.sum, point.min, point.max),
                positive.map_or(0, |buckets| buckets.bucket_counts.iter().sum()),
                &point.exemplars,
            )
        }
        _ => panic!("{metric:?}"),
    };
    assert_eq!(temporality, kinds.temporality());
    let (count, sum, min, max) = figures;
    assert_eq!((count, in_buckets, min, max), (2, 2, Some(0.2), Some(0.7)));
    assert_eq!(sum.map(|sum| (sum * 1e3).round()), Some(900.0));

    // JavaScript's SDK records none.
    let language = order.resource.attributes.get("telemetry.sdk.language");
    let has_exemplars = ![Some(&"nodejs".into()), Some(&"webjs".into())].contains(&language);
    assert_eq!(!exemplars.is_empty(), has_exemplars, "{metric:?}");
    for exemplar in exemplars {
        assert_eq!(exemplar.trace_id, order.trace_id.to_bytes());
        assert_eq!(exemplar.span_id, order.span_id.to_bytes());
    }
}

/// Attributes as `key=value`, in order.
fn texts(attributes: &[KeyValue]) -> Vec<String> {
    let mut texts: Vec<_> = attributes
        .iter()
        .map(|attribute| {
            let value = attribute
                .value
                .as_ref()
                .and_then(|value| value.value.as_ref());
            let value = match value {
                Some(any_value::Value::StringValue(text)) => text.clone(),
                Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
                other => format!("{other:?}"),
            };
            format!("{}={value}", attribute.key)
        })
        .collect();
    texts.sort();
    texts
}
