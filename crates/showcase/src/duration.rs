//! A duration for people: three digits and a unit.

use std::time::Duration;

/// For example `840 ns`, `41.2 µs`, `4.12 ms`, `59.9 s`, `4 m 12 s`, `7 h 30 m`: at most 9 columns.
pub(crate) fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos < 1_000 {
        return format!("{nanos} ns");
    }
    for (unit, name) in [(1e3, "µs"), (1e6, "ms"), (1e9, "s")] {
        let number = nanos as f64 / unit;
        // Where rounding would make it 1000, the next unit says it better.
        if number < 9.995 {
            return format!("{number:.2} {name}");
        } else if number < 99.95 && (name != "s" || number < 59.95) {
            return format!("{number:.1} {name}");
        } else if number < 999.5 && name != "s" {
            return format!("{number:.0} {name}");
        }
    }
    let seconds = (nanos + 500_000_000) / 1_000_000_000;
    match (seconds / 60, seconds / 3_600) {
        (minutes, 0) => format!("{minutes} m {} s", seconds % 60),
        (minutes, hours @ 1..100) => format!("{hours} h {} m", minutes % 60),
        (_, hours) => format!("{hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_three_digits_and_a_unit() {
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (41_249, "41.2 µs"),
            (412_499, "412 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (4_120_000, "4.12 ms"),
            (9_995_000, "10.0 ms"),
            (99_950_000, "100 ms"),
            (999_500_000, "1.00 s"),
            (59_940_000_000, "59.9 s"),
            (59_950_000_000, "1 m 0 s"),
            (252_400_000_000, "4 m 12 s"),
            (3_599_400_000_000, "59 m 59 s"),
            (3_600_000_000_000, "1 h 0 m"),
            (27_000_000_000_000, "7 h 30 m"),
            (u64::MAX, "5124095 h"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text, "{nanos} ns");
        }
    }

    #[test]
    fn no_duration_is_wider_than_its_column() {
        for nanos in (0..64)
            .flat_map(|power| [(1 << power) - 1, 1 << power])
            .chain((0..20).map(|power| 10u64.pow(power) - 1))
        {
            assert!(
                duration(Duration::from_nanos(nanos)).chars().count() <= 9,
                "{nanos}"
            );
        }
    }
}
