//! A span, a log record and a metric with hardly anything in them, for tests to fill.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use backend::{Attributes, LogRecord, Resource, Scope, Span, SpanKind, Status, Value};
use opentelemetry_proto::tonic::{
    common::v1::InstrumentationScope,
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        number_data_point,
    },
    resource::v1 as resource,
};

pub(crate) fn span(trace: u64, id: u64) -> Span {
    Span {
        trace_id: u128::from(trace)
            .to_be_bytes()
            .as_slice()
            .try_into()
            .unwrap(),
        span_id: id.to_be_bytes().as_slice().try_into().unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: format!("span {id}"),
        kind: SpanKind::Internal,
        start_unix_nanos: 0,
        end_unix_nanos: 0,
        status: Status::default(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: vec![],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        resource: Arc::new(of_service("Ping")),
        scope: Arc::new(Scope::default()),
    }
}

pub(crate) fn of_service(name: &str) -> Resource {
    Resource {
        attributes: Attributes::from([("service.name", name.into())]),
        ..Resource::default()
    }
}

pub(crate) fn log(text: String) -> LogRecord {
    LogRecord {
        unix_nanos: 0,
        observed_unix_nanos: 0,
        severity_number: 9,
        severity_text: String::new(),
        body: Value::String(text),
        event_name: String::new(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        flags: 0,
        trace_id: None,
        span_id: None,
        resource: Arc::new(of_service("Ping")),
        scope: Arc::new(Scope::default()),
    }
}

/// A gauge of nobody.
pub(crate) fn metrics(name: &str, value: f64) -> ResourceMetrics {
    let point = NumberDataPoint {
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    ResourceMetrics {
        resource: Some(resource::Resource::default()),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(InstrumentationScope::default()),
            metrics: vec![Metric {
                name: name.into(),
                data: Some(Data::Gauge(Gauge {
                    data_points: vec![point],
                })),
                ..Metric::default()
            }],
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    }
}
