//! How much each receiver has taken, and what it has refused.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use crate::receive::answer::{self, Failure, Kept};

/// A receiver, and what it has taken since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Received {
    /// What it speaks: `otlp/http`, `otlp/grpc` or `zipkin`.
    pub protocol: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// Spans taken. One that is sent twice counts twice.
    pub spans: u64,
    /// Requests refused, as a whole or some of what they held.
    pub refused: u64,
    /// Why, the latest first; a few.
    pub refusals: Vec<Refusal>,
}

/// Requests that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The sentence that the sender got, up to 300 characters of it.
    pub reason: String,
    /// How often.
    pub times: u64,
    /// When it was last, in milliseconds since 1970.
    pub last: u64,
}

/// Reasons that are kept.
const REASONS: usize = 5;

/// The same, as it grows.
#[derive(Debug)]
pub(crate) struct Count {
    protocol: &'static str,
    address: SocketAddr,
    spans: AtomicU64,
    refused: AtomicU64,
    refusals: Mutex<Vec<Refusal>>,
}

impl Count {
    /// Of a receiver that has taken nothing yet.
    pub(crate) fn new(protocol: &'static str, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            protocol,
            address,
            spans: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            refusals: Mutex::default(),
        })
    }

    /// Where the receiver listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts what a request came to.
    pub(crate) fn add(&self, outcome: Result<&Kept, &Failure>) {
        let (spans, refusal) = match outcome {
            Ok(kept) => (kept.spans, (kept.rejected > 0).then_some(&kept.reason)),
            Err(failure) => (0, Some(&failure.message)),
        };
        self.spans
            .fetch_add(u64::try_from(spans).unwrap_or(0), Ordering::Relaxed);
        if let Some(reason) = refusal {
            self.refused.fetch_add(1, Ordering::Relaxed);
            self.keep(answer::shortened(reason));
        }
    }

    fn keep(&self, reason: String) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let same = refusals.iter().position(|refusal| refusal.reason == reason);
        let times = same.map_or(0, |place| refusals.remove(place).times);
        let last = SystemTime::now().duration_since(UNIX_EPOCH);
        let last = last.map_or(0, |since| since.as_millis());
        let refusal = Refusal {
            reason,
            times: times + 1,
            last: u64::try_from(last).unwrap_or(u64::MAX),
        };
        refusals.insert(0, refusal);
        refusals.truncate(REASONS);
    }

    /// The numbers now.
    pub(crate) fn received(&self) -> Received {
        Received {
            protocol: self.protocol,
            address: self.address,
            spans: self.spans.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            refusals: self
                .refusals
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

/// Every receiver's numbers.
#[derive(Clone, Debug)]
pub(crate) struct Receivers {
    pub(crate) otlp_http: Arc<Count>,
    pub(crate) otlp_grpc: Arc<Count>,
    pub(crate) zipkin: Arc<Count>,
}

impl Receivers {
    pub(crate) fn all(&self) -> [&Arc<Count>; 3] {
        [&self.otlp_http, &self.otlp_grpc, &self.zipkin]
    }

    /// The numbers now.
    pub(crate) fn now(&self) -> Vec<Received> {
        self.all().map(|count| count.received()).into()
    }
}
