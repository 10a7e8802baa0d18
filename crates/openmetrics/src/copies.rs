//! The exposition for whoever scrapes it, in as few copies at a time as memory has room for.
//!
//! A client that asks for an exposition and does not read keeps it. So while there are as many copies as may be, everybody
//! gets the latest one: scrapes are not refused, only a little old. Where all series are in use, an exposition that is not
//! compressed can take 15 MiB; of copies as large as that, memory has room for one, which is not kept for others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Version;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use crate::Exposition;

/// Expositions in memory, of each version of HTTP: more than the four kinds that there are, so that one that is wanted is
/// there; few enough to take 16 MiB in all, since all but one are a megabyte at most.
const COPIES: usize = 8;

/// Expositions above this are large: with one of 15 MiB, as 4,000 series of histograms make, and all others below this,
/// they take no more than before.
const LARGE_COPY: usize = 1024 * 1024;

/// Whatever is encoded once for many: media type, and whether it is compressed.
type Kind = (&'static str, bool);

/// One exposition, scraped by many.
#[derive(Clone)]
pub(crate) struct Copies {
    exposition: Exposition,
    /// What was made, and whose turn it is: one encodes at a time.
    made: Arc<Mutex<Made>>,
    /// An HTTP/1 client that does not read is cut soon; an HTTP/2 client can stay. So these are others' copies.
    http1: Arc<Semaphore>,
    http2: Arc<Semaphore>,
    /// Large ones, of either version.
    large: Arc<Semaphore>,
}

#[derive(Default)]
struct Made {
    /// Of each kind that is not large.
    latest: HashMap<Kind, Bytes>,
    /// Kinds that were large when they were last made.
    large: HashSet<Kind>,
}

/// What is answered.
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Copies {
    pub(crate) fn new(exposition: Exposition) -> Self {
        Self {
            exposition,
            made: Arc::default(),
            http1: Arc::new(Semaphore::new(COPIES)),
            http2: Arc::new(Semaphore::new(COPIES)),
            large: Arc::new(Semaphore::new(1)),
        }
    }

    /// The exposition in the format that `accept` prefers. None: no copy of that kind is there that can be had, and memory
    /// has no room for one more.
    ///
    /// # Errors
    ///
    /// The encoder has panicked.
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
        // Milliseconds when there are many series: too long for a worker that requests need. The turn is the work's, not
        // the request's: a client that hangs up does not end the work.
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

/// Counts as one of the copies until the last byte of it is sent or given up.
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

/// The fastest level already makes an exposition ten times smaller, and it is compressed as it is made.
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
