//! Answers in a form in which equal ones are equal: what has no order is sorted, what stands for something is replaced by
//! it, and what is empty is as good as left out.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// An answer of `/api/traces`: traces by id, spans by id, tags by key, and each span's process in its place.
pub(crate) fn traces(answer: &Value) -> Value {
    let mut answer = numbers(answer);
    for trace in list(&mut answer["data"]) {
        let processes = trace["processes"].take();
        for span in list(&mut trace["spans"]) {
            let id = span["processID"].take();
            span["process"] = processes[id.as_str().unwrap()].clone();
            sort(&mut span["process"]["tags"], |tag| tag.to_string());
            sort(&mut span["tags"], |tag| tag.to_string());
        }
        sort(&mut trace["spans"], |span| span["spanID"].to_string());
    }
    sort(&mut answer["data"], |trace| trace["traceID"].to_string());
    answer
}

/// An answer with a list that is in no order. Go writes an empty one as null.
pub(crate) fn listing(answer: &Value) -> Value {
    let mut answer = numbers(answer);
    if answer["errors"].is_null() && answer["data"].is_null() {
        answer["data"] = Vec::<Value>::new().into();
    }
    sort(&mut answer["data"], Value::to_string);
    answer
}

/// An answer of `/api/v3`, which is a message: an absent field is one with the default value.
pub(crate) fn message(answer: &Value) -> Value {
    let mut answer = without_defaults(&numbers(answer), "");
    let result = &mut answer["result"];
    for of_resource in list(&mut result["resourceSpans"]) {
        sort(&mut of_resource["resource"]["attributes"], Value::to_string);
    }
    join(&mut result["resourceSpans"], "scopeSpans");
    for of_resource in list(&mut result["resourceSpans"]) {
        join(&mut of_resource["scopeSpans"], "spans");
        for of_scope in list(&mut of_resource["scopeSpans"]) {
            for span in list(&mut of_scope["spans"]) {
                sort(&mut span["attributes"], Value::to_string);
                for event in list(&mut span["events"]) {
                    sort(&mut event["attributes"], Value::to_string);
                }
                sort(&mut span["events"], Value::to_string);
            }
            sort(&mut of_scope["spans"], Value::to_string);
        }
        sort(&mut of_resource["scopeSpans"], Value::to_string);
    }
    sort(&mut result["resourceSpans"], Value::to_string);
    for name in ["services", "operations"] {
        sort(&mut answer[name], Value::to_string);
    }
    without_defaults(&answer, "")
}

/// Puts together the elements that differ in `items` alone: a large trace is answered in parts.
fn join(parts: &mut Value, items: &str) {
    let mut joined: Vec<(Value, Vec<Value>)> = Vec::new();
    for part in list(parts) {
        let some = list(&mut part[items].take()).to_vec();
        match joined.iter_mut().find(|(other, _)| other == part) {
            Some((_, all)) => all.extend(some),
            None => joined.push((part.take(), some)),
        }
    }
    for (part, (joined, all)) in list(parts).iter_mut().zip(&mut joined) {
        *part = joined.take();
        part[items] = std::mem::take(all).into();
    }
    if let Some(parts) = parts.as_array_mut() {
        parts.truncate(joined.len());
    }
}

/// The elements of a list; none of anything else.
pub(crate) fn list(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

fn sort(value: &mut Value, key: impl FnMut(&Value) -> String) {
    list(value).sort_by_cached_key(key);
}

/// One writes `1.0` what the other writes `1`.
pub(crate) fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < 1e15 => {
                (double as i64).into()
            }
            _ => value.clone(),
        },
        Value::Array(values) => values.iter().map(numbers).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), numbers(value)))
            .collect(),
        _ => value.clone(),
    }
}

/// The value of an attribute that is a default is there all the same: its field says the type.
fn without_defaults(value: &Value, field: &str) -> Value {
    match value {
        Value::Array(values) => values
            .iter()
            .map(|value| without_defaults(value, field))
            .collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(name, value)| {
                let value = without_defaults(value, name);
                let keeps = field == "value" || field == "values" || !is_default(&value);
                keeps.then(|| (name.clone(), value))
            });
            fields.collect::<Map<_, _>>().into()
        }
        _ => value.clone(),
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Both are equal; else the places where they are not are said.
pub(crate) fn assert_same(ours: &Value, theirs: &Value, what: &str) {
    let mut differing = Vec::new();
    compare(ours, theirs, String::new(), &mut differing);
    assert!(differing.is_empty(), "{what}:\n{}", differing.join("\n"));
}

fn compare(ours: &Value, theirs: &Value, place: String, differing: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                let place = format!("{place}/{name}");
                match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => compare(one, other, place, differing),
                    (one, other) => differing.push(format!("{place}: {one:?}, Jaeger {other:?}")),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (number, (one, other)) in one.iter().zip(other).enumerate() {
                compare(one, other, format!("{place}/{number}"), differing);
            }
        }
        _ if ours == theirs => {}
        _ => differing.push(format!("{place}: {ours}, Jaeger {theirs}")),
    }
}
