//! The metrics of the pipelines.
//!
//! Names and attributes are those of the
//! [semantic conventions for SDK metrics](https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/):
//!
//! | instrument | unit | attributes |
//! | --- | --- | --- |
//! | `otel.sdk.processor.span.processed` counter: handed to the exporter, or dropped for a full queue | {span} | component, `error.type` |
//! | `otel.sdk.processor.span.queue.size`, `….capacity` up-down counters | {span} | component |
//! | `otel.sdk.exporter.span.exported` counter: arrived, or failed | {span} | component, `server.*`, `error.type` |
//! | `otel.sdk.exporter.span.inflight` up-down counter | {span} | component, `server.*` |
//!
//! and the same with `log` and {log_record}; for pushed metrics the exporter's two with `metric_data_point` and
//! {data_point}. *Component* is `otel.component.type` and `otel.component.name`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::{Health, Item};

fn with_error(attributes: &[KeyValue], kind: impl Into<opentelemetry::Value>) -> Vec<KeyValue> {
    let mut attributes = attributes.to_vec();
    attributes.push(KeyValue::new("error.type", kind));
    attributes
}

/// Registers the instruments for all pipelines that exist.
pub fn observe(meter: &Meter, pipelines: &[Arc<Health>]) {
    for item in [Item::Span, Item::LogRecord, Item::DataPoint] {
        let of_item: Vec<_> = pipelines
            .iter()
            .filter(|health| health.item == item)
            .cloned()
            .collect();
        if of_item.is_empty() {
            continue;
        }
        observe_exporters(meter, item, of_item.clone());
        let queues: Vec<_> = of_item
            .into_iter()
            .filter_map(|health| Some((health.capacity?, health)))
            .enumerate()
            .map(|(number, (capacity, health))| Queue {
                attributes: vec![
                    KeyValue::new("otel.component.type", item.processor()),
                    KeyValue::new(
                        "otel.component.name",
                        format!("{}/{number}", item.processor()),
                    ),
                ],
                capacity,
                health,
            })
            .collect();
        if !queues.is_empty() {
            observe_queues(meter, item, queues.into());
        }
    }
}

struct Queue {
    attributes: Vec<KeyValue>,
    capacity: usize,
    health: Arc<Health>,
}

fn observe_exporters(meter: &Meter, item: Item, pipelines: Vec<Arc<Health>>) {
    let pipelines: Arc<[Arc<Health>]> = pipelines.into();
    let observed = Arc::clone(&pipelines);
    let _ = meter
        .u64_observable_counter(format!("otel.sdk.exporter.{}.exported", item.name()))
        .with_unit(item.unit())
        .with_description(format!(
            "The number of {} for which the export has finished, either successful or failed.",
            item.plural()
        ))
        .with_callback(move |observer| {
            for health in observed.iter() {
                observer.observe(health.exported.load(Ordering::Relaxed), &health.exporter);
                for (kind, lost) in &health.failures().lost {
                    observer.observe(*lost, &with_error(&health.exporter, kind.to_string()));
                }
            }
        })
        .build();
    let _ = meter
        .i64_observable_up_down_counter(format!("otel.sdk.exporter.{}.inflight", item.name()))
        .with_unit(item.unit())
        .with_description(format!(
            "The number of {} which were passed to the exporter, but that have not been exported yet.",
            item.plural()
        ))
        .with_callback(move |observer| {
            for health in pipelines.iter() {
                let inflight = health.inflight.load(Ordering::Relaxed);
                observer.observe(inflight.try_into().unwrap_or(i64::MAX), &health.exporter);
            }
        })
        .build();
}

fn observe_queues(meter: &Meter, item: Item, queues: Arc<[Queue]>) {
    let observed = Arc::clone(&queues);
    let _ = meter
        .u64_observable_counter(format!("otel.sdk.processor.{}.processed", item.name()))
        .with_unit(item.unit())
        .with_description(format!(
            "The number of {} for which the processing has finished, either successful or failed.",
            item.plural()
        ))
        .with_callback(move |observer| {
            for Queue {
                attributes, health, ..
            } in observed.iter()
            {
                observer.observe(health.processed.load(Ordering::Relaxed), attributes);
                observer.observe(health.dropped(), &with_error(attributes, "queue_full"));
            }
        })
        .build();
    let observed = Arc::clone(&queues);
    let _ = meter
        .i64_observable_up_down_counter(format!("otel.sdk.processor.{}.queue.size", item.name()))
        .with_unit(item.unit())
        .with_description(format!("The number of {} in the queue.", item.plural()))
        .with_callback(move |observer| {
            for Queue {
                attributes, health, ..
            } in observed.iter()
            {
                let queued = health.queued.load(Ordering::Relaxed);
                observer.observe(queued.try_into().unwrap_or(i64::MAX), attributes);
            }
        })
        .build();
    let _ = meter
        .i64_observable_up_down_counter(format!(
            "otel.sdk.processor.{}.queue.capacity",
            item.name()
        ))
        .with_unit(item.unit())
        .with_description(format!(
            "The maximum number of {} the queue can hold.",
            item.plural()
        ))
        .with_callback(move |observer| {
            for Queue {
                attributes,
                capacity,
                ..
            } in queues.iter()
            {
                observer.observe((*capacity).try_into().unwrap_or(i64::MAX), attributes);
            }
        })
        .build();
}
