//! A trace by its id, in both forms.

use std::collections::BTreeSet;

use backend::Store;
use serde_json::{Value, json};

use crate::{
    corpus::{self, LINKED, TRACES, attributes, text},
    equal::{self, assert_same, list},
    program::{Both, Who},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn each_trace_looks_as_a_real_jaeger_shows_it() {
    let both = Both::start().await;
    both.send(&corpus::request()).await;
    for id in TRACES.into_iter().chain([LINKED]) {
        let path = format!("traces/{id}");
        let (ours, theirs) = both.ask_both(&path).await;
        assert_same(&equal::traces(&ours), &equal::traces(&theirs), &path);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn each_trace_in_the_newer_form_is_what_a_real_jaeger_keeps_of_it() {
    let both = Both::start().await;
    both.send(&corpus::request()).await;
    let mut lost = Lost::default();
    for id in TRACES {
        let path = format!("v3/traces/{id}");
        let (mut ours, mut theirs) = both.ask_both(&path).await;
        lost.take_from(&mut ours);
        take_warnings(&mut theirs);
        assert_same(&equal::message(&ours), &equal::message(&theirs), &path);
    }
    // All of it was there to lose.
    let expected = [
        "attributes of links",
        "attributes of scopes",
        "counts of what was dropped",
        "description of a status without a code",
        "flags",
        "name of an event that has an attribute event",
        "schema URLs",
        "trace state of links",
        "values that are an array, a map or empty",
    ];
    assert_eq!(lost.0, BTreeSet::from(expected));
}

/// Jaeger itself shows a file less well: it neither sorts events nor says which parents are missing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn a_file_is_shown_as_a_real_jaeger_shows_the_same_spans_once_they_have_arrived() {
    let both = Both::start().await;
    both.send(&corpus::request()).await;
    let ids = TRACES.into_iter().chain([LINKED]);
    let ids: Vec<_> = ids.map(|id| format!("traceID={id}")).collect();
    let arrived = both
        .ask(Who::Jaeger, &format!("traces?{}", ids.join("&")))
        .await;
    let [ours, theirs] = [Who::Backend, Who::Jaeger].map(async |who| {
        let answer = both.post(who, "transform", &corpus::request()).await;
        assert_eq!(answer.status, 200, "{who:?}");
        equal::traces(&answer.json())
    });
    let (ours, theirs) = (ours.await, theirs.await);
    assert_same(&ours, &equal::traces(&arrived.json()), "transform");
    assert_eq!(spans(&ours), spans(&theirs));

    for who in [Who::Backend, Who::Jaeger] {
        let empty = both
            .post(who, "transform", &json!({"resourceSpans": []}))
            .await;
        assert_eq!(
            (empty.status.as_u16(), &empty.json()["data"]),
            (200, &json!([]))
        );
    }
}

/// The ids of the spans of each trace.
fn spans(answer: &Value) -> Vec<Vec<&Value>> {
    let traces = answer["data"].as_array().unwrap().iter();
    traces
        .map(|trace| {
            let spans = trace["spans"].as_array().unwrap().iter();
            spans.map(|span| &span["spanID"]).collect()
        })
        .collect()
}

/// Jaeger writes its newer form with the code that the Collector's file exporter has.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs jaeger on PATH"]
async fn what_a_real_jaeger_writes_is_loaded_whole() {
    let both = Both::start().await;
    both.send(&corpus::request()).await;
    for id in TRACES {
        let theirs = both.ask(Who::Jaeger, &format!("v3/traces/{id}")).await;
        let store = Store::temporary(64 << 20).unwrap();
        let loaded = store.load(theirs.text.as_bytes()).unwrap();
        assert_eq!(
            (loaded.faults.as_slice(), store.len()),
            (&[][..], 1),
            "{id}"
        );
        let mut saved = Vec::new();
        store.save(&mut saved).unwrap();
        let lines = serde_json::Deserializer::from_slice(&saved).into_iter::<Value>();
        let parts = lines.flat_map(|line| list(&mut line.unwrap()["resourceSpans"]).to_vec());
        let saved = json!({"result": {"resourceSpans": parts.collect::<Vec<_>>()}});
        assert_same(&equal::message(&saved), &equal::message(&theirs.json()), id);
    }
}

/// What Jaeger 2.2 loses because it keeps spans in the form of its older API and makes OTLP out of that again. It is
/// taken from the backend's answer, which has it; later versions of Jaeger have it, too.
#[derive(Default)]
struct Lost(BTreeSet<&'static str>);

impl Lost {
    fn take_from(&mut self, answer: &mut Value) {
        for of_resource in list(&mut answer["result"]["resourceSpans"]) {
            self.field(of_resource, "schemaUrl", "schema URLs");
            self.counts(&mut of_resource["resource"]);
            self.values(&mut of_resource["resource"]["attributes"]);
            for of_scope in list(&mut of_resource["scopeSpans"]) {
                self.field(of_scope, "schemaUrl", "schema URLs");
                self.field(&mut of_scope["scope"], "attributes", "attributes of scopes");
                for span in list(&mut of_scope["spans"]) {
                    self.of_span(span);
                }
            }
        }
    }

    fn of_span(&mut self, span: &mut Value) {
        self.counts(span);
        self.field(span, "flags", "flags");
        self.values(&mut span["attributes"]);
        for event in list(&mut span["events"]) {
            self.values(&mut event["attributes"]);
            self.name_of(event);
        }
        for link in list(&mut span["links"]) {
            self.field(link, "traceState", "trace state of links");
            self.field(link, "attributes", "attributes of links");
            link["attributes"] = attributes([("opentracing.ref_type", text("follows_from"))]);
        }
        if span["status"]["code"].is_null()
            && let Some(description) = self.field(
                &mut span["status"],
                "message",
                "description of a status without a code",
            )
        {
            span["attributes"] = attributes([(
                "otel.status_description",
                text(description.as_str().unwrap()),
            )]);
        }
    }

    fn field(&mut self, of: &mut Value, name: &str, what: &'static str) -> Option<Value> {
        let value = of.as_object_mut()?.remove(name)?;
        self.0.insert(what);
        Some(value)
    }

    fn counts(&mut self, of: &mut Value) {
        for name in [
            "droppedAttributesCount",
            "droppedEventsCount",
            "droppedLinksCount",
        ] {
            self.field(of, name, "counts of what was dropped");
        }
    }

    fn values(&mut self, attributes: &mut Value) {
        for attribute in list(attributes) {
            let value = plain(&attribute["value"]);
            let kept = match value {
                Value::Null => text(""),
                Value::Array(_) | Value::Object(_) => text(&value.to_string()),
                _ => continue,
            };
            attribute["value"] = kept;
            self.0.insert("values that are an array, a map or empty");
        }
    }

    fn name_of(&mut self, event: &mut Value) {
        let Some(attributes) = event["attributes"].as_array_mut() else {
            return;
        };
        if let Some(place) = attributes
            .iter()
            .position(|attribute| attribute["key"] == "event")
        {
            event["name"] = attributes.remove(place)["value"]["stringValue"].take();
            self.0
                .insert("name of an event that has an attribute event");
        }
    }
}

/// A value of OTLP as JSON would have it.
fn plain(value: &Value) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|fields| fields.iter().next()) else {
        return Value::Null;
    };
    let values = value["values"].as_array().into_iter().flatten();
    match kind.as_str() {
        "intValue" => value.as_str().unwrap().parse::<i64>().unwrap().into(),
        "doubleValue" => equal::numbers(value),
        "arrayValue" => values.map(plain).collect(),
        "kvlistValue" => values
            .map(|attribute| {
                let key = attribute["key"].as_str().unwrap();
                (key.to_owned(), plain(&attribute["value"]))
            })
            .collect(),
        _ => value.clone(),
    }
}

/// Jaeger says in an attribute of a span what is wrong with it: that its parent is not there.
fn take_warnings(answer: &mut Value) {
    for of_resource in list(&mut answer["result"]["resourceSpans"]) {
        for of_scope in list(&mut of_resource["scopeSpans"]) {
            for span in list(&mut of_scope["spans"]) {
                let parent = span["parentSpanId"].clone();
                if let Some(attributes) = span["attributes"].as_array_mut()
                    && let Some(place) = attributes
                        .iter()
                        .position(|attribute| attribute["key"] == "jaeger.internal.warnings")
                {
                    let warning = format!(
                        "parent span ID={} is not in the trace; skipping clock skew adjustment",
                        parent.as_str().unwrap()
                    );
                    let warnings = attributes.remove(place)["value"].take();
                    assert_eq!(
                        warnings,
                        json!({"arrayValue": {"values": [text(&warning)]}})
                    );
                }
            }
        }
    }
}
