//! Names that the formats allow, and label sets as text: `a="1",b="2"`, sorted by name.
//!
//! OpenTelemetry allows any attribute key and the formats do not. A parser that meets one invalid name rejects the whole
//! scrape. A label set as text also serves as the key of its series.

use std::borrow::Cow;

/// Prefix of the labels that `opentelemetry-prometheus` adds to every series: the instrument's scope.
const SCOPE: &str = "otel_scope_";

/// A label's name, which the formats allow, and its unescaped value.
pub(crate) type Label<'a> = (Cow<'a, str>, &'a str);

/// Returns a `metricname` of the grammar: `[a-zA-Z_:][a-zA-Z0-9_:]*`. It is empty if `name` is.
pub(crate) fn family_name(name: &str) -> Cow<'_, str> {
    let name = replace_unless(name, |character| {
        character.is_ascii_alphanumeric() || matches!(character, '_' | ':')
    });
    match name.bytes().next() {
        Some(b'0'..=b'9') => Cow::Owned(format!("_{name}")),
        _ => name,
    }
}

/// Returns a `label-name` of the grammar: `[a-zA-Z][a-zA-Z0-9_]*`. A leading `_` is reserved.
pub(crate) fn label_name(name: &str) -> Cow<'_, str> {
    let name = replace_unless(name, |character| {
        character.is_ascii_alphanumeric() || character == '_'
    });
    match name.bytes().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        Some(b'_') => Cow::Owned(format!("key{name}")),
        _ => Cow::Owned(format!("key_{name}")),
    }
}

/// As [`label_name`], for a histogram, where `le` is the bound of a bucket.
pub(crate) fn histogram_label_name(name: &str) -> Cow<'_, str> {
    match label_name(name) {
        name if name == "le" => Cow::Borrowed("exported_le"),
        name => name,
    }
}

/// Returns the labels of a histogram's series without those of its scope, which the instrumentation does not know.
pub(crate) fn measured<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut labels: Vec<Label<'_>> = labels
        .map(|(name, value)| (histogram_label_name(name), value))
        .filter(|(name, _)| !name.starts_with(SCOPE))
        .collect();
    let mut text = String::new();
    write_labels(&mut text, &mut labels);
    text
}

/// Appends `labels`, sorted, without braces. Labels of the same name become one, with their values joined by `;`.
pub(crate) fn write_labels(out: &mut String, labels: &mut [Label<'_>]) {
    labels.sort_unstable();
    let mut previous = None;
    for (name, value) in labels.iter() {
        if previous == Some(name) {
            out.push(';');
        } else {
            let end = if previous.is_some() { "\"," } else { "" };
            out.extend([end, &**name, "=\""]);
        }
        write_escaped(out, value, true);
        previous = Some(name);
    }
    if previous.is_some() {
        out.push('"');
    }
}

/// Appends `text` with `\` and line feeds escaped, and with `quotes` also `"`. The formats escape quotes in label values;
/// in help texts only OpenMetrics does.
pub(crate) fn write_escaped(out: &mut String, text: &str, quotes: bool) {
    let special = |byte| matches!(byte, b'\\' | b'\n') || quotes && byte == b'"';
    let mut rest = text;
    while let Some(at) = rest.bytes().position(special) {
        let (clean, from) = rest.split_at(at);
        let escaped = if from.starts_with('\n') {
            "n"
        } else {
            &from[..1]
        };
        out.extend([clean, "\\", escaped]);
        rest = &from[1..];
    }
    out.push_str(rest);
}

fn replace_unless(name: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if name.chars().all(&allowed) {
        return Cow::Borrowed(name);
    }
    let replace = |character| if allowed(character) { character } else { '_' };
    Cow::Owned(name.chars().map(replace).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(labels: &[(&str, &str)]) -> String {
        let mut labels: Vec<Label> = labels
            .iter()
            .map(|&(name, value)| (label_name(name), value))
            .collect();
        let mut out = String::new();
        write_labels(&mut out, &mut labels);
        out
    }

    #[test]
    fn family_names_follow_the_grammar() {
        let cases = [
            ("request_count_total", "request_count_total"),
            ("a:b", "a:b"),
            ("_x", "_x"),
            ("2xx", "_2xx"),
            ("größe.in-m", "gr__e_in_m"),
            ("", ""),
        ];
        for (name, exposed) in cases {
            assert_eq!(family_name(name), exposed);
        }
    }

    #[test]
    fn label_names_follow_the_grammar() {
        let cases = [
            ("remoteAddr", "remoteAddr"),
            ("a:b", "a_b"),
            ("http.route", "http_route"),
            ("_x", "key_x"),
            ("__name__", "key__name__"),
            ("2xx", "key_2xx"),
            ("é", "key_"),
            ("", "key_"),
            ("le", "le"),
        ];
        for (name, exposed) in cases {
            assert_eq!(label_name(name), exposed);
        }
        assert_eq!(histogram_label_name("le"), "exported_le");
        assert_eq!(histogram_label_name("level"), "level");
    }

    #[test]
    fn labels_are_sorted_and_those_of_one_name_joined() {
        assert_eq!(written(&[]), "");
        assert_eq!(written(&[("b", "2"), ("a", "1")]), r#"a="1",b="2""#);
        assert_eq!(
            written(&[("x.y", "2"), ("a", ""), ("x_y", "1"), ("z", "\"")]),
            r#"a="",x_y="1;2",z="\"""#
        );
    }

    #[test]
    fn line_feeds_backslashes_and_quotes_are_escaped() {
        for (quotes, escaped) in [(true, r#"a\\n\n\"é"#), (false, r#"a\\n\n"é"#)] {
            let mut out = String::new();
            write_escaped(&mut out, "a\\n\n\"é", quotes);
            assert_eq!(out, escaped);
        }
    }

    fn unescaped(text: &str) -> String {
        let mut characters = text.chars();
        std::iter::from_fn(|| match characters.next()? {
            '\\' => match characters.next()? {
                'n' => Some('\n'),
                character => Some(character),
            },
            character => Some(character),
        })
        .collect()
    }

    proptest! {
        #[test]
        fn every_label_value_reads_back(value in any::<String>()) {
            let text = written(&[("a", &value)]);
            let quoted = text.strip_prefix("a=\"").and_then(|text| text.strip_suffix('"')).unwrap();
            prop_assert!(!quoted.contains('\n'));
            prop_assert!(!quoted.replace("\\\\", "").replace("\\\"", "").contains('"'));
            prop_assert_eq!(unescaped(quoted), value);
        }

        #[test]
        fn every_name_becomes_one_that_the_grammar_allows(name in any::<String>()) {
            let label = label_name(&name);
            prop_assert!(label.starts_with(|first: char| first.is_ascii_alphabetic()));
            prop_assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            prop_assert_eq!(label_name(&label), label.clone(), "already exposable");
            let family = family_name(&name);
            prop_assert!(!family.starts_with(|first: char| first.is_ascii_digit()));
            prop_assert!(family.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'));
            prop_assert_eq!(family_name(&family), family.clone(), "already exposable");
        }
    }
}
