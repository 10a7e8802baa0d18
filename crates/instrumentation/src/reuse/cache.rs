//! Values that are made once and then found by every thread.

use std::sync::OnceLock;

/// Slots probed for one key.
const PROBES: usize = 16;

/// A hash table of fixed size. Readers take no lock, and a slot keeps its first value.
///
/// When no slot is free, the value is rebuilt on each call: keys beyond the size cost time, not memory.
pub(crate) struct Cache<T>(Box<[OnceLock<T>]>);

impl<T> Cache<T> {
    /// Returns a cache of at most `size` values.
    pub(crate) fn new(size: usize) -> Self {
        Self((0..size).map(|_| OnceLock::new()).collect())
    }

    /// Calls `then` with the value for which `is_wanted` is true, and with the result of `make` if there is none.
    /// `hash` is the [`hash`] of the key.
    pub(crate) fn with<R>(
        &self,
        hash: u64,
        is_wanted: impl Fn(&T) -> bool,
        make: impl Fn() -> T,
        then: impl FnOnce(&T) -> R,
    ) -> R {
        let start = (hash % self.0.len().max(1) as u64) as usize;
        let (before, after) = self.0.split_at(start);
        for slot in after.iter().chain(before).take(PROBES) {
            // Another thread may have filled the slot in the meantime, and with another key.
            let value = slot.get_or_init(&make);
            if is_wanted(value) {
                return then(value);
            }
        }
        then(&make())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_value_is_made_once() {
        let cache = Cache::new(64);
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in 0..50_u64 {
                        let make = || {
                            made.fetch_add(1, Ordering::Relaxed);
                            key
                        };
                        let found = cache.with(key, |value| *value == key, make, |value| *value);
                        assert_eq!(found, key);
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 50);
    }

    #[test]
    fn keys_that_collide_do_not_mix_and_those_without_a_place_still_get_a_value() {
        let cache = Cache::new(64);
        let made = Cell::new(0);
        let find = |key: u32| {
            let make = || {
                made.set(made.get() + 1);
                key
            };
            cache.with(63, |value| *value == key, make, |value| *value)
        };
        for _ in 0..2 {
            for key in 0..PROBES as u32 {
                assert_eq!(find(key), key);
            }
        }
        assert_eq!(made.get(), PROBES);
        assert_eq!(find(99), 99);
        assert_eq!(find(99), 99);
        assert_eq!(made.get(), PROBES + 2);
    }

    #[test]
    fn a_cache_without_places_makes_every_value() {
        assert_eq!(Cache::new(0).with(7, |_| true, || 1, |value| *value), 1);
    }
}
