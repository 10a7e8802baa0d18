//! A classic histogram: cumulative counts by upper bound.

use std::collections::BTreeMap;

/// Observations, by bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    /// Cumulative counts. Upper bounds are not negative, so that their bits are in their order.
    buckets: BTreeMap<u64, f64>,
}

impl Histogram {
    /// Adds observations that are not above the bound.
    pub(crate) fn add(&mut self, bound: f64, count: f64) {
        if bound >= 0.0 && count >= 0.0 {
            *self.buckets.entry((bound + 0.0).to_bits()).or_default() += count;
        }
    }

    /// All observations.
    pub(crate) fn count(&self) -> f64 {
        self.buckets
            .last_key_value()
            .map_or(0.0, |(_, count)| *count)
    }

    /// Adds all observations of another one.
    pub(crate) fn join(&mut self, other: &Self) {
        for (bound, count) in &other.buckets {
            *self.buckets.entry(*bound).or_default() += count;
        }
    }

    /// The upper bound of the lowest bucket, below which nothing is told apart.
    pub(crate) fn lowest(&self) -> Option<f64> {
        let lowest = self.buckets.keys().map(|bound| f64::from_bits(*bound));
        lowest
            .take(1)
            .find(|bound| *bound > 0.0 && bound.is_finite())
    }

    /// What has come since `before`; everything, if that holds more, since the counts then began anew.
    pub(crate) fn since(&self, before: &Self) -> Self {
        if before.count() > self.count() {
            return self.clone();
        }
        let since = self.buckets.iter().map(|(bound, count)| {
            let before = before.buckets.get(bound).copied().unwrap_or(0.0);
            (*bound, (count - before).max(0.0))
        });
        Self {
            buckets: since.collect(),
        }
    }

    /// The quantile `q`, 0 to 1, as Prometheus' `histogram_quantile` estimates it: by linear interpolation within its
    /// bucket, from 0 in the lowest; in the highest it is the greatest finite bound. None without observations, or
    /// without a bucket that holds them all.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let mut most = 0.0_f64;
        let buckets = self.buckets.iter().map(|(bound, count)| {
            most = most.max(*count); // counts of one scrape can have been read at different moments
            (f64::from_bits(*bound), most)
        });
        let buckets: Vec<_> = buckets.collect();
        let [finite @ .., (infinity, all)] = buckets.as_slice() else {
            return None;
        };
        if *infinity != f64::INFINITY || *all <= 0.0 {
            return None;
        }
        let highest = finite.last()?.0;
        let rank = q * all;
        let place = finite.partition_point(|(_, count)| *count < rank);
        let Some((end, count)) = finite.get(place) else {
            return Some(highest);
        };
        let (start, below) = match place {
            0 if *end <= 0.0 => return Some(*end),
            0 => (0.0, 0.0),
            place => finite[place - 1],
        };
        Some(start + (end - start) * ((rank - below) / (count - below)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn histogram(buckets: &[(f64, f64)]) -> Histogram {
        let mut histogram = Histogram::default();
        buckets
            .iter()
            .for_each(|(bound, count)| histogram.add(*bound, *count));
        histogram
    }

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        // 10 up to 0.1, 60 up to 0.5, 90 up to 1, 100 in all.
        let histogram = histogram(&[(0.5, 60.0), (0.1, 10.0), (INF, 100.0), (1.0, 90.0)]);
        for (q, expected) in [
            (0.0, 0.0),
            (0.05, 0.05), // 5 of the 10 from 0 to 0.1
            (0.1, 0.1),
            (0.5, 0.1 + 0.4 * 0.8), // 40 of the 50 from 0.1 to 0.5
            (0.75, 0.5 + 0.5 * 0.5),
            (0.9, 1.0),
            (0.95, 1.0), // above the greatest finite bound
            (1.0, 1.0),
        ] {
            let found = histogram.quantile(q).unwrap();
            assert!(
                (found - expected).abs() < 1e-12,
                "{q}: {found}, not {expected}"
            );
        }
    }

    #[test]
    fn quantile_of_nothing_or_without_the_last_bucket_is_none() {
        for buckets in [
            &[][..],
            &[(1.0, 0.0), (INF, 0.0)],
            &[(1.0, 5.0)],
            &[(1.0, 5.0), (2.0, 6.0)],
            &[(INF, 5.0)],
        ] {
            assert_eq!(histogram(buckets).quantile(0.5), None, "{buckets:?}");
        }
        let nothing_is_negative =
            histogram(&[(-1.0, 9.0), (f64::NAN, 9.0), (0.0, 4.0), (INF, 4.0)]);
        assert_eq!(nothing_is_negative.quantile(0.5), Some(0.0));
    }

    #[test]
    fn counts_that_fall_with_the_bound_are_taken_for_equal() {
        let fallen = histogram(&[(1.0, 10.0), (2.0, 8.0), (INF, 10.0)]);
        assert_eq!(fallen.quantile(0.5), Some(0.5));
    }

    #[test]
    fn counts_that_began_anew_are_all_new() {
        let before = histogram(&[(1.0, 3.0), (INF, 4.0)]);
        let after = histogram(&[(1.0, 5.0), (INF, 7.0)]);
        assert_eq!(after.since(&before), histogram(&[(1.0, 2.0), (INF, 3.0)]));
        assert_eq!(before.since(&after), before);
        assert_eq!(after.since(&Histogram::default()), after);
    }
}
