//! A span's body, looked into without being decoded.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use prost::{
    Message,
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};

use crate::model::{decode, search::EVENT};

/// What a body holds, in the order in which it stands there.
pub(super) enum Part<'a> {
    /// Of the span, or of one of its events.
    Attribute(&'a str, Value<'a>),
    /// The name of an event. Not shown: one of its attributes is called as the one that Jaeger makes of it.
    Event {
        name: &'a str,
        is_shown: bool,
    },
    /// What the status says.
    Message(&'a str),
    TraceState(&'a str),
}

/// An encoded `AnyValue`.
#[derive(Clone, Copy)]
pub(super) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// The text, if it is text.
    pub(super) fn as_str(self) -> Option<&'a str> {
        match fields(self.0).next() {
            Some((1, text)) => Some(text_of(text)),
            _ => None,
        }
    }

    /// As [`Value::to_text`](crate::Value::to_text) has it.
    pub(super) fn to_text(self) -> Cow<'a, str> {
        if let Some(text) = self.as_str() {
            return Cow::Borrowed(text);
        }
        let value = decode::value_of(AnyValue::decode(self.0).ok());
        Cow::Owned(value.to_text().into_owned())
    }
}

/// Goes through an encoded `Span`.
pub(super) fn each_part<'a>(body: &'a [u8], mut each: impl FnMut(Part<'a>)) {
    for (number, content) in fields(body) {
        match number {
            3 => each(Part::TraceState(text_of(content))),
            9 => {
                let (key, value) = attribute(content);
                each(Part::Attribute(key, value));
            }
            11 => event(content, &mut each),
            15 => {
                for (number, content) in fields(content) {
                    if number == 2 {
                        each(Part::Message(text_of(content)));
                    }
                }
            }
            _ => {}
        }
    }
}

fn event<'a>(event: &'a [u8], each: &mut impl FnMut(Part<'a>)) {
    let (mut name, mut is_shown) = ("", true);
    for (number, content) in fields(event) {
        match number {
            2 => name = text_of(content),
            3 => {
                let (key, value) = attribute(content);
                is_shown &= key != EVENT;
                each(Part::Attribute(key, value));
            }
            _ => {}
        }
    }
    each(Part::Event {
        name,
        is_shown: is_shown && !name.is_empty(),
    });
}

fn attribute(key_value: &[u8]) -> (&str, Value<'_>) {
    let (mut key, mut value) = ("", Value(&[]));
    for (number, content) in fields(key_value) {
        match number {
            1 => key = text_of(content),
            2 => value = Value(content),
            _ => {}
        }
    }
    (key, value)
}

pub(super) fn text_of(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

/// Numbers and contents of the fields that have a length. Ends where the bytes are no message.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        while bytes.has_remaining() {
            let (number, wire_type) = decode_key(&mut bytes).ok()?;
            let length = match wire_type {
                WireType::Varint => decode_varint(&mut bytes).map(|_| 0).ok()?,
                WireType::SixtyFourBit => 8,
                WireType::ThirtyTwoBit => 4,
                WireType::LengthDelimited => {
                    usize::try_from(decode_varint(&mut bytes).ok()?).ok()?
                }
                WireType::StartGroup | WireType::EndGroup => return None,
            };
            let (content, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            if wire_type == WireType::LengthDelimited {
                return Some((number, content));
            }
        }
        None
    })
}
