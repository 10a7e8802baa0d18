//! How much each receiver has taken.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use crate::answer::{Failure, Kept};

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
}

/// The same, as it grows.
#[derive(Debug)]
pub(crate) struct Count {
    protocol: &'static str,
    address: SocketAddr,
    spans: AtomicU64,
    refused: AtomicU64,
}

impl Count {
    /// Of a receiver that has taken nothing yet.
    pub(crate) fn new(protocol: &'static str, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            protocol,
            address,
            spans: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Where the receiver listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts what a request came to.
    pub(crate) fn add(&self, outcome: Result<&Kept, &Failure>) {
        let (spans, refused) = match outcome {
            Ok(kept) => (kept.spans, kept.rejected > 0),
            Err(_) => (0, true),
        };
        self.spans
            .fetch_add(u64::try_from(spans).unwrap_or(0), Ordering::Relaxed);
        self.refused.fetch_add(refused.into(), Ordering::Relaxed);
    }

    /// The numbers now.
    pub(crate) fn received(&self) -> Received {
        Received {
            protocol: self.protocol,
            address: self.address,
            spans: self.spans.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
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
