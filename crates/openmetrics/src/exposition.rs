//! A registry together with its exemplars.

use std::io;

use prometheus::Registry;
use prometheus::proto::{Metric, MetricFamily};

use crate::encoder::encode;
use crate::exemplars::Exemplars;
use crate::negotiation::negotiate;

/// What `/metrics` answers: a registry and the exemplars of its histograms. Clones share both.
#[derive(Clone, Debug)]
pub struct Exposition {
    registry: Registry,
    exemplars: Exemplars,
}

/// An exposition as text, and its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoded {
    /// `Content-Type`, with version and charset.
    pub content_type: &'static str,
    /// The exposition, UTF-8.
    pub body: Vec<u8>,
}

impl Exposition {
    /// Exposes the metrics that `registry` holds at each scrape.
    pub fn new(registry: Registry) -> Exposition {
        Exposition {
            registry,
            exemplars: Exemplars::default(),
        }
    }

    /// The exemplars of this registry's histograms, for the instrumentation to record.
    pub fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// Returns the media type of what [`encode`](Self::encode) returns for the same `accept`.
    pub fn content_type(&self, accept: Option<&str>) -> &'static str {
        negotiate(accept).content_type()
    }

    /// Collects all metrics and encodes them in the format that `accept` prefers.
    ///
    /// `accept` is the value of the header `Accept`, with several lines joined by commas, or `None` if there is no such
    /// header. Without a preference the format is Prometheus text 0.0.4. It is also the format if `accept` allows neither:
    /// RFC 9110 permits that, and metrics help more than a 406. The caller should send `Vary: Accept`.
    ///
    /// This blocks until it is done, which takes milliseconds with thousands of series.
    pub fn encode(&self, accept: Option<&str>) -> Encoded {
        let families = self.registry.gather();
        // A vector that grows is copied, and is then in memory twice.
        let mut body = Vec::with_capacity(families.iter().map(length).sum());
        // Writing to memory does not fail.
        let _ = encode(&families, negotiate(accept), &self.exemplars, &mut body);
        Encoded {
            content_type: self.content_type(accept),
            body,
        }
    }

    /// Writes to `sink` what [`encode`](Self::encode) returns, in pieces of about 16 KiB. A sink that compresses the pieces
    /// takes far less memory than the whole text.
    ///
    /// # Errors
    ///
    /// The first error of `sink`. Nothing is written after it.
    pub fn write(&self, accept: Option<&str>, sink: &mut dyn io::Write) -> io::Result<()> {
        let families = self.registry.gather();
        encode(&families, negotiate(accept), &self.exemplars, sink)
    }
}

/// Estimate of the family's size in bytes, rather too high than too low.
fn length(family: &MetricFamily) -> usize {
    let length = |metric: &Metric| {
        let labels = metric.get_label().iter();
        let labels: usize = labels
            .map(|label| label.name().len() + label.value().len() + 4)
            .sum();
        // One sample for each bucket, and for `+Inf`, sum and count. Each has a value, and `le` or a timestamp.
        let samples = metric.get_histogram().get_bucket().len() + 3;
        samples * (family.name().len() + labels + 48)
    };
    256 + family.get_metric().iter().map(length).sum::<usize>()
}
