//! What is emitted beyond OpenTelemetry's semantic conventions is what `telemetry-registry/` defines: no more, no less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use backend::SpanKind;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde_json::Value;

use crate::PATIENCE;
use crate::pair::{Pair, Setting};

/// Namespaces of the conventions.
const CONVENTIONS: [&str; 3] = ["http.", "otel.sdk.", "process."];

/// Kind, unit, description, attributes.
type Metric = (String, String, String, BTreeSet<String>);
/// Attributes, events.
type Span = (BTreeSet<String>, BTreeSet<String>);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn groups(kind: &str) -> Vec<Value> {
    let files = ["attributes", "metrics", "spans"]
        .map(|name| root().join(format!("telemetry-registry/{name}.yaml")));
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the registry can be read");
        let registry: Value = serde_saphyr::from_str(&text).expect("the registry is YAML");
        let groups = registry["groups"].as_array().expect("groups").iter();
        found.extend(groups.filter(|group| group["type"] == kind).cloned());
    }
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("text, not {value}"))
        .to_owned()
}

fn texts<'a>(values: &'a Value, pick: impl Fn(&'a Value) -> &'a Value) -> BTreeSet<String> {
    values
        .as_array()
        .map(|values| values.iter().map(|value| text(pick(value))).collect())
        .unwrap_or_default()
}

/// The attributes that are the registry's own.
fn attributes() -> BTreeSet<String> {
    groups("attribute_group")
        .iter()
        .flat_map(|group| texts(&group["attributes"], |attribute| &attribute["id"]))
        .collect()
}

/// What pushes the metrics to the receiver as the instruments have them; an exposition would rename them.
const PUSHED: [Setting<'_>; 2] = [
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
];

fn keys(attributes: &[KeyValue]) -> BTreeSet<String> {
    attributes
        .iter()
        .map(|attribute| attribute.key.clone())
        .collect()
}

/// The instrument's kind as the registry calls it, and the keys of all its series.
fn kind(data: &Data) -> (&'static str, BTreeSet<String>) {
    match data {
        Data::Histogram(histogram) => (
            "histogram",
            histogram
                .data_points
                .iter()
                .flat_map(|point| keys(&point.attributes))
                .collect(),
        ),
        Data::Gauge(gauge) => (
            "gauge",
            gauge
                .data_points
                .iter()
                .flat_map(|point| keys(&point.attributes))
                .collect(),
        ),
        Data::Sum(sum) => (
            if sum.is_monotonic {
                "counter"
            } else {
                "updowncounter"
            },
            sum.data_points
                .iter()
                .flat_map(|point| keys(&point.attributes))
                .collect(),
        ),
        other => panic!("nothing here makes {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_beyond_the_conventions_are_those_of_the_registry() {
    let defined: BTreeMap<String, Metric> = groups("metric")
        .iter()
        .map(|group| {
            let attributes = texts(&group["attributes"], |attribute| &attribute["ref"]);
            let metric = (
                text(&group["instrument"]),
                text(&group["unit"]),
                text(&group["brief"]),
                attributes,
            );
            (text(&group["metric_name"]), metric)
        })
        .collect();

    let pair = Pair::start_with(&PUSHED, &PUSHED);
    pair.get("/ping").await;
    // The flush at the end pushes whatever there is.
    let (backend, _) = pair.stop();
    let resources = backend.store().metrics();
    assert!(resources.len() >= 2, "both services have pushed");
    let pushed = resources
        .iter()
        .flat_map(|resource| &resource.scope_metrics)
        .flat_map(|scope| &scope.metrics);
    let emitted: BTreeMap<String, Metric> = pushed
        .filter(|metric| {
            !CONVENTIONS
                .iter()
                .any(|namespace| metric.name.starts_with(namespace))
        })
        .map(|metric| {
            let (kind, attributes) = kind(metric.data.as_ref().expect("data"));
            (
                metric.name.clone(),
                (
                    kind.to_owned(),
                    metric.unit.clone(),
                    metric.description.clone(),
                    attributes,
                ),
            )
        })
        .collect();
    assert_eq!(emitted, defined);
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_spans_their_attributes_and_their_events_are_those_of_the_registry() {
    let events: BTreeMap<String, String> = groups("event")
        .iter()
        .map(|group| (text(&group["id"]), text(&group["name"])))
        .collect();
    let defined: BTreeMap<String, Span> = groups("span")
        .iter()
        .map(|group| {
            assert_eq!(group["span_kind"], "internal");
            // An id is no name: that has a hyphen.
            let name = text(&group["id"]).replace("span.", "").replace('_', "-");
            let names = texts(&group["events"], |id| id)
                .iter()
                .map(|id| events[id].clone())
                .collect();
            (
                name,
                (
                    texts(&group["attributes"], |attribute| &attribute["ref"]),
                    names,
                ),
            )
        })
        .collect();

    let mut emitted: BTreeMap<String, Span> = BTreeMap::new();
    for failures in ["0", "1"] {
        let pair = Pair::start_with(&[], &[("PONG_FAILURE_RATE", failures)]);
        pair.get("/ping").await;
        let trace = pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
        for span in trace
            .spans
            .iter()
            .filter(|span| span.kind == SpanKind::Internal)
        {
            let (attributes, events) = emitted.entry(span.name.clone()).or_default();
            attributes.extend(span.attributes.iter().map(|(key, _)| key.to_owned()));
            events.extend(span.events.iter().map(|event| event.name.clone()));
        }
    }
    assert_eq!(emitted, defined);
}

#[test]
fn the_documents_tell_what_the_registry_defines() {
    let documents: String = ["README.md", "docs/emitted.md"]
        .map(|path| std::fs::read_to_string(root().join(path)).unwrap())
        .concat();
    let mut names = attributes();
    names.extend(groups("event").iter().map(|group| text(&group["name"])));
    names.extend(
        groups("span")
            .iter()
            .map(|group| text(&group["id"]).replace("span.", "").replace('_', "-")),
    );
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !documents.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_reference_in_the_registry_leads_to_a_definition_that_is_used() {
    let used: BTreeSet<_> = [groups("metric"), groups("span")]
        .iter()
        .flatten()
        .flat_map(|group| texts(&group["attributes"], |attribute| &attribute["ref"]))
        .collect();
    assert_eq!(used, attributes());
}
