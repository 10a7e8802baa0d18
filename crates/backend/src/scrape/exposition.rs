//! Prometheus' text format 0.0.4 and OpenMetrics 1.0, read by the line.
//!
//! Of the crates that read either, none takes every label value that the formats allow (`/items/{id}`, `a=b,c`) together
//! with exemplars.

use std::str::FromStr;

/// A sample's line.
#[derive(Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: Labels<'a>,
    pub(crate) value: f64,
    pub(crate) exemplar: Option<Exemplar<'a>>,
}

/// What OpenMetrics has behind the sample that it is an example of.
#[derive(Debug, PartialEq)]
pub(crate) struct Exemplar<'a> {
    pub(crate) labels: Labels<'a>,
    pub(crate) value: f64,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) timestamp: Option<f64>,
}

/// A name and a value.
pub(crate) type Label<'a> = (&'a str, String);

/// In the order given.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Labels<'a>(pub(crate) Vec<Label<'a>>);

impl Labels<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut labels = self.0.iter();
        labels.find_map(|(other, value)| (*other == name).then_some(value.as_str()))
    }
}

/// A line that says something: of a family what it is, or a sample.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    Type(&'a str, &'a str),
    Unit(&'a str, &'a str),
    Help(&'a str, String),
    Sample(Sample<'a>),
}

/// The lines of an exposition. Those that say nothing, comments among them, are left out.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines()
        .filter_map(|line| metadata(line).or_else(|| sample(line).map(Line::Sample)))
}

/// The samples of an exposition.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

/// `# TYPE name kind` and the like.
fn metadata(line: &str) -> Option<Line<'_>> {
    let mut words = line.strip_prefix("# ")?.splitn(3, ' ');
    let (what, family, rest) = (words.next()?, words.next()?, words.next()?);
    match what {
        "TYPE" => Some(Line::Type(family, rest.trim())),
        "UNIT" => Some(Line::Unit(family, rest.trim())),
        "HELP" => Some(Line::Help(family, unescape(rest))),
        _ => None,
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let end = line.find(['{', ' ', '\t', '#'])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = labels(rest.trim_start())?;
    let (value, rest) = word::<f64>(rest)?;
    let (_timestamp, rest) =
        word::<f64>(rest).map_or((None, rest), |(word, rest)| (Some(word), rest));
    (!name.is_empty()).then_some(Sample {
        name,
        labels,
        value,
        exemplar: rest.trim_start().strip_prefix('#').and_then(exemplar),
    })
}

fn exemplar(rest: &str) -> Option<Exemplar<'_>> {
    let (labels, rest) = labels(rest.trim_start())?;
    let (value, rest) = word(rest)?;
    Some(Exemplar {
        labels,
        value,
        timestamp: word(rest).map(|(timestamp, _)| timestamp),
    })
}

/// The next word, and what follows it.
fn word<T: FromStr>(text: &str) -> Option<(T, &str)> {
    let text = text.trim_start();
    let (word, rest) = text.split_at(text.find([' ', '\t']).unwrap_or(text.len()));
    Some((word.parse().ok()?, rest))
}

/// `{name="value",…}`, if there is one, and what follows it.
fn labels(text: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else {
        return Some((Labels::default(), text));
    };
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((Labels(labels), rest));
        }
        let (name, quoted) = rest.split_once('=')?;
        let (value, after) = unquote(quoted.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim(), value));
        rest = after;
    }
}

/// The text up to the quotation mark that closes it, without escapes, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut is_escaped = false;
    let end = text.find(|char| {
        let is_end = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_end
    })?;
    Some((unescape(&text[..end]), &text[end + 1..]))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some(escaped @ ('"' | '\\'))) => plain.push(escaped),
            _ => {
                plain.push(char);
                continue;
            }
        }
        chars.next();
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(line: &str) -> Sample<'_> {
        let mut all = samples(line);
        let one = all.next().unwrap_or_else(|| panic!("no sample: {line}"));
        assert_eq!(all.next(), None);
        one
    }

    fn labels_of<'a>(labels: &[(&'a str, &str)]) -> Labels<'a> {
        let labels = labels
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Labels(labels.collect())
    }

    #[test]
    fn samples_are_read_as_both_formats_write_them() {
        for (line, name, labels, value) in [
            ("up 1", "up", &[][..], 1.0),
            ("up{} 1e3", "up", &[], 1000.0),
            (
                "  up   { a = \"b\" , }\t-0.5 1700000000000  ",
                "up",
                &[("a", "b")],
                -0.5,
            ),
            (
                "a:b_total{le=\"+Inf\"} +Inf",
                "a:b_total",
                &[("le", "+Inf")],
                f64::INFINITY,
            ),
            (
                "x{r=\"/items/{id}\",q=\"a=b,c d\"} 2",
                "x",
                &[("r", "/items/{id}"), ("q", "a=b,c d")],
                2.0,
            ),
            (
                r#"x{p="C:\\dir\n\"q\"",u="支 # {払"} 3"#,
                "x",
                &[("p", "C:\\dir\n\"q\""), ("u", "支 # {払")],
                3.0,
            ),
        ] {
            let sample = one(line);
            assert_eq!((sample.name, sample.value), (name, value), "{line}");
            assert_eq!(sample.labels, labels_of(labels), "{line}");
            assert_eq!(sample.exemplar, None, "{line}");
        }
        assert!(one("x NaN").value.is_nan());
    }

    #[test]
    fn exemplar_is_read_with_and_without_its_time() {
        for (line, timestamp) in [
            (
                r#"b{le="1.0"} 2 # {trace_id="ab",span_id="c # }d"} 0.5 1700000000.125"#,
                Some(1_700_000_000.125),
            ),
            (
                r#"b{le="1.0"} 2 1700000000.0 # {trace_id="ab",span_id="c # }d"} 0.5"#,
                None,
            ),
        ] {
            let sample = one(line);
            let exemplar = sample.exemplar.unwrap();
            assert_eq!((sample.value, exemplar.value), (2.0, 0.5));
            assert_eq!(exemplar.timestamp, timestamp);
            assert_eq!(exemplar.labels.get("span_id"), Some("c # }d"));
            assert_eq!(exemplar.labels.get("nothing"), None);
        }
        let broken = one(r#"b{le="1.0"} 2 # {trace_id="ab"} x"#);
        assert_eq!((broken.value, broken.exemplar), (2.0, None));
    }

    #[test]
    fn lines_that_are_no_samples_are_left_out() {
        let text = "# HELP up a {b=\"c\"} 1\n# TYPE up gauge\n# EOF\n\nup\nup one\nup{a=\"b} 1\nup{a} 1\n{a=\"b\"} 1\nup 1\n";
        assert_eq!(
            samples(text).map(|sample| sample.value).collect::<Vec<_>>(),
            [1.0]
        );
    }

    proptest! {
        #[test]
        fn every_label_value_comes_back(value in any::<String>()) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // The formats end lines with \n alone.
            prop_assume!(!value.contains('\r'));
            let line = format!("x{{a=\"{escaped}\",b=\"c\"}} 1");
            let sample = one(&line);
            prop_assert_eq!(sample.labels, labels_of(&[("a", &value), ("b", "c")]));
        }

        #[test]
        fn nothing_panics(text in any::<String>(), line in "[a{}\"\\\\=,# 1\n]{0,40}") {
            samples(&text).for_each(drop);
            samples(&line).for_each(drop);
        }
    }
}
