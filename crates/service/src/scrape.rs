//! The exposition for whoever scrapes it, in as few copies at a time as memory has room for.
//!
//! With all series in use an exposition takes a megabyte, and a client that asks for it and does not read keeps it. So
//! while there are as many copies as may be, everybody gets the latest one: scrapes are never refused, only a little old.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Version;
use flate2::Compression;
use flate2::write::GzEncoder;
use openmetrics::Exposition;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use crate::limits;

/// Whatever is encoded once for many: media type, and whether it is compressed.
type Kind = (&'static str, bool);

/// One exposition, scraped by many.
#[derive(Clone)]
pub(crate) struct Scrapes {
    exposition: Exposition,
    /// The latest of each kind, and whose turn it is: one encodes at a time.
    latest: Arc<Mutex<HashMap<Kind, Bytes>>>,
    /// An HTTP/1 client that does not read is cut soon; an HTTP/2 client can stay. So these are others' copies.
    http1: Arc<Semaphore>,
    http2: Arc<Semaphore>,
}

/// What is answered.
pub(crate) struct Scrape {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Scrapes {
    pub(crate) fn new(exposition: Exposition) -> Self {
        Self {
            exposition,
            latest: Arc::default(),
            http1: Arc::new(Semaphore::new(limits::COPIES)),
            http2: Arc::new(Semaphore::new(limits::COPIES)),
        }
    }

    /// The exposition in the format that `accept` prefers. None: no copy of that kind is there, and none can be made.
    ///
    /// # Errors
    ///
    /// The encoder has panicked.
    pub(crate) async fn scrape(
        &self,
        version: Version,
        accept: Option<String>,
        gzip: bool,
    ) -> Result<Option<Scrape>, JoinError> {
        let content_type = self.exposition.content_type(accept.as_deref());
        let answer = |body| Scrape { content_type, body };
        let copies = match version {
            Version::HTTP_2 => &self.http2,
            _ => &self.http1,
        };
        let mut latest = Arc::clone(&self.latest).lock_owned().await;
        let Ok(permit) = Arc::clone(copies).try_acquire_owned() else {
            return Ok(latest.get(&(content_type, gzip)).cloned().map(answer));
        };
        let exposition = self.exposition.clone();
        // Milliseconds when there are many series: too long for a worker that requests need. The turn is the work's, not
        // the request's: a client that hangs up does not end the work.
        let body = tokio::task::spawn_blocking(move || {
            let text = exposition.encode(accept.as_deref()).body;
            let text = if gzip { compressed(&text) } else { text };
            let body = Bytes::from_owner(Copy {
                text,
                _permit: permit,
            });
            latest.insert((content_type, gzip), body.clone());
            body
        });
        Ok(Some(answer(body.await?)))
    }
}

/// Counts as one of the copies until the last byte of it is sent or given up.
struct Copy {
    text: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Copy {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// The fastest level already makes an exposition ten times smaller.
fn compressed(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    // Writing to memory does not fail.
    let _ = gzip.write_all(text);
    gzip.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use openmetrics::Exposition;
    use prometheus::{IntCounter, Registry};

    use super::*;

    #[tokio::test]
    async fn clients_that_do_not_read_hold_so_many_copies_and_the_latest_is_for_all() {
        let scraped = IntCounter::new("scraped", "How often.").unwrap();
        let registry = Registry::new();
        registry.register(Box::new(scraped.clone())).unwrap();
        let scrapes = Scrapes::new(Exposition::new(registry));
        let scrape = async |version| {
            scraped.inc();
            let scrape = scrapes.scrape(version, None, false).await.unwrap();
            scrape.unwrap().body
        };

        let mut held = Vec::new();
        for _ in 0..limits::COPIES {
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
        for _ in 0..limits::COPIES {
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
}
