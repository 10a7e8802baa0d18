//! `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`: the HTTP methods that keep their name in spans and metrics. Others are `_OTHER`.

use crate::reader::Reader;

const NAME: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

/// The limit of the instrumentation: each method is a series for each route and status.
const LIMIT: usize = 64;

/// None: the default of the conventions. Else the whole list, case-sensitive.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let value = reader.text(NAME)?;
    let words = value.split(',').map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    let (mut methods, others): (Vec<_>, Vec<_>) =
        words.map(str::to_owned).partition(|word| is_method(word));
    let is_long = methods.len() > LIMIT;
    methods.truncate(LIMIT);
    let used = match methods.len() {
        0 => "the methods of RFC 9110, PATCH and QUERY",
        LIMIT if is_long => "the first 64",
        _ => "the rest of the list",
    };
    if is_long || !others.is_empty() || methods.is_empty() {
        reader.warn(format!(
            "{NAME} is {value:?}; wanted: at most 64 HTTP methods, separated by commas; used instead: {used}"
        ));
    }
    (!methods.is_empty()).then_some(methods)
}

/// RFC 9110, 5.6.2: a method is a token.
fn is_method(word: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    word.bytes().all(is_token)
}
