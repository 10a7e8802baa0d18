//! A registry and the exemplars that go with it, as one thing to scrape.

use std::io;

use prometheus::Registry;
use prometheus::proto::{Metric, MetricFamily};

use crate::encoder::encode;
use crate::exemplars::Exemplars;
use crate::negotiation::negotiate;

/// Everything that `/metrics` answers from. Clones share the registry and the exemplars.
#[derive(Clone, Debug)]
pub struct Exposition {
    registry: Registry,
    exemplars: Exemplars,
}

/// A body and the media type it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// `Content-Type`, with version and charset.
    pub content_type: &'static str,
    /// The exposition, UTF-8.
    pub body: Vec<u8>,
}

impl Exposition {
    /// Serves what is in `registry`, now and later.
    pub fn new(registry: Registry) -> Exposition {
        Exposition {
            registry,
            exemplars: Exemplars::default(),
        }
    }

    /// Where instrumentation leaves the exemplars of this registry's histograms.
    pub fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// The media type that [`encode`](Self::encode) would answer this `accept` with.
    pub fn content_type(&self, accept: Option<&str>) -> &'static str {
        negotiate(accept).content_type()
    }

    /// Collects every metric and encodes it in the format that `accept` prefers: the value of the `Accept`
    /// header, several lines of it joined by commas, `None` if there is none.
    ///
    /// Prometheus text 0.0.4 is the answer if `accept` has no preference, and also if it allows neither
    /// format: RFC 9110 permits that, and a metric that can be read helps more than a 406.
    /// The caller adds `Vary: Accept`.
    ///
    /// Collecting and encoding block for as long as they take, milliseconds for thousands of series.
    pub fn encode(&self, accept: Option<&str>) -> Encoded {
        let families = self.registry.gather();
        // A body that grew would be copied, and be in memory twice meanwhile.
        let mut body = Vec::with_capacity(families.iter().map(length).sum());
        // Writing to memory does not fail.
        let _ = encode(&families, negotiate(accept), &self.exemplars, &mut body);
        Encoded {
            content_type: self.content_type(accept),
            body,
        }
    }

    /// Writes what [`encode`](Self::encode) returns to `sink`, in pieces of about 16 KiB: a sink that compresses them
    /// takes far less memory than the whole.
    ///
    /// # Errors
    ///
    /// Those of `sink`, at which it stops.
    pub fn write(&self, accept: Option<&str>, sink: &mut dyn io::Write) -> io::Result<()> {
        let families = self.registry.gather();
        encode(&families, negotiate(accept), &self.exemplars, sink)
    }
}

/// About how many bytes the family takes, rather too many than too few.
fn length(family: &MetricFamily) -> usize {
    let length = |metric: &Metric| {
        let labels = metric.get_label().iter();
        let labels: usize = labels
            .map(|label| label.name().len() + label.value().len() + 4)
            .sum();
        // A sample for each bucket, `+Inf`, sum and count; each with a value, and `le` or a time.
        let samples = metric.get_histogram().get_bucket().len() + 3;
        samples * (family.name().len() + labels + 48)
    };
    256 + family.get_metric().iter().map(length).sum::<usize>()
}
