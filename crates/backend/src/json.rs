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

/// Reads one request.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(body)?;
    if !value.is_object() {
        return Err(Error::custom("a request is an object"));
    }
    T::deserialize(Node {
        field: "",
        value: &value,
    })
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
