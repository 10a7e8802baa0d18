//! A registry and the exemplars that go with it, as one thing to scrape.

use prometheus::Registry;

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
        let format = negotiate(accept);
        let body = encode(&self.registry.gather(), format, &self.exemplars);
        Encoded {
            content_type: format.content_type(),
            body: body.into_bytes(),
        }
    }
}
