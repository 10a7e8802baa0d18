//! Numbers, texts, values and attributes as few bytes.
//!
//! A number takes seven bits a byte, the low ones first. A text is its length and its bytes if it is short, else its number
//! among the [`Interner`]'s strings: most keys and values take two or three bytes.

use crate::{
    attributes::{Attributes, Value},
    interner::Interner,
};

/// Texts shorter than this are not interned: their number would save nothing.
const SHORT: usize = 8;

const EMPTY: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;
const STRING: u8 = 5;
const BYTES: u8 = 6;
const ARRAY: u8 = 7;
const MAP: u8 = 8;

/// A text as it is written. What is equal is written equally, as long as it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    Short(&'a [u8]),
    Interned(u32),
}

impl<'a> Text<'a> {
    /// How `text` is written, if it can be: a long one that nobody uses is written nowhere.
    pub(crate) fn find(text: &'a str, strings: &Interner<str>) -> Option<Self> {
        if text.len() < SHORT {
            Some(Self::Short(text.as_bytes()))
        } else {
            strings.find(text).map(Self::Interned)
        }
    }

    pub(crate) fn read(self, strings: &'a Interner<str>) -> &'a str {
        match self {
            Self::Short(bytes) => str::from_utf8(bytes).unwrap_or_default(),
            Self::Interned(number) => strings.get(number).map_or("", |text| text),
        }
    }

    pub(crate) fn release(self, strings: &mut Interner<str>) {
        if let Self::Interned(number) = self {
            strings.release(number);
        }
    }
}

pub(crate) struct Writer<'a> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) strings: &'a mut Interner<str>,
}

impl Writer<'_> {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Few bytes if it is near zero.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        if text.len() < SHORT {
            self.number((text.len() as u64) << 1);
            self.raw(text.as_bytes());
        } else {
            let number = self.strings.intern(text, || text.into());
            self.number(u64::from(number) << 1 | 1);
        }
    }

    pub(crate) fn attributes(&mut self, attributes: &Attributes) {
        self.number(attributes.len() as u64);
        for (key, value) in attributes.iter() {
            self.text(key);
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Empty => self.byte(EMPTY),
            Value::Bool(false) => self.byte(FALSE),
            Value::Bool(true) => self.byte(TRUE),
            Value::Int(int) => {
                self.byte(INT);
                self.signed(*int);
            }
            Value::Double(double) => {
                self.byte(DOUBLE);
                self.raw(&double.to_le_bytes());
            }
            Value::String(text) => {
                self.byte(STRING);
                self.text(text);
            }
            Value::Bytes(bytes) => {
                self.byte(BYTES);
                self.number(bytes.len() as u64);
                self.raw(bytes);
            }
            Value::Array(values) => {
                self.byte(ARRAY);
                self.number(values.len() as u64);
                values.iter().for_each(|value| self.value(value));
            }
            Value::Map(attributes) => {
                self.byte(MAP);
                self.attributes(attributes);
            }
        }
    }
}

/// Reads what a [`Writer`] wrote, in the same order. Past the end everything is zero or empty.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *byte
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    /// A number that was 32 bits wide.
    pub(crate) fn small(&mut self) -> u32 {
        self.number() as u32
    }

    pub(crate) fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    fn raw(&mut self, length: u64) -> &'a [u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (bytes, rest) = self.0.split_at_checked(length).unwrap_or((&[], &[]));
        self.0 = rest;
        bytes
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.raw(N as u64).try_into().unwrap_or([0; N])
    }

    pub(crate) fn text(&mut self) -> Text<'a> {
        let number = self.number();
        match number & 1 {
            0 => Text::Short(self.raw(number >> 1)),
            _ => Text::Interned((number >> 1) as u32),
        }
    }

    pub(crate) fn string(&mut self, strings: &Interner<str>) -> String {
        self.text().read(strings).to_owned()
    }

    /// Key and value of each, the value as it is written.
    pub(crate) fn each_attribute(&mut self, mut each: impl FnMut(Text<'a>, Reader<'a>)) {
        for _ in 0..self.number() {
            let key = self.text();
            let value = *self;
            self.skip_value(&mut |_| {});
            each(key, value);
        }
    }

    /// Leaves attributes out, but names the texts in them.
    pub(crate) fn skip_attributes(&mut self, text: &mut impl FnMut(Text<'a>)) {
        for _ in 0..self.number() {
            text(self.text());
            self.skip_value(text);
        }
    }

    fn skip_value(&mut self, text: &mut impl FnMut(Text<'a>)) {
        match self.byte() {
            INT => {
                self.number();
            }
            DOUBLE => {
                self.raw(8);
            }
            STRING => text(self.text()),
            BYTES => {
                let length = self.number();
                self.raw(length);
            }
            ARRAY => (0..self.number()).for_each(|_| self.skip_value(text)),
            MAP => self.skip_attributes(text),
            _ => {}
        }
    }

    pub(crate) fn attributes(&mut self, strings: &Interner<str>) -> Attributes {
        (0..self.number())
            .map(|_| (self.string(strings), self.value(strings)))
            .collect()
    }

    pub(crate) fn value(&mut self, strings: &Interner<str>) -> Value {
        match self.byte() {
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(self.signed()),
            DOUBLE => Value::Double(f64::from_le_bytes(self.array())),
            STRING => Value::String(self.string(strings)),
            BYTES => {
                let length = self.number();
                Value::Bytes(self.raw(length).to_vec())
            }
            ARRAY => Value::Array((0..self.number()).map(|_| self.value(strings)).collect()),
            MAP => Value::Map(self.attributes(strings)),
            _ => Value::Empty,
        }
    }

    /// The text that a value is, if it is text.
    pub(crate) fn as_text(mut self) -> Option<Text<'a>> {
        (self.byte() == STRING).then(|| self.text())
    }
}
