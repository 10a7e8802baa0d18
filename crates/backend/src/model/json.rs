//! OTLP's JSON: what the specification allows beyond what `opentelemetry-proto` reads.
//!
//! OTLP/JSON is protobuf's JSON mapping with hex ids and integer enums. `opentelemetry-proto` reads what its own
//! serialiser writes. Other senders, the Collector among them, leave out what is empty, write `null` for what is not
//! set, 32-bit integers as strings, and `"NaN"` where JSON has no number. [`Node`] gives each of these the form that
//! `opentelemetry-proto` takes, on the way to it.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

/// Parses a document, with or without a byte order mark.
pub(crate) fn parse(document: &[u8]) -> Result<Value, Error> {
    let document = without_mark(document);
    serde_json::from_slice(document)
        .or_else(|error| serde_json::from_str(&mended(document)).map_err(|_| error))
}

/// A document without its byte order mark.
pub(crate) fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document)
}

/// The document as text. What is not Unicode becomes U+FFFD: bytes that are not UTF-8, and half a surrogate pair, which is
/// left of an emoji where a sender has cut a text at a number of UTF-16 units.
fn mended(document: &[u8]) -> String {
    let text = String::from_utf8_lossy(document);
    let mut mended = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        let length = match (utf16_unit(escape), escape.get(6..).and_then(utf16_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.extend([before, "\\ufffd"]);
                rest = &escape[6..];
                continue;
            }
            _ => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        let (escape, after) = escape.split_at(length);
        mended.extend([before, escape]);
        rest = after;
    }
    mended + rest
}

/// The value of `\uXXXX` at the start of a text.
fn utf16_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// Drops fields that are `null`.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

/// Decodes a message that is, or is in the list that is, the value of `field`.
pub(crate) fn decode<T: DeserializeOwned>(field: &str, value: &Value) -> Result<T, Error> {
    T::deserialize(Node { field, value })
}

/// A JSON value and the field that it, or the list around it, is the value of.
#[derive(Clone, Copy)]
struct Node<'de> {
    field: &'de str,
    value: &'de Value,
}

static EMPTY_LIST: Value = Value::Array(Vec::new());
static EMPTY_TEXT: Value = Value::String(String::new());

impl<'de> Node<'de> {
    fn text<V: Visitor<'de>>(self, text: &'de str, visitor: V) -> Result<V::Value, Error> {
        match self.field {
            "doubleValue" | "asDouble" | "sum" | "min" | "max" | "explicitBounds"
            | "zeroThreshold" => match text.parse() {
                Ok(double) => visitor.visit_f64(double),
                Err(_) => Err(Error::custom(format!(
                    "{}: {text:?} is not a number",
                    self.field
                ))),
            },
            "flags"
            | "droppedAttributesCount"
            | "droppedEventsCount"
            | "droppedLinksCount"
            | "scale"
            | "offset" => match text.parse() {
                Ok(int) => visitor.visit_i64(int),
                Err(_) => Err(Error::custom(format!(
                    "{}: {text:?} is not an integer",
                    self.field
                ))),
            },
            _ => visitor.visit_borrowed_str(text),
        }
    }

    /// Fields left out because they are empty, although `opentelemetry-proto` demands them.
    fn left_out(
        self,
        fields: &'de serde_json::Map<String, Value>,
    ) -> Option<(&'de str, &'de Value)> {
        let left_out = match self.field {
            "arrayValue" | "kvlistValue" => ("values", &EMPTY_LIST),
            "attributes" | "values" | "filteredAttributes" => ("key", &EMPTY_TEXT),
            _ => return None,
        };
        fields
            .get(left_out.0)
            .is_none_or(Value::is_null)
            .then_some(left_out)
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::String(text) => self.text(text, visitor),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.iter().map(|value| Node {
                    field: self.field,
                    value,
                })))
            }
            Value::Object(fields) => {
                let set = fields.iter().filter(|(_, value)| !value.is_null());
                let all = set
                    .map(|(field, value)| (field.as_str(), value))
                    .chain(self.left_out(fields));
                visitor.visit_map(MapDeserializer::new(
                    all.map(|(field, value)| (field, Node { field, value })),
                ))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
