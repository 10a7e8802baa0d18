//! A request with one field broken, whatever it means.

use prost::encoding::{decode_varint, encode_varint};
use serde_json::Value;

/// How a field is broken.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is not there.
    Gone,
    /// It is there twice.
    Twice,
    /// It says that it is something else: a wire type.
    Type(u8),
    /// It is another field.
    Number(u8),
    /// It holds other bytes.
    Bytes(Vec<u8>),
    /// It says that it is longer or shorter than it is.
    Length(u64),
}

/// `message` with its field `place` broken, counted through all messages within it.
pub(crate) fn protobuf(message: &[u8], place: usize, fault: &Fault) -> Vec<u8> {
    let mut place = place % fields(message).unwrap();
    rebuilt(message, &mut |field| {
        let hit = place == 0;
        place = place.wrapping_sub(1);
        hit.then(|| field.broken(fault))
    })
    .unwrap()
}

/// How many fields it has, those of messages within it too; none if it is no message.
fn fields(message: &[u8]) -> Option<usize> {
    let mut fields = 0;
    rebuilt(message, &mut |_| {
        fields += 1;
        None
    })?;
    Some(fields)
}

struct Field<'a> {
    key: u64,
    content: &'a [u8],
}

impl Field<'_> {
    fn is_long(&self) -> bool {
        self.key & 7 == 2
    }

    fn write(&self, content: &[u8]) -> Vec<u8> {
        let mut field = Vec::new();
        encode_varint(self.key, &mut field);
        if self.is_long() {
            encode_varint(content.len() as u64, &mut field);
        }
        [&field, content].concat()
    }

    fn broken(&self, fault: &Fault) -> Vec<u8> {
        let same = self.write(self.content);
        let with_key = |key| Field { key, ..*self }.write(self.content);
        match fault {
            Fault::Gone => Vec::new(),
            Fault::Twice => same.repeat(2),
            Fault::Type(wire_type) => with_key(self.key & !7 | u64::from(wire_type & 7)),
            Fault::Number(number) => with_key(u64::from(*number) << 3 | self.key & 7),
            Fault::Bytes(bytes) => self.write(bytes),
            Fault::Length(length) => {
                let mut field = Vec::new();
                encode_varint(self.key & !7 | 2, &mut field);
                encode_varint(*length, &mut field);
                [&field, self.content].concat()
            }
        }
    }
}

/// `message` with what `change` gives in the place of a field; messages within it are gone through as well.
fn rebuilt(
    mut message: &[u8],
    change: &mut dyn FnMut(&Field<'_>) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while !message.is_empty() {
        let key = decode_varint(&mut message).ok()?;
        let mut rest = message;
        let length = match key & 7 {
            0 => {
                decode_varint(&mut rest).ok()?;
                message.len() - rest.len()
            }
            1 => 8,
            2 => {
                let length = decode_varint(&mut message).ok()?;
                usize::try_from(length).ok()?
            }
            5 => 4,
            _ => return None,
        };
        let (content, after) = message.split_at_checked(length)?;
        message = after;
        let field = Field { key, content };
        let changed = change(&field).unwrap_or_else(|| {
            let is_message = field.is_long() && rebuilt(content, &mut |_| None).is_some();
            let inner = is_message.then(|| rebuilt(content, change)).flatten();
            field.write(inner.as_deref().unwrap_or(content))
        });
        all.extend(changed);
    }
    Some(all)
}

/// `document` with its value `place` replaced, counted through all lists and objects.
pub(crate) fn json(document: &str, place: usize, value: &Value) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap();
    let mut values = 0;
    visit(&mut document, &mut |_| values += 1);
    let mut place = place % values;
    visit(&mut document, &mut |found| {
        if place == 0 {
            *found = value.clone();
        }
        place = place.wrapping_sub(1);
    });
    document.to_string()
}

fn visit(value: &mut Value, seen: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, seen)),
        Value::Object(fields) => fields.values_mut().for_each(|field| visit(field, seen)),
        _ => {}
    }
    seen(value);
}

#[test]
fn each_field_is_found_and_broken() {
    let request = prost::Message::encode_to_vec(&crate::sample::full_protobuf());
    let all = fields(&request).unwrap();
    assert!(all > 100, "{all}");
    let gone: std::collections::BTreeSet<_> = (0..all)
        .map(|place| protobuf(&request, place, &Fault::Gone))
        .collect();
    assert!(gone.iter().all(|broken| broken.len() < request.len()));
    assert!(gone.len() > all * 9 / 10, "{} of {all}", gone.len());
}
