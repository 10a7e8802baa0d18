//! `OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs, percent-encoded, separated by commas
//! ([specification](https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable)).

use crate::reader::Reader;

/// The pairs; none at all when one of them is malformed, as the specification wants.
pub(crate) fn attributes(reader: &mut Reader<'_>) -> Vec<(String, String)> {
    reader
        .parsed(
            "OTEL_RESOURCE_ATTRIBUTES",
            "key=value pairs separated by commas, special characters percent-encoded",
            "no pair of this list",
            pairs,
        )
        .unwrap_or_default()
}

/// Splits a list of `key=value` and decodes both sides. None when it is malformed: no `=`, an empty key, a `%` without
/// two hexadecimal digits, or bytes that are no UTF-8.
pub(crate) fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    list.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = decoded(key.trim())?;
            (!key.is_empty()).then_some((key, decoded(value.trim())?))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let well_formed = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !well_formed {
        return None;
    }
    let text = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()?;
    Some(text.into_owned())
}
