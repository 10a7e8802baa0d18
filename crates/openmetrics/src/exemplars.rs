//! The latest exemplar of each bucket of a histogram: a value, its time, and the span that it was measured in.
//!
//! Requests write exemplars and scrapes read them. Every core writes to the same bucket of a busy route, so a writer must
//! wait neither for another writer nor for a scrape. See [`Slot`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::labels::{family_name, measured};

/// Series that have exemplars, in all: two histograms of 2,000 attribute sets, the SDK's default limit for an instrument.
/// A series takes 64 bytes a bucket, so 4,000 of 15 buckets take 4 MiB, and their labels another MiB.
const SERIES_LIMIT: usize = 4000;

/// Attempts of a reader that meets a writer. A write takes nanoseconds.
const READ_ATTEMPTS: usize = 100;

// OpenMetrics 1.0, "Exemplars": at most 128 characters of names and values.
const _: () = assert!("span_id".len() + 16 + "trace_id".len() + 32 <= 128);

/// The exemplars of one registry. Clones share them.
///
/// At most 4,000 series have exemplars. A handle for one more records nothing.
#[derive(Clone, Debug, Default)]
pub struct Exemplars(Arc<Mutex<Families>>);

#[derive(Debug, Default)]
struct Families {
    /// By the family's name, then by labels as text.
    series: HashMap<String, HashMap<String, Arc<Buckets>>>,
    count: usize,
}

/// Records the exemplars of one series. Keep it with the bound instrument of that series.
///
/// [`Default`] returns a handle that records nothing.
#[derive(Clone, Debug, Default)]
pub struct SeriesExemplars(Option<Arc<Buckets>>);

#[derive(Debug)]
struct Buckets {
    bounds: Box<[f64]>,
    slots: Box<[Slot]>,
}

/// An exemplar, as read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) value: f64,
    pub(crate) unix_millis: u64,
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
}

impl Exemplars {
    /// As [`series`](Self::series), for an OpenTelemetry instrument.
    ///
    /// `name` and `unit` are the instrument's. They give the family's name as in `opentelemetry-prometheus`:
    /// `http.server.request.duration` in `s` is `http_server_request_duration_seconds`.
    pub fn instrument(
        &self,
        name: &str,
        unit: &str,
        labels: &[(String, String)],
        bounds: &[f64],
    ) -> SeriesExemplars {
        let unit = match unit {
            "s" => "_seconds",
            "ms" => "_milliseconds",
            "us" => "_microseconds",
            "ns" => "_nanoseconds",
            "By" => "_bytes",
            _ => "",
        };
        let family = family_name(name);
        if family.ends_with(unit) {
            return self.series(&family, labels, bounds);
        }
        self.series(&format!("{family}{unit}"), labels, bounds)
    }

    /// Returns the handle of one series of a histogram. The same series has the same handle.
    ///
    /// `family` and `labels` are those of the exposition: `http_server_request_duration_seconds`, and labels such as
    /// `http_response_status_code`, in any order. An attribute's key (`http.response.status_code`) may stand for the label's
    /// name. Labels `otel_scope_*` are ignored. `bounds` are the upper bounds of the buckets, ascending and without
    /// infinity.
    ///
    /// Takes a lock and allocates, so call it once for each series, not for each request.
    pub fn series(
        &self,
        family: &str,
        labels: &[(String, String)],
        bounds: &[f64],
    ) -> SeriesExemplars {
        let family = family_name(family);
        let pairs = labels.iter();
        let labels = measured(pairs.map(|(name, value)| (name.as_str(), value.as_str())));
        let mut families = self.lock();
        let known = families.series.get(&*family);
        if let Some(buckets) = known.and_then(|series| series.get(&labels)) {
            return SeriesExemplars(Some(buckets.clone()));
        }
        if families.count == SERIES_LIMIT {
            return SeriesExemplars::default();
        }
        families.count += 1;
        let buckets = Arc::new(Buckets {
            bounds: bounds.into(),
            slots: (0..=bounds.len()).map(|_| Slot::default()).collect(),
        });
        let series = families.series.entry(family.into_owned()).or_default();
        series.insert(labels, buckets.clone());
        SeriesExemplars(Some(buckets))
    }

    /// Whether a series of the family has exemplars. `family` is the name in the exposition.
    pub(crate) fn has(&self, family: &str) -> bool {
        self.lock().series.contains_key(family)
    }

    /// Returns the exemplars of a series, in ascending order of bucket.
    pub(crate) fn latest(&self, family: &str, labels: &str) -> Vec<Exemplar> {
        let buckets = {
            let families = self.lock();
            let series = families.series.get(family);
            series.and_then(|series| series.get(labels)).cloned()
        };
        let slots = buckets.iter().flat_map(|buckets| buckets.slots.iter());
        slots.filter_map(Slot::read).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Families> {
        // No panic above leaves the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeriesExemplars {
    /// Keeps `value`, in the unit of the histogram, as measured at the time `at` in the span `span_id` of `trace_id`.
    ///
    /// The caller must know that the span is sampled: an exemplar that leads to no trace is worse than none. A value that
    /// is not finite and an id of zeros are ignored. Never waits and never allocates.
    pub fn record(&self, value: f64, at: SystemTime, trace_id: [u8; 16], span_id: [u8; 8]) {
        let Some(buckets) = &self.0 else { return };
        let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let exemplar = Exemplar {
            value,
            unix_millis: since_epoch.as_millis() as u64,
            trace_id: u128::from_be_bytes(trace_id),
            span_id: u64::from_be_bytes(span_id),
        };
        if !value.is_finite() || exemplar.trace_id == 0 || exemplar.span_id == 0 {
            return;
        }
        let bucket = buckets.bounds.partition_point(|bound| *bound < value);
        if let Some(slot) = buckets.slots.get(bucket) {
            slot.write(exemplar);
        }
    }
}

impl From<Exemplar> for [u64; 5] {
    fn from(exemplar: Exemplar) -> Self {
        let (value, trace_id) = (exemplar.value.to_bits(), exemplar.trace_id);
        let (high, low) = ((trace_id >> 64) as u64, trace_id as u64);
        [value, exemplar.unix_millis, high, low, exemplar.span_id]
    }
}

impl From<[u64; 5]> for Exemplar {
    fn from([value, unix_millis, high, low, span_id]: [u64; 5]) -> Self {
        Self {
            value: f64::from_bits(value),
            unix_millis,
            trace_id: u128::from(high) << 64 | u128::from(low),
            span_id,
        }
    }
}

/// One exemplar that many write and few read: a seqlock of atomics, without a lock and without `unsafe`.
///
/// `version` is odd while a thread writes. A writer that finds it odd, or that loses the race to make it odd, gives up:
/// the other writer's exemplar is of the same moment and as good. A reader that sees `version` change during its read
/// tries again. So a writer never waits, and a reader gets what one writer wrote. A mutex with `try_lock` would be as fast
/// between writers. But a writer would then also lose against a scrape, and a thread that is descheduled while it holds
/// the lock would make the scrape wait.
///
/// Each slot has a cache line of its own, so that neighbouring buckets do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    version: AtomicU64,
    /// An [`Exemplar`].
    words: [AtomicU64; 5],
}

impl Slot {
    fn write(&self, exemplar: Exemplar) {
        let version = self.version.load(Ordering::Relaxed);
        let writing = version.wrapping_add(1);
        // `Acquire`: the stores of the last writer happen before those below.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let swap = || {
            self.version
                .compare_exchange(version, writing, success, failure)
        };
        if !version.is_multiple_of(2) || swap().is_err() {
            return;
        }
        // A reader that sees one of the stores below also sees, after its own fence, that `version` is odd or later.
        fence(Ordering::Release);
        for (stored, word) in self.words.iter().zip(<[u64; 5]>::from(exemplar)) {
            stored.store(word, Ordering::Relaxed);
        }
        self.version
            .store(writing.wrapping_add(1), Ordering::Release);
    }

    /// Returns `None` if nothing has been written, or if writers are busy at each attempt.
    fn read(&self) -> Option<Exemplar> {
        for _ in 0..READ_ATTEMPTS {
            let version = self.version.load(Ordering::Acquire);
            if version == 0 {
                return None;
            }
            let words = self.words.each_ref();
            let words = words.map(|word| word.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                return Some(words.into());
            }
            std::hint::spin_loop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn labels(number: usize) -> Vec<(String, String)> {
        vec![("number".to_owned(), number.to_string())]
    }

    #[test]
    fn one_series_more_than_the_limit_is_not_remembered() {
        let exemplars = Exemplars::default();
        for number in 0..SERIES_LIMIT {
            let series = exemplars.series(&format!("family_{}", number % 7), &labels(number), &[]);
            assert!(series.0.is_some(), "{number}");
        }
        let one_more = exemplars.series("family_0", &labels(SERIES_LIMIT), &[]);
        assert!(one_more.0.is_none());
        one_more.record(1.0, SystemTime::now(), [1; 16], [1; 8]);
        assert_eq!(exemplars.latest("family_0", "number=\"4000\""), []);
        // Those that are known stay known.
        exemplars.series("family_0", &labels(0), &[]).record(
            1.0,
            SystemTime::now(),
            [1; 16],
            [1; 8],
        );
        assert_eq!(exemplars.latest("family_0", "number=\"0\"").len(), 1);
    }

    #[test]
    fn a_series_bound_twice_is_one() {
        let exemplars = Exemplars::default();
        let bound = |bounds| exemplars.series("family", &labels(1), bounds).0.unwrap();
        assert!(Arc::ptr_eq(&bound(&[1.0]), &bound(&[1.0])));
        assert_eq!(exemplars.lock().count, 1);
    }

    /// Every field of what is written is made from one number: whoever mixes two writes finds two numbers.
    #[test]
    fn an_exemplar_is_read_as_one_writer_wrote_it() {
        let made = |number: u64| Exemplar {
            value: number as f64,
            unix_millis: number,
            trace_id: u128::from(number) << 64 | u128::from(number),
            span_id: number,
        };
        for writers in [1, 2] {
            let slot = Slot::default();
            let done = AtomicU64::new(0);
            thread::scope(|scope| {
                for writer in 0..writers {
                    let (slot, done) = (&slot, &done);
                    scope.spawn(move || {
                        for number in 0..2_000_000 {
                            slot.write(made(1 + writer + number * writers));
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                }
                scope.spawn(|| {
                    while done.load(Ordering::Relaxed) < writers {
                        if let Some(exemplar) = slot.read() {
                            assert_eq!(exemplar, made(exemplar.span_id));
                        }
                    }
                });
            });
            let last = slot.read().unwrap();
            assert_eq!(last, made(last.span_id));
        }
    }

    #[test]
    fn a_writer_that_meets_another_leaves_and_a_reader_does_not_wait_for_ever() {
        let exemplar = Exemplar {
            value: 1.0,
            unix_millis: 1,
            trace_id: 1 << 64 | 1,
            span_id: 1,
        };
        let slot = Slot::default();
        slot.version.store(1, Ordering::Relaxed); // somebody writes
        slot.write(exemplar);
        assert_eq!(slot.words[4].load(Ordering::Relaxed), 0);
        assert_eq!(slot.read(), None);
        slot.version.store(2, Ordering::Relaxed); // and is done
        slot.write(exemplar);
        assert_eq!(slot.read(), Some(exemplar));
    }
}
