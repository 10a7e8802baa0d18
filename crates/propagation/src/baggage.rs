//! The header `baggage`, by [W3C Baggage](https://www.w3.org/TR/baggage/): names and values that travel with a request from
//! service to service, such as a customer's id. Any service on the way can read and change them.
//!
//! | section | rule | test |
//! | --- | --- | --- |
//! | 3, 3.3.2 | several lines are one list | `several_lines_are_one_list` |
//! | 3.3.1 | grammar of members, white space around their parts | `members_are_read_by_their_grammar_alone` |
//! | 3.3.1.1, 3.5 | one member for each key is sent; the last one received wins | `last_of_duplicate_keys_wins` |
//! | 3.3.1.2 | a key is a token, never percent-encoded | `members_are_read_by_their_grammar_alone` |
//! | 3.3.1.3 | values are UTF-8; only octets that must be percent-encoded are | `values_are_percent_encoded_where_they_must_be_and_only_there` |
//! | 3.3.1.3 | octets that are not UTF-8 become U+FFFD | `octets_that_are_no_utf_8_become_the_replacement_character` |
//! | 3.3.1.4 | properties are sent as they were received | `properties_travel_as_they_came` |
//! | 3.3.2 | 64 members and 8,192 bytes are passed on | `limits_of_64_members_and_8192_bytes_are_used_to_the_full` |
//! | 3.3.2 | members beyond these limits are dropped whole | `members_beyond_the_limits_are_dropped_whole` |
//! | 3.5 | a malformed member is removed, the others stay | `member_out_of_format_is_removed_and_the_others_stay` |

mod recent;

use std::borrow::Cow;

use opentelemetry::{
    Context,
    baggage::{Baggage, BaggageExt},
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

const BAGGAGE: &str = "baggage";

/// 3.3.2: longest header in bytes that is sent. The API's `Baggage` limits what is kept of a received one: 64 members and
/// the same number of bytes.
const MAX_BYTES: usize = 8192;

/// 3.3.1.3: octets that must be percent-encoded: `%` itself, and all that are not a `baggage-octet`, which are these and
/// those outside of ASCII. Encoding more of them could make a received header too long to be passed on.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b',')
    .add(b';')
    .add(b'\\')
    .add(b'%');

/// Reads and writes `baggage`, by [W3C Baggage](https://www.w3.org/TR/baggage/).
///
/// Extraction replaces the context's baggage. If the header has no valid member, it returns the context unchanged.
///
/// Injection writes the members that fit into 8,192 bytes, and no header if there are none. It leaves out a member whose
/// metadata is not a list of properties.
#[derive(Debug)]
pub struct BaggagePropagator {
    fields: [String; 1],
}

impl Default for BaggagePropagator {
    fn default() -> Self {
        Self {
            fields: [BAGGAGE.to_owned()],
        }
    }
}

impl TextMapPropagator for BaggagePropagator {
    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let Some(lines) = extractor.get_all(BAGGAGE) else {
            return cx.clone();
        };
        match lines[..] {
            [line] => recent::with_baggage(cx, line, || with_members(cx, &lines)),
            _ => with_members(cx, &lines),
        }
    }

    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let mut header = String::new();
        for (key, (value, metadata)) in cx.baggage() {
            let (key, value, metadata) = (key.as_str(), value.as_str(), metadata.as_str());
            let end = header.len();
            if write_member(&mut header, key, value, metadata).is_none() {
                header.truncate(end); // 3.3.2: never send a part of a member
            }
        }
        if !header.is_empty() {
            injector.set(BAGGAGE, header);
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

/// Returns the context with the members of the list that the lines are together (3.3.2), or as it is if there are none.
fn with_members(cx: &Context, lines: &[&str]) -> Context {
    let mut baggage = Baggage::new();
    let members = lines
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    for (key, value, properties) in members.filter_map(parse_member) {
        baggage.insert_with_metadata(key.to_owned(), value.into_owned(), properties);
    }
    if baggage.is_empty() {
        cx.clone()
    } else {
        cx.with_baggage(baggage)
    }
}

/// Parses a `list-member` (3.3.1) into its key, decoded value and properties. Returns `None` for a malformed member, which is
/// to be removed (3.5).
///
/// It works on bytes, because these texts are so short that setting up a search in a `str` costs more than the search.
fn parse_member(member: &[u8]) -> Option<(&str, Cow<'_, str>, String)> {
    let (pair, properties) = match divide(member, b';') {
        Some((pair, properties)) => (pair, parse_properties(properties)?),
        None => (member, String::new()),
    };
    // 3.3.1.3: a value may contain `=`, a key may not.
    let (key, value) = divide(pair, b'=')?;
    let (key, value) = (trim(key), trim(value));
    if !is_token(key) || !is_octets(value) || !is_percent_encoded(value) {
        return None;
    }
    // 3.3.1.3: octets that are not UTF-8 become U+FFFD.
    let value = percent_decode(value).decode_utf8_lossy();
    Some((str::from_utf8(key).ok()?, value, properties))
}

/// Returns the text before and after the first `at`.
fn divide(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Returns `property *( OWS ";" OWS property )` (3.3.1.4) without white space. Properties are opaque, so they stay encoded.
fn parse_properties(text: &[u8]) -> Option<String> {
    let mut properties = String::with_capacity(text.len());
    for property in text.split(|byte| *byte == b';') {
        let (key, value) = match divide(property, b'=') {
            Some((key, value)) => (trim(key), Some(trim(value))),
            None => (trim(property), None),
        };
        if !is_token(key) || !value.is_none_or(is_octets) {
            return None;
        }
        let separator = if properties.is_empty() { "" } else { ";" };
        properties.extend([separator, str::from_utf8(key).ok()?]);
        if let Some(value) = value {
            properties.extend(["=", str::from_utf8(value).ok()?]);
        }
    }
    Some(properties)
}

/// Appends a member. Returns `None` if it must not be sent: it is too long, or its metadata, which code may set to any
/// string, even one with a line break, is not a list of properties.
fn write_member(header: &mut String, key: &str, value: &str, metadata: &str) -> Option<()> {
    header.extend([if header.is_empty() { "" } else { "," }, key, "="]);
    header.extend(utf8_percent_encode(value, ENCODED));
    if !metadata.is_empty() {
        header.extend([";", &parse_properties(metadata.as_bytes())?]);
    }
    (header.len() <= MAX_BYTES).then_some(())
}

/// Whether the text is a `token` (RFC 7230 3.2.6).
fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| match byte {
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' => true,
        b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => true,
        other => other.is_ascii_alphanumeric(),
    };
    !text.is_empty() && text.iter().all(is_tchar)
}

/// Whether the text is `*baggage-octet` (3.3.1).
fn is_octets(text: &[u8]) -> bool {
    let is_octet =
        |byte: &u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
    text.iter().all(is_octet)
}

/// Whether each `%` begins a `"%" HEXDIG HEXDIG` (RFC 3986 2.1). By 3.3.1.3 none stands for itself.
fn is_percent_encoded(value: &[u8]) -> bool {
    let is_octet =
        |rest: &[u8]| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    value.split(|byte| *byte == b'%').skip(1).all(is_octet)
}

/// Removes `OWS` (RFC 7230 3.2.3) from both ends.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests;
