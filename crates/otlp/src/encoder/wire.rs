//! Protobuf's [wire format](https://protobuf.dev/programming-guides/encoding/), as far as traces need it. As proto3 has it,
//! a field that is zero or empty is left out, unless its method is called `always_…`.

/// Wire types.
const VARINT: u32 = 0;
const I64: u32 = 1;
const LEN: u32 = 2;
const I32: u32 = 5;

/// Tags of the fields in an attribute: its key, and its value where that is a text; its value as a whole.
const TEXT: u8 = (1 << 3 | LEN) as u8;
const VALUE: u8 = (2 << 3 | LEN) as u8;

/// Writes after what is in the bytes.
#[derive(Debug)]
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    /// A message, whose fields `content` writes.
    pub(super) fn message(&mut self, field: u32, content: impl FnOnce(&mut Self)) {
        // Its length is known only afterwards. Most messages need one byte for that; the others are moved.
        self.field(field, LEN, 0);
        let start = self.0.len();
        content(self);
        let length = self.0.len() - start;
        match u8::try_from(length) {
            Ok(length @ ..0x80) => self.0[start - 1] = length,
            _ => self.lengthen(start, length),
        }
    }

    /// As `message`, for one whose length most likely takes two bytes: 128 to 16,383.
    pub(super) fn long_message(&mut self, field: u32, content: impl FnOnce(&mut Self)) {
        self.field(field, LEN, 0);
        self.0.push(0);
        let start = self.0.len();
        content(self);
        let length = self.0.len() - start;
        if (1 << 7..1 << 14).contains(&length) {
            self.0[start - 2] = length as u8 | 0x80;
            self.0[start - 1] = (length >> 7) as u8;
        } else {
            self.0.remove(start - 1);
            self.lengthen(start - 1, length);
        }
    }

    /// Puts the length before what begins at `start`, in place of the one byte there.
    fn lengthen(&mut self, start: usize, length: usize) {
        // Written at the end at first, which also makes room for what has to move.
        let end = self.0.len();
        self.varint(length as u64);
        let size = self.0.len() - end;
        let mut prefix = [0; 10];
        prefix[..size].copy_from_slice(&self.0[end..]);
        self.0.pop();
        self.0.copy_within(start..end, start - 1 + size);
        self.0[start - 1..][..size].copy_from_slice(&prefix[..size]);
    }

    /// An attribute whose value is a text: the message { 1: key, 2: { 1: value } }. Its lengths are known beforehand, so
    /// it is written in four pieces; false: nothing is, since one of them takes more than a byte.
    pub(super) fn short_entry(&mut self, field: u32, key: &[u8], value: &[u8]) -> bool {
        let (key_length, value_length) = (key.len() as u8, value.len() as u8);
        let is_short = field < 16 && !key.is_empty() && key.len() + value.len() + 6 < 0x80;
        if is_short {
            let tag = (field << 3 | LEN) as u8;
            self.raw(&[tag, key_length + value_length + 6, TEXT, key_length]);
            self.raw(key);
            self.raw(&[VALUE, value_length + 2, TEXT, value_length]);
            self.raw(value);
        }
        is_short
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.always_bytes(field, bytes);
        }
    }

    pub(super) fn always_bytes(&mut self, field: u32, bytes: &[u8]) {
        self.field(field, LEN, bytes.len() as u64);
        self.raw(bytes);
    }

    pub(super) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.always_number(field, number);
        }
    }

    pub(super) fn always_number(&mut self, field: u32, number: u64) {
        self.field(field, VARINT, number);
    }

    pub(super) fn fixed64(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.always_fixed64(field, number);
        }
    }

    pub(super) fn always_fixed64(&mut self, field: u32, number: u64) {
        self.tag(field, I64);
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn fixed32(&mut self, field: u32, number: u32) {
        if number != 0 {
            self.tag(field, I32);
            self.raw(&number.to_le_bytes());
        }
    }

    /// Fields that are encoded already.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A tag and the number after it; most take a byte each.
    #[inline]
    fn field(&mut self, field: u32, wire_type: u32, number: u64) {
        match (u8::try_from(field << 3 | wire_type), u8::try_from(number)) {
            (Ok(tag @ ..0x80), Ok(number @ ..0x80)) => self.raw(&[tag, number]),
            _ => {
                self.tag(field, wire_type);
                self.varint(number);
            }
        }
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint((field << 3 | wire_type).into());
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
