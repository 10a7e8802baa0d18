//! Decodes requests, and keeps the good items of those that cannot be decoded as a whole.
//!
//! The outer messages are the same for all signals: a request has resources, a resource scopes, and a scope items, which
//! are spans, log records or metrics. If decoding fails, each item is decoded by itself, and the request is decoded once
//! more without the bad ones.

use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};
use prost::{DecodeError, Message};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Value};

use crate::{
    model::json,
    receive::{answer::shortened, signal::Signal},
};

/// Items that cannot be decoded.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// How many.
    pub(crate) count: usize,
    /// What is wrong with the first one.
    pub(crate) first: Option<String>,
}

impl Faults {
    /// Counts `items` that have the same fault.
    pub(crate) fn add(&mut self, items: usize, fault: impl ToString) {
        self.count += items;
        if items > 0 && self.first.is_none() {
            self.first = Some(shortened(&fault.to_string()));
        }
    }

    /// Drops the items with a fault; all of them if a `shared` part has one.
    fn leave_out<T>(
        &mut self,
        items: &mut Vec<T>,
        shared: &[Result<(), String>],
        check: impl Fn(&T) -> Result<(), String>,
    ) {
        if let Some(Err(fault)) = shared.iter().find(|part| part.is_err()) {
            self.add(items.len(), fault);
            items.clear();
        }
        items.retain(|item| check(item).map_err(|fault| self.add(1, fault)).is_ok());
    }
}

/// Decodes a request in protobuf.
///
/// # Errors
///
/// The outer messages cannot be decoded.
pub(crate) fn protobuf<R: Signal>(body: &[u8]) -> Result<(R, Faults), DecodeError> {
    let mut faults = Faults::default();
    if let Ok(request) = R::decode(body) {
        return Ok((request, faults));
    }
    let mut request = Request::decode(body)?;
    for of_resource in &mut request.of_resources {
        let resource = checked::<Resource>(&mut of_resource.resource);
        for of_scope in &mut of_resource.of_scopes {
            let scope = checked::<InstrumentationScope>(&mut of_scope.scope);
            let shared = [resource.clone(), scope];
            faults.leave_out(&mut of_scope.items, &shared, |item| {
                decodes::<R::Item>(item)
            });
        }
    }
    Ok((R::decode(&*request.encode_to_vec())?, faults))
}

/// The outer messages. What they hold stays encoded.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    of_resources: Vec<OfResource>,
}

#[derive(Clone, PartialEq, Message)]
struct OfResource {
    #[prost(bytes = "vec", tag = "1")]
    resource: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    of_scopes: Vec<OfScope>,
    #[prost(bytes = "vec", tag = "3")]
    schema_url: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct OfScope {
    #[prost(bytes = "vec", tag = "1")]
    scope: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    items: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "3")]
    schema_url: Vec<u8>,
}

fn decodes<M: Message + Default>(message: &Vec<u8>) -> Result<(), String> {
    match M::decode(&**message) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Empties a message that cannot be decoded.
fn checked<M: Message + Default>(message: &mut Vec<u8>) -> Result<(), String> {
    decodes::<M>(message).inspect_err(|_| message.clear())
}

/// Decodes a request in JSON.
///
/// # Errors
///
/// The outer messages cannot be decoded.
pub(crate) fn json<R: Signal>(mut request: Value) -> Result<(R, Faults), Error> {
    if !request.is_object() {
        return Err(Error::custom("a request is an object"));
    }
    let mut faults = Faults::default();
    if let Ok(request) = json::decode("", &request) {
        return Ok((request, faults));
    }
    let [of_resources, of_scopes, items] = R::FIELDS;
    for of_resource in list(&mut request, of_resources).into_iter().flatten() {
        let resource = checked_field::<Resource>(of_resource, "resource");
        for of_scope in list(of_resource, of_scopes).into_iter().flatten() {
            let scope = checked_field::<InstrumentationScope>(of_scope, "scope");
            let shared = [resource.clone(), scope];
            if let Some(list) = list(of_scope, items) {
                faults.leave_out(list, &shared, |item| decodes_json::<R::Item>(items, item));
            }
        }
    }
    Ok((json::decode("", &request)?, faults))
}

fn list<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    object.get_mut(field)?.as_array_mut()
}

fn decodes_json<T: DeserializeOwned>(field: &str, value: &Value) -> Result<(), String> {
    match json::decode::<T>(field, value) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Empties a field that cannot be decoded.
fn checked_field<T: DeserializeOwned>(object: &mut Value, field: &str) -> Result<(), String> {
    match object.get_mut(field) {
        Some(value) if !value.is_null() => {
            decodes_json::<T>(field, value).inspect_err(|_| *value = Value::Null)
        }
        _ => Ok(()),
    }
}
