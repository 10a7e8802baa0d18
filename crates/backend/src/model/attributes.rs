//! Attributes and their values: OTLP's `KeyValue` and `AnyValue`.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// A typed value. An absent one (`AnyValue` with no field set) is [`Value::Empty`].
///
/// Serialised as `{"type": "int", "value": "5"}`: integers are strings, since JavaScript's numbers hold only 53 bits,
/// doubles are numbers, or the strings `NaN`, `Infinity` and `-Infinity`; bytes are a list of numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "type", content = "value", rename_all = "lowercase")]
pub enum Value {
    /// Nothing.
    #[default]
    Empty,
    /// Text.
    String(String),
    /// Truth.
    Bool(bool),
    /// Integer.
    Int(#[serde(serialize_with = "as_text")] i64),
    /// Number.
    Double(#[serde(serialize_with = "as_number_or_text")] f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order, of any type each.
    Array(Vec<Value>),
    /// Values by name.
    Map(Attributes),
}

impl Value {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// As text, the way the Collector and Jaeger have it: text as it is, bytes in base64, arrays and maps as JSON,
    /// integral doubles without a point.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::String(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Int(int) => Cow::Owned(int.to_string()),
            Self::Double(double) => Cow::Owned(double_text(*double)),
            Self::Bytes(bytes) => Cow::Owned(BASE64_STANDARD.encode(bytes)),
            Self::Array(_) | Self::Map(_) => Cow::Owned(self.to_json().to_string()),
        }
    }

    /// As JSON has it: bytes in base64; NaN and the infinities as text.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Empty => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Int(int) => (*int).into(),
            Self::Double(double) => serde_json::from_str(&double_text(*double))
                .unwrap_or_else(|_| double_text(*double).into()), // NaN and the infinities
            Self::String(_) | Self::Bytes(_) => self.to_text().into(),
            Self::Array(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(attributes) => {
                let fields = attributes.iter();
                fields
                    .map(|(key, value)| (key.to_owned(), value.to_json()))
                    .collect()
            }
        }
    }
}

/// As JavaScript and Go's JSON write a number.
fn double_text(double: f64) -> String {
    let size = double.abs();
    if double.is_nan() {
        "json: unsupported value: NaN".to_owned()
    } else if double.is_infinite() {
        let sign = if double > 0.0 { '+' } else { '-' };
        format!("json: unsupported value: {sign}Inf")
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{double:e}");
        if size < 1.0 {
            text
        } else {
            text.replace('e', "e+")
        }
    } else {
        double.to_string()
    }
}

/// Fit for finding equal values again: what is equal has equal hashes. (NaN is equal to nothing.)
impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Empty => {}
            Self::String(text) => text.hash(state),
            Self::Bool(truth) => truth.hash(state),
            Self::Int(int) => int.hash(state),
            Self::Double(double) => (double + 0.0).to_bits().hash(state), // -0.0 equals 0.0
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Array(values) => values.hash(state),
            Self::Map(attributes) => attributes.hash(state),
        }
    }
}

/// For reading by people: text as it is, arrays and maps in brackets, bytes as hex.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::String(text) => f.write_str(text),
            Self::Bool(truth) => truth.fmt(f),
            Self::Int(int) => int.fmt(f),
            Self::Double(double) => double.fmt(f),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Array(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
            Self::Map(attributes) => attributes.fmt(f),
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    &str => String, String => String, bool => Bool, i64 => Int, i32 => Int, u16 => Int, f64 => Double,
    Vec<u8> => Bytes, Attributes => Map,
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(values: [T; N]) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

/// A set of attributes, sorted by key, so that sets can be compared as a whole.
///
/// Keys are unique in what follows the specification. Where a sender repeats one, every value is kept, in the order sent.
#[derive(Clone, Default, PartialEq, Hash)]
pub struct Attributes(Box<[(String, Value)]>);

impl Attributes {
    /// The (first) value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.all(key).next()
    }

    /// All values of `key`.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &Value> {
        let first = self.0.partition_point(|(other, _)| other.as_str() < key);
        self.0[first..]
            .iter()
            .take_while(move |(found, _)| found == key)
            .map(|(_, value)| value)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Adds those whose keys are not there.
    pub(crate) fn complete_by(&mut self, others: Self) {
        let mut more = others.into_pairs();
        more.retain(|(key, _)| self.get(key).is_none());
        if !more.is_empty() {
            *self = std::mem::take(self)
                .into_pairs()
                .into_iter()
                .chain(more)
                .collect();
        }
    }

    pub(crate) fn into_pairs(self) -> Vec<(String, Value)> {
        self.0.into_vec()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(attributes: I) -> Self {
        let mut attributes: Vec<_> = attributes
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        attributes.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(attributes.into_boxed_slice())
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Attributes {
    fn from(attributes: [(&str, Value); N]) -> Self {
        attributes.into_iter().collect()
    }
}

/// A map, so that a failed comparison reads well.
impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// `{key=value, key=value}`.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (key, value)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{key}={value}")?;
        }
        f.write_str("}")
    }
}

/// A JSON object, in the order of the keys.
impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

pub(crate) fn as_text<S: Serializer>(
    number: &impl fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

pub(crate) fn as_number_or_text<S: Serializer>(
    double: &f64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match *double {
        finite if finite.is_finite() => serializer.serialize_f64(finite),
        nan if nan.is_nan() => serializer.serialize_str("NaN"),
        positive if positive > 0.0 => serializer.serialize_str("Infinity"),
        _ => serializer.serialize_str("-Infinity"),
    }
}
