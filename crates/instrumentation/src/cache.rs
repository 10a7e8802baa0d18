//! A cache that is read by every request at once and written a few times in a process's life.

use std::sync::OnceLock;

/// So many places are tried for one key.
const PROBES: usize = 16;

/// A hash table whose places, once taken, stay. Readers take no lock; it never grows; what finds no place is made
/// anew each time, so that keys which somebody invents cost time but no memory.
pub(crate) struct Cache<T>(Box<[OnceLock<T>]>);

impl<T> Cache<T> {
    /// Room for `size` values at most.
    pub(crate) fn new(size: usize) -> Self {
        Self((0..size).map(|_| OnceLock::new()).collect())
    }

    /// Calls `then` with the value that `is_wanted`, which is made first if there is none. `hash` is the hash of
    /// its key.
    pub(crate) fn with<R>(
        &self,
        hash: u64,
        is_wanted: impl Fn(&T) -> bool,
        make: impl Fn() -> T,
        then: impl FnOnce(&T) -> R,
    ) -> R {
        let start = (hash % self.0.len().max(1) as u64) as usize;
        let (before, after) = self.0.split_at(start);
        for place in after.iter().chain(before).take(PROBES) {
            // Another thread may have been faster, with the same key or with another one: look at what is there.
            let value = place.get_or_init(&make);
            if is_wanted(value) {
                return then(value);
            }
        }
        then(&make())
    }
}

/// Good enough to spread keys that the program itself chose. Not for keys of others: they could choose some that
/// collide.
pub(crate) fn hash(key: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio, as in Fibonacci hashing
    let (words, rest) = key.as_chunks::<8>();
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let hash = words.iter().fold(key.len() as u64, |hash, word| {
        mix(hash, u64::from_le_bytes(*word))
    });
    let last = rest
        .iter()
        .fold(0, |last, byte| last << 8 | u64::from(*byte));
    // The high bits are the mixed ones.
    mix(hash, last) >> 32
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

    #[test]
    fn every_byte_and_the_length_count_in_the_hash() {
        let keys = [
            "",
            "/",
            "/a",
            "/b",
            "/aaaaaaa",
            "/baaaaaa",
            "/aaaaaab",
            "/aaaaaaaa",
            "/aaaaaaaab",
            "\0",
            "\0\0",
        ];
        let mut hashes: Vec<_> = keys.iter().map(|key| hash(key.as_bytes())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), keys.len());
    }
}
