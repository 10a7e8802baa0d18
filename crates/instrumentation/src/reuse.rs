//! What exists for speed: values that are kept, so that the next request need not make them again.
//!
//! | kept | in | for | saves a request |
//! | --- | --- | --- | --- |
//! | a server's routes, a client's targets, the bound series of each | [`Cache`] | the process | building and hashing an attribute set, and a lock in the SDK, for each measurement |
//! | the host, the user agent and the peer's address as text | [`host`], [`user_agent`], [`address`] | the thread | parsing the first (800 instructions), copying the second (600), and formatting the third twice (1,500 each) |
//!
//! The figures are callgrind's. The command `guard` of `bench` measures their sum and fails if it grows. Nothing outside of
//! this module knows what is kept: without it, each function could make its value anew.

mod cache;
mod recent;

use std::hash::{Hash, Hasher};

pub(crate) use cache::Cache;
pub(crate) use recent::{Server, address, host, user_agent};

/// Returns the hash of a key. It is the same in every process, so a client that chooses keys can make them collide: that
/// must cost no more than making a value.
pub(crate) fn hash(key: impl Hash) -> u64 {
    let mut hasher = Fold(0);
    key.hash(&mut hasher);
    hasher.finish()
}

/// Multiplies and rotates, eight bytes at a time. The hash of the standard library resists chosen keys, which is not needed
/// here, and takes four times as long.
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let add = |last, byte: &u8| last << 8 | u64::from(*byte);
        self.write_u64(rest.iter().fold(bytes.len() as u64, add));
    }

    fn write_u64(&mut self, word: u64) {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio, as in Fibonacci hashing
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }

    fn write_usize(&mut self, length: usize) {
        self.write_u64(length as u64);
    }

    /// The high bits are the mixed ones.
    fn finish(&self) -> u64 {
        self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut hashes: Vec<_> = keys.iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), keys.len());
    }
}
