//! The format that a scrape gets, by its header `Accept` (RFC 9110, 12.5.1).
//!
//! Prometheus sends a list such as `application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,
//! text/plain;version=0.0.4;q=0.3,*/*;q=0.2`. A server that only looks for a substring in it gives OpenMetrics to a client
//! that refuses the format (`q=0`), and version 1.0.0 to one that can only read 0.0.1.

/// A format that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Type, subtype and version.
    fn media_type(self) -> [&'static str; 3] {
        match self {
            Format::Text => ["text", "plain", "0.0.4"],
            Format::OpenMetrics => ["application", "openmetrics-text", "1.0.0"],
        }
    }
}

/// How well a media range of `Accept` fits a format: how specific the range is, and its quality in thousandths. The most
/// specific range decides, so the order of the two matters.
type Fit = (u8, u16);

/// Returns the format that `accept` prefers, or text if it prefers none.
pub(crate) fn negotiate(accept: Option<&str>) -> Format {
    // At equal quality a format that is named wins over one that a wildcard lets in.
    let preference = |format| {
        let ranges = split_unquoted(accept.unwrap_or_default(), ',');
        let best = ranges.filter_map(|range| fit(range, format)).max();
        best.map_or((0, 0), |(specificity, quality)| (quality, specificity))
    };
    let openmetrics = preference(Format::OpenMetrics);
    if openmetrics.0 > 0 && openmetrics > preference(Format::Text) {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// Returns `None` if the range is about another media type, or is malformed.
fn fit(range: &str, format: Format) -> Option<Fit> {
    let mut parts = split_unquoted(range, ';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let [own_kind, own_subtype, version] = format.media_type();
    let mut specificity: u8 = match (kind, subtype) {
        ("*", "*") => 0,
        (kind, _) if !kind.eq_ignore_ascii_case(own_kind) => return None,
        (_, "*") => 1,
        (_, subtype) if subtype.eq_ignore_ascii_case(own_subtype) => 2,
        _ => return None,
    };
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=')?;
        let value = unquote(value);
        if name.eq_ignore_ascii_case("q") {
            // Parameters after `q` belong to the request, not to the media type.
            return Some((specificity, quality(value)?));
        } else if name.eq_ignore_ascii_case("version") && value == version
            || name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
        {
            specificity = specificity.saturating_add(1);
        } else if !name.eq_ignore_ascii_case("escaping") {
            // `escaping` is about names outside of ASCII, and this crate writes none.
            return None;
        }
    }
    Some((specificity, 1000))
}

/// Reads a `qvalue` (RFC 9110, 12.4.2), in thousandths.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// Splits at `separator`, but not inside of quoted strings.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character| {
        if escaped {
            escaped = false;
        } else if quoted && character == '\\' {
            escaped = true;
        } else if character == '"' {
            quoted = !quoted;
        }
        !quoted && character == separator
    })
}

fn unquote(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Format::{OpenMetrics, Text};
    use super::*;

    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,\
        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3_WITH_NATIVE_HISTOGRAMS: &str = "application/vnd.google.protobuf;\
        proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
        application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,\
        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    #[test]
    fn every_accept_gets_the_format_it_prefers() {
        let cases = [
            (None, Text),
            (Some(""), Text),
            (Some("*/*"), Text),
            (Some(PROMETHEUS_2), OpenMetrics),
            (Some(PROMETHEUS_3), OpenMetrics),
            (Some(PROMETHEUS_3_WITH_NATIVE_HISTOGRAMS), OpenMetrics),
            (Some(BROWSER), Text),
            (Some("text/plain"), Text),
            (Some("text/*"), Text),
            (Some("application/openmetrics-text"), OpenMetrics),
            (
                Some("APPLICATION/OpenMetrics-Text; Version=1.0.0; Charset=UTF-8"),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text; version=\"1.0.0\" ; q=0.1"),
                OpenMetrics,
            ),
            (Some("application/*"), OpenMetrics),
            // Versions that are not served, alone and beside one that is.
            (Some("application/openmetrics-text; version=0.0.1"), Text),
            (
                Some("application/openmetrics-text; version=2.0.0, */*;q=0.1"),
                Text,
            ),
            (
                Some("text/plain; version=1.0.0, application/openmetrics-text; q=0.1"),
                OpenMetrics,
            ),
            (Some("application/openmetrics-text; charset=latin1"), Text),
            (Some("application/openmetrics-text; profile=x"), Text),
            // Quality decides.
            (
                Some("application/openmetrics-text;q=0.4, text/plain;q=0.5"),
                Text,
            ),
            (
                Some("application/openmetrics-text;q=0.501, text/plain;q=0.5"),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;q=1.000, text/plain;q=0.999"),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;Q=0.4, text/plain;q=0.5"),
                Text,
            ),
            // At equal quality, precision, then text.
            (Some("application/openmetrics-text, text/plain"), Text),
            (Some("application/openmetrics-text, */*"), OpenMetrics),
            (
                Some("application/openmetrics-text; version=1.0.0, text/plain"),
                OpenMetrics,
            ),
            // The most precise range speaks for a format, whatever wider ones say.
            (Some("application/openmetrics-text;q=0, */*"), Text),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.1, application/openmetrics-text;q=0.9, text/plain;q=0.5",
                ),
                Text,
            ),
            (Some("text/plain;q=0, */*;q=0.1"), OpenMetrics),
            (Some("text/*;q=0.2, */*;q=0.9"), OpenMetrics),
            // Nothing is acceptable.
            (Some("application/openmetrics-text;q=0"), Text),
            (Some("*/*;q=0"), Text),
            (Some("image/png"), Text),
            // Half a media type is not that type.
            (Some("application/json"), Text),
            (Some("text/openmetrics-text"), Text),
            (
                Some("text/html, application/openmetrics-text;q=0.5"),
                OpenMetrics,
            ),
            // Not understood: as if the range were not there.
            (Some("application/openmetrics-text;q=2"), Text),
            (Some("application/openmetrics-text;q=1.001"), Text),
            (Some("application/openmetrics-text;q=0.1234"), Text),
            (Some("application/openmetrics-text;q=-1"), Text),
            (Some("application/openmetrics-text;q="), Text),
            (Some("application/openmetrics-text;q"), Text),
            (Some("openmetrics"), Text),
            (Some(",,;;,"), Text),
            // A comma or a `q` in a quoted string is not one; what follows `q` is ignored.
            (Some("text/x; a=\"b,application/openmetrics-text,\""), Text),
            (
                Some(
                    "text/x; a=\"\\\",application/openmetrics-text\", application/openmetrics-text",
                ),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;q=0.9;level=1, text/plain;q=0.5"),
                OpenMetrics,
            ),
        ];
        for (accept, format) in cases {
            assert_eq!(negotiate(accept), format, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn no_accept_panics(accept in "[ ,;=\"/*a-z0-9.\\\\é]{0,60}") {
            negotiate(Some(&accept));
        }

        #[test]
        fn quality_is_read_as_written(thousandths in 0_u16..=1000) {
            let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            prop_assert_eq!(quality(&text), Some(thousandths));
        }
    }
}
