//! The copies of the exposition that scrapers get. Their number is limited, so that the memory for them is.
//!
//! A client that asks for an exposition and does not read it keeps its copy in memory. When the copies are used up, other
//! clients get the latest one: no scrape is refused, its values are only a little old. With all series in use, an
//! uncompressed exposition takes up to 15 MiB. There is room for one copy of that size, and it is not shared.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Version;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use crate::Exposition;

/// How many copies can be in memory, for HTTP/1 and for HTTP/2 each. It is more than the four kinds there are, so that a kind that is wanted is
/// usually there. In all they take 16 MiB, because all but one are at most a megabyte.
const COPIES: usize = 8;

/// Size in bytes above which a copy is large. The largest takes 15 MiB, with 4,000 series of histograms, which is about
/// what all other copies take together.
const LARGE_COPY: usize = 1024 * 1024;

/// Media type, and whether the copy is compressed.
type Kind = (&'static str, bool);

/// One exposition and its copies.
#[derive(Clone)]
pub(crate) struct Copies {
    exposition: Exposition,
    /// Its lock is also the turn to encode: one request encodes at a time.
    made: Arc<Mutex<Made>>,
    /// Separate from `http2`: the server soon disconnects a stalled HTTP/1 client but not a stalled HTTP/2 client, which
    /// must not use up HTTP/1's copies.
    http1: Arc<Semaphore>,
    http2: Arc<Semaphore>,
    /// Large copies, of either version.
    large: Arc<Semaphore>,
}

#[derive(Default)]
struct Made {
    /// The latest copy of each kind that is not large.
    latest: HashMap<Kind, Bytes>,
    /// Kinds that were large when they were last encoded.
    large: HashSet<Kind>,
}

/// A response's media type and body.
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Copies {
    pub(crate) fn new(exposition: Exposition) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            exposition,
            made: Arc::default(),
            http1: semaphore(COPIES),
            http2: semaphore(COPIES),
            large: semaphore(1),
        }
    }

    /// Returns the exposition in the format that `accept` prefers, or `None` if memory has no room for one more copy and
    /// there is no other copy of that kind.
    ///
    /// # Errors
    ///
    /// The encoder panicked.
    pub(crate) async fn scrape(
        &self,
        version: Version,
        accept: Option<String>,
        gzip: bool,
    ) -> Result<Option<Answer>, JoinError> {
        let content_type = self.exposition.content_type(accept.as_deref());
        let answer = |body| Answer { content_type, body };
        let copies = match version {
            Version::HTTP_2 => &self.http2,
            _ => &self.http1,
        };
        let kind = (content_type, gzip);
        let mut made = Arc::clone(&self.made).lock_owned().await;
        let Ok(permit) = Arc::clone(copies).try_acquire_owned() else {
            return Ok(made.latest.get(&kind).cloned().map(answer));
        };
        let large = Arc::clone(&self.large);
        if made.large.contains(&kind) && large.available_permits() == 0 {
            return Ok(None);
        }
        let exposition = self.exposition.clone();
        // With many series this takes milliseconds, too long for a worker that serves requests. The thread holds the
        // turn, so a client that disconnects does not let a second encoder start beside it.
        let body = tokio::task::spawn_blocking(move || {
            let accept = accept.as_deref();
            let text = if gzip {
                compressed(&exposition, accept)
            } else {
                exposition.encode(accept).body
            };
            let is_large = text.len() > LARGE_COPY;
            let large = is_large.then(|| large.try_acquire_owned());
            let body = Bytes::from_owner(Copy {
                text: text.into_boxed_slice(),
                _permit: permit,
                _large: large.transpose().ok()?,
            });
            if is_large {
                made.latest.remove(&kind);
                made.large.insert(kind);
            } else {
                made.latest.insert(kind, body.clone());
                made.large.remove(&kind);
            }
            Some(body)
        });
        Ok(body.await?.map(answer))
    }
}

/// One copy. It holds its permits until its last byte has been sent or dropped.
struct Copy {
    text: Box<[u8]>,
    _permit: OwnedSemaphorePermit,
    _large: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Copy {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Compresses while encoding. The fastest level already makes an exposition ten times smaller.
fn compressed(exposition: &Exposition, accept: Option<&str>) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = exposition.write(accept, &mut gzip);
    gzip.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

    use super::*;

    #[tokio::test]
    async fn clients_that_do_not_read_hold_so_many_copies_and_the_latest_is_for_all() {
        let scraped = IntCounter::new("scraped", "How often.").unwrap();
        let registry = Registry::new();
        registry.register(Box::new(scraped.clone())).unwrap();
        let scrapes = Copies::new(Exposition::new(registry));
        let scrape = async |version| {
            scraped.inc();
            let scrape = scrapes.scrape(version, None, false).await.unwrap();
            scrape.unwrap().body
        };

        let mut held = Vec::new();
        for _ in 0..COPIES {
            held.push(scrape(Version::HTTP_2).await);
        }
        let latest = held.last().unwrap();
        for _ in 0..100 {
            let same = scrape(Version::HTTP_2).await;
            assert_eq!((same.as_ptr(), same.len()), (latest.as_ptr(), latest.len()));
        }
        assert!(scrape(Version::HTTP_11).await.ends_with(b"scraped 109\n"));

        drop(held);
        assert!(scrape(Version::HTTP_2).await.ends_with(b"scraped 110\n"));
        // Whoever wants what nobody wanted yet has to come again.
        let mut held = Vec::new();
        for _ in 0..COPIES {
            held.push(scrape(Version::HTTP_2).await);
        }
        assert!(
            scrapes
                .scrape(Version::HTTP_2, None, true)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            scrapes
                .scrape(Version::HTTP_11, None, true)
                .await
                .unwrap()
                .is_some()
        );
    }

    #[tokio::test]
    async fn of_large_copies_there_is_one_and_compressed_ones_go_on() {
        let registry = Registry::new();
        let opts = Opts::new("wide", "Has many series.");
        let wide = IntCounterVec::new(opts, &["label"]).unwrap();
        registry.register(Box::new(wide.clone())).unwrap();
        for number in 0..2 * LARGE_COPY / 200 {
            let label = format!("{number}{}", "x".repeat(200));
            wide.with_label_values(&[label]).inc();
        }
        let scrapes = Copies::new(Exposition::new(registry));
        let scrape = async |version, accept: Option<&str>, gzip| {
            let accept = accept.map(str::to_owned);
            let scrape = scrapes.scrape(version, accept, gzip).await.unwrap();
            scrape.map(|scrape| scrape.body)
        };
        let openmetrics = Some("application/openmetrics-text");
        for _ in 0..2 {
            let held = scrape(Version::HTTP_2, None, false).await.unwrap();
            assert!(held.len() > LARGE_COPY);
            for (version, accept) in [
                (Version::HTTP_11, None),
                (Version::HTTP_2, None),
                (Version::HTTP_11, openmetrics),
            ] {
                assert_eq!(scrape(version, accept, false).await, None);
                let small = scrape(version, accept, true).await.unwrap();
                assert!(small.len() < LARGE_COPY);
            }
        }
        wide.reset();
        wide.with_label_values(&["one"]).inc();
        let small = scrape(Version::HTTP_2, None, false).await.unwrap();
        let another = scrape(Version::HTTP_11, None, false).await.unwrap();
        assert_eq!(small, another);
    }
}
