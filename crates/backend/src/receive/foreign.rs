//! What spans of other formats need on their way to OTLP's messages.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};

/// A hex id of `length` bytes, left-padded with zeros. Invalid input yields one byte and is rejected later.
pub(crate) fn id(digits: &str, length: usize) -> Vec<u8> {
    match u128::from_str_radix(digits, 16) {
        Ok(id) if digits.len() <= 2 * length && !digits.starts_with('+') => {
            id.to_be_bytes()[16 - length..].to_vec()
        }
        _ => vec![1],
    }
}

/// An attribute whose value is text.
pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// An attribute.
pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
