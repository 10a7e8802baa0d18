//! What exists for speed: values that are kept, so that the next request need not make them again.
//!
//! | kept | in | for | saves a request |
//! | --- | --- | --- | --- |
//! | a server's routes, a client's targets, the bound series of each | [`Cache`] | the process | building and hashing an attribute set, and a lock in the SDK, for each measurement |
//! | the host and the peer's address as text | [`host`], [`address`] | the thread | parsing the one (800 instructions), and formatting the other twice (1,500 each) |
//!
//! The figures are callgrind's. `bench`'s command `guard` measures their sum, and
//! fails if it grows. Nothing outside of this module knows what is kept: without it, each function could make its value
//! anew.

mod cache;
mod recent;

use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) use cache::Cache;
pub(crate) use recent::{Server, address, host};

/// Returns the hash of a key. It is the same in every process, so a client that chooses keys can make them collide: that
/// must cost no more than making a value.
pub(crate) fn hash(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
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
