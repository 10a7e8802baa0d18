//! What the views call: functions that look into OTLP's messages.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue},
    trace::v1::span::{Event, Link},
};
use prost::Message;
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
};
use serde_json::{Map, Value as Json, json};

use super::{
    body::{fields, text_of},
    metric_parts::{metric_part, point_part},
    row,
};
use crate::model::{decode, id::hex};

/// A part of a message, by name.
type Part = fn(&[u8], &str) -> Option<String>;

pub(super) fn add(connection: &Connection) -> Result<()> {
    let number = |context: &Context<'_>| context.get::<Option<i64>>(0);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("id_text", 1, flags, move |context| {
        Ok(number(context)?
            .and_then(row::span_id)
            .map(|id| id.to_string()))
    })?;
    connection.create_scalar_function("kind_text", 1, flags, |context| {
        Ok(kind_text(context.get(0)?))
    })?;
    connection.create_scalar_function("status_text", 1, flags, |context| {
        Ok(match context.get::<i32>(0)? {
            1 => "ok",
            2 => "error",
            _ => "unset",
        })
    })?;
    let parts: [(&str, Part); 4] = [
        ("span_part", span_part),
        ("log_part", log_part),
        ("resource_part", resource_part),
        ("scope_part", scope_part),
    ];
    for (name, part) in parts {
        connection.create_scalar_function(name, 2, flags, move |context| {
            let message = context.get_raw(0).as_blob_or_null()?.unwrap_or_default();
            Ok(part(message, context.get_raw(1).as_str()?))
        })?;
    }
    connection.create_scalar_function("metric_part", 2, flags, |context| {
        let message = context.get_raw(0).as_blob()?;
        Ok(metric_part(message, context.get_raw(1).as_str()?))
    })?;
    connection.create_scalar_function("point_part", 3, flags, |context| {
        let (metric, body) = (context.get_raw(0).as_blob()?, context.get_raw(1).as_blob()?);
        Ok(point_part(metric, body, context.get_raw(2).as_str()?))
    })
}

fn kind_text(number: i32) -> &'static str {
    match decode::kind_of(number).name() {
        "" => "unspecified",
        name => name,
    }
}

/// The contents of a field.
fn all(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(other, content)| (other == number).then_some(content))
}

/// The text of a field; none if it is empty.
fn text(message: &[u8], number: u32) -> Option<String> {
    let found = all(message, number).last().map(text_of);
    found.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The attributes in a field, as a JSON object. Of those with one key the first counts.
fn attributes(message: &[u8], number: u32) -> String {
    let pairs = all(message, number).filter_map(|pair| KeyValue::decode(pair).ok());
    object(pairs.collect()).to_string()
}

pub(super) fn object(pairs: Vec<KeyValue>) -> Json {
    let mut object = Map::new();
    for pair in pairs {
        let value = decode::value_of(pair.value).to_json();
        object.entry(pair.key).or_insert(value);
    }
    Json::Object(object)
}

fn span_part(body: &[u8], part: &str) -> Option<String> {
    match part {
        "message" => text(all(body, 15).last()?, 2),
        "trace_state" => text(body, 3),
        "attributes" => Some(attributes(body, 9)),
        "events" => list(body, 11, |event: Event| {
            json!({
                "unix_nanos": row::clamped(event.time_unix_nano), "name": event.name, "attributes": object(event.attributes)
            })
        }),
        "links" => list(body, 13, |link: Link| {
            json!({
                "trace_id": hex(&link.trace_id), "span_id": hex(&link.span_id),
                "trace_state": Some(link.trace_state).filter(|state| !state.is_empty()),
                "attributes": object(link.attributes)
            })
        }),
        _ => None,
    }
}

/// What is made of the messages in a field, as a JSON array.
fn list<M: Message + Default>(
    body: &[u8],
    number: u32,
    make: impl Fn(M) -> Json,
) -> Option<String> {
    let messages = all(body, number).filter_map(|message| M::decode(message).ok());
    Some(Json::Array(messages.map(make).collect()).to_string())
}

fn log_part(body: &[u8], part: &str) -> Option<String> {
    match part {
        "severity_text" => text(body, 3),
        "event_name" => text(body, 12),
        "attributes" => Some(attributes(body, 6)),
        "body" => {
            let value = AnyValue::decode(all(body, 5).last()?).ok()?;
            value.value.as_ref()?;
            Some(decode::value_of(Some(value)).to_text().into_owned())
        }
        _ => None,
    }
}

fn resource_part(message: &[u8], part: &str) -> Option<String> {
    match part {
        "attributes" => Some(attributes(all(message, 1).last().unwrap_or_default(), 1)),
        _ => text(message, 3),
    }
}

fn scope_part(message: &[u8], part: &str) -> Option<String> {
    let scope = all(message, 1).last()?;
    match part {
        "name" => text(scope, 1),
        _ => text(scope, 2),
    }
}
