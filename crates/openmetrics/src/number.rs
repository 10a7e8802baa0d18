//! Numbers as the formats spell them.
//!
//! Rust prints `inf`, which a parser rejects, and no exponent for an integral `f64`. A bound that is `1` in one scrape and
//! `1.0` in the next is two series.

use std::fmt::Write;

use crate::negotiation::Format;

/// 2^53. An `f64` holds every integer below it exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes a sample's value: an integer without a fraction, any other number with the fewest digits that read back to it.
pub(crate) fn write_value(out: &mut String, value: f64) {
    // Writing to a string does not fail, here and below.
    let _ = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value.fract() == 0.0 && value.abs() < EXACT {
        write!(out, "{}", value as i64)
    } else {
        write!(out, "{value:?}")
    };
}

/// Writes a finite bound, for `le`.
///
/// OpenMetrics 1.0, "Canonical Numbers": Go's `%g`, with a `.0` if there is neither a point nor an exponent. The text
/// format has no such `.0`.
pub(crate) fn write_bound(out: &mut String, bound: f64, format: Format) {
    let plain = bound == 0.0 || (1e-4..1e6).contains(&bound.abs());
    let _ = match (plain, format) {
        (true, Format::OpenMetrics) => write!(out, "{bound:?}"),
        (true, Format::Text) => write!(out, "{bound}"),
        (false, _) => {
            let text = format!("{bound:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            write!(out, "{digits}e{exponent:+03}")
        }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(number: f64) -> String {
        let mut out = String::new();
        write_value(&mut out, number);
        out
    }

    fn bound(number: f64, format: Format) -> String {
        let mut out = String::new();
        write_bound(&mut out, number, format);
        out
    }

    #[test]
    fn values_are_written_as_the_formats_spell_them() {
        let cases = [
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (0.0, "0"),
            (-0.0, "0"),
            (42.0, "42"),
            (-7.0, "-7"),
            (0.1, "0.1"),
            (1_700_000_000.125, "1700000000.125"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
            (1e300, "1e300"),
            (-2.5e-9, "-2.5e-9"),
        ];
        for (number, text) in cases {
            assert_eq!(value(number), text);
        }
    }

    #[test]
    fn bounds_are_canonical_numbers() {
        // The examples of the specification.
        let canonical = "0.0 0.001 0.002 0.01 0.1 0.9 0.95 0.99 0.999 1.0 1.7 10.0 1e-10 1e-09 1e-05 0.0001 \
             100000.0 1e+06 1e+10 1e+23 1.1e+23 -1.0 1.048576e+06 999999.5";
        for text in canonical.split_whitespace() {
            let number = text.parse().unwrap();
            assert_eq!(bound(number, Format::OpenMetrics), text);
            assert_eq!(bound(number, Format::Text), text.trim_end_matches(".0"));
        }
    }

    proptest! {
        #[test]
        fn every_value_reads_back(number in any::<f64>()) {
            prop_assert_eq!(value(number).parse::<f64>().unwrap(), number);
        }

        #[test]
        fn every_bound_reads_back(number in any::<f64>()) {
            prop_assert_eq!(bound(number, Format::OpenMetrics).parse::<f64>().unwrap(), number);
            prop_assert_eq!(bound(number, Format::Text).parse::<f64>().unwrap(), number);
        }
    }
}
