//! The last metrics of each resource.

use std::collections::VecDeque;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;

use crate::size::allocation;

/// Resources whose metrics are kept.
const RESOURCES: usize = 64;

#[derive(Default)]
pub(crate) struct Metrics {
    latest: VecDeque<Latest>, // the one last sent is last
    bytes: usize,
}

/// Encoded, since that is smaller and its size is known.
pub(crate) struct Latest {
    resource: Vec<u8>,
    pub(crate) encoded: Vec<u8>,
}

impl Latest {
    pub(crate) fn new(metrics: &ResourceMetrics) -> Self {
        let resource = metrics.resource.as_ref();
        Self {
            resource: resource.map(Message::encode_to_vec).unwrap_or_default(),
            encoded: metrics.encode_to_vec(),
        }
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        2 * size_of::<Self>() + allocation(self.resource.len()) + allocation(self.encoded.len())
    }
}

impl Metrics {
    pub(crate) fn len(&self) -> usize {
        self.latest.len()
    }

    /// All, the one last sent last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Latest> {
        self.latest.iter()
    }

    /// Puts it in the place of the one before of the same resource.
    pub(crate) fn insert(&mut self, latest: Latest) {
        let mut others = self.latest.iter();
        if let Some(place) = others.position(|other| other.resource == latest.resource) {
            self.bytes -= self.latest.remove(place).map_or(0, |old| old.bytes());
        }
        self.bytes += latest.bytes();
        self.latest.push_back(latest);
    }

    /// Lets the oldest go while they are too many or take more than `limit` bytes.
    pub(crate) fn make_room(&mut self, limit: usize) {
        while self.latest.len() > RESOURCES || self.bytes > limit {
            self.bytes -= self.latest.pop_front().map_or(0, |oldest| oldest.bytes());
        }
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
