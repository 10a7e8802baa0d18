//! The latest exemplar of each bucket of a histogram: a value, when it was, and the span that it was measured in.
//!
//! Requests write, scrapes read. A bucket of a busy route is written by every core at once, so a writer must
//! never wait: not for another writer, not for a scrape that is being encoded. See [`Slot`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::labels::{family_name, measured};

/// How many series are remembered in all: those of two histograms of 2,000 attribute sets, which is what the SDK bounds an
/// instrument to by default. One takes 64 bytes a bucket, so 4,000 of 15 buckets about 4 MiB, and their labels 1 MiB.
const SERIES_LIMIT: usize = 4000;

/// How often a reader tries again when it meets a writer; a write takes nanoseconds.
const READ_ATTEMPTS: usize = 100;

// OpenMetrics 1.0, "Exemplars": names and values of the label set, in characters.
const _: () = assert!("span_id".len() + 16 + "trace_id".len() + 32 <= 128);

/// The exemplars of one registry. Clones share them.
///
/// At most 4,000 series are remembered; a handle for one more records nothing.
#[derive(Clone, Debug, Default)]
pub struct Exemplars(Arc<Mutex<Families>>);

#[derive(Debug, Default)]
struct Families {
    /// By family, then by labels as text.
    series: HashMap<String, HashMap<String, Arc<Buckets>>>,
    count: usize,
}

/// Where the exemplars of one series go. To be kept with the bound instrument of that series.
///
/// [`Default`] gives a handle that records nothing.
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
    pub(crate) trace_id: [u64; 2],
    pub(crate) span_id: u64,
}

impl Exemplars {
    /// As [`series`](Self::series), of an OpenTelemetry instrument: its name and unit, as `opentelemetry-prometheus` exposes
    /// them (`http.server.request.duration` in `s` is `http_server_request_duration_seconds`).
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

    /// The handle of one series of a histogram; the same one for the same series.
    ///
    /// `family` and `labels` are those of the exposition: `http_server_request_duration_seconds`, with labels
    /// such as `http_response_status_code`, in any order. `otel_scope_*` labels do not count; an attribute's key
    /// (`http.response.status_code`) does as well as the label's name. `bounds` are the histogram's upper bounds,
    /// ascending, without infinity.
    ///
    /// Takes a lock and allocates: for the first request of a series, not for each.
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

    /// Whether any series of the family, named as exposed, is remembered.
    pub(crate) fn has(&self, family: &str) -> bool {
        self.lock().series.contains_key(family)
    }

    /// What is remembered of a series, in ascending order of bucket.
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
        // Nothing above can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeriesExemplars {
    /// Remembers `value`, in the unit of the histogram, as measured `at` that time in the span `span_id` of `trace_id`.
    ///
    /// Whether the span is sampled is for the caller to know: an exemplar that leads to no trace is worse than
    /// none. Values that are not finite, and ids that are all zero, are ignored. Never waits and never allocates.
    pub fn record(&self, value: f64, at: SystemTime, trace_id: [u8; 16], span_id: [u8; 8]) {
        let Some(buckets) = &self.0 else { return };
        let trace_id = u128::from_be_bytes(trace_id);
        let span_id = u64::from_be_bytes(span_id);
        if !value.is_finite() || trace_id == 0 || span_id == 0 {
            return;
        }
        let bucket = buckets.bounds.partition_point(|bound| *bound < value);
        let Some(slot) = buckets.slots.get(bucket) else {
            return;
        };
        let since_epoch = at.duration_since(UNIX_EPOCH);
        slot.write(Exemplar {
            value,
            unix_millis: since_epoch.unwrap_or_default().as_millis() as u64,
            trace_id: [(trace_id >> 64) as u64, trace_id as u64],
            span_id,
        });
    }
}

/// One exemplar that many write and few read: a seqlock made of atomics, no lock and no `unsafe`.
///
/// `version` is odd while someone writes. A writer that finds it odd, or loses the race to make it odd, leaves: the
/// other one's exemplar is of the same moment and as good. A reader that sees `version` change while it reads tries
/// again. So a writer never waits, and what is read was written by one writer. A mutex with `try_lock` would be as
/// fast between writers, but a writer would then also lose against a scrape, and a thread that is descheduled
/// while it holds the lock would make the scrape wait.
///
/// A cache line each, so that neighbouring buckets do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    version: AtomicU64,
    value: AtomicU64,
    unix_millis: AtomicU64,
    trace_id: [AtomicU64; 2],
    span_id: AtomicU64,
}

impl Slot {
    fn write(&self, exemplar: Exemplar) {
        let version = self.version.load(Ordering::Relaxed);
        let writing = version.wrapping_add(1);
        // `Acquire`: what the last writer stored is stored before what this one will.
        let mine = version.is_multiple_of(2)
            && self
                .version
                .compare_exchange(version, writing, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        if !mine {
            return;
        }
        // Whoever reads a store below also sees, after its own fence, that `version` is odd or later.
        fence(Ordering::Release);
        let Exemplar {
            value,
            unix_millis,
            trace_id: [high, low],
            span_id,
        } = exemplar;
        self.value.store(value.to_bits(), Ordering::Relaxed);
        self.unix_millis.store(unix_millis, Ordering::Relaxed);
        self.trace_id[0].store(high, Ordering::Relaxed);
        self.trace_id[1].store(low, Ordering::Relaxed);
        self.span_id.store(span_id, Ordering::Relaxed);
        self.version
            .store(writing.wrapping_add(1), Ordering::Release);
    }

    /// `None` if nothing was ever written, or if writers do not let go of it.
    fn read(&self) -> Option<Exemplar> {
        for _ in 0..READ_ATTEMPTS {
            let version = self.version.load(Ordering::Acquire);
            if version == 0 {
                return None;
            }
            let exemplar = Exemplar {
                value: f64::from_bits(self.value.load(Ordering::Relaxed)),
                unix_millis: self.unix_millis.load(Ordering::Relaxed),
                trace_id: [
                    self.trace_id[0].load(Ordering::Relaxed),
                    self.trace_id[1].load(Ordering::Relaxed),
                ],
                span_id: self.span_id.load(Ordering::Relaxed),
            };
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                return Some(exemplar);
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
            trace_id: [number, number],
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
            trace_id: [1, 1],
            span_id: 1,
        };
        let slot = Slot::default();
        slot.version.store(1, Ordering::Relaxed); // somebody writes
        slot.write(exemplar);
        assert_eq!(slot.span_id.load(Ordering::Relaxed), 0);
        assert_eq!(slot.read(), None);
        slot.version.store(2, Ordering::Relaxed); // and is done
        slot.write(exemplar);
        assert_eq!(slot.read(), Some(exemplar));
    }
}
