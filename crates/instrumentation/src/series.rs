//! `http.server.request.duration` and `http.client.request.duration`: histograms in seconds, one series for each
//! distinct set of attributes.
//!
//! Each series is bound when it is first used. A bound series neither builds nor hashes its attributes again, which is
//! most of what an unbound measurement costs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::metrics::{BoundHistogram, Histogram, Meter};
use opentelemetry::trace::SpanContext;
use opentelemetry::{KeyValue, StringValue};

use crate::attribute::{ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE, NETWORK_PROTOCOL_VERSION};
use crate::exemplars::{Exemplars, Remember};
use crate::failure::Failure;
use crate::protocol::Version;
use crate::reuse::Cache;

/// Upper bounds of the buckets, in seconds: the `ExplicitBucketBoundaries` that the conventions advise.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Seconds, as UCUM spells them.
const UNIT: &str = "s";

/// Outcomes that are bound for each kind of request. The SDK looks up the series of further ones at each request.
const OUTCOMES: usize = 16;

/// One of the two instruments, and how it counts.
#[derive(Clone)]
pub(crate) struct RequestDuration {
    histogram: Histogram<f64>,
    name: &'static str,
    pub(crate) exemplars: Option<Exemplars>,
    /// Lowest status code that is an error.
    errors_from: u16,
}

impl RequestDuration {
    /// A server's. A 4xx status is the client's mistake, so it is no error here (conventions, *Status*).
    pub(crate) fn of_server(meter: &Meter) -> Self {
        let name = "http.server.request.duration";
        Self::new(meter, name, "Duration of HTTP server requests.", 500)
    }

    /// A client's. To ask for something that is missing or forbidden is an error of the one who asks.
    pub(crate) fn of_client(meter: &Meter) -> Self {
        let name = "http.client.request.duration";
        Self::new(meter, name, "Duration of HTTP client requests.", 400)
    }

    fn new(meter: &Meter, name: &'static str, description: &'static str, errors_from: u16) -> Self {
        let builder = meter.f64_histogram(name).with_unit(UNIT);
        let builder = builder.with_description(description);
        Self {
            histogram: builder.with_boundaries(BOUNDS.to_vec()).build(),
            name,
            exemplars: None,
            errors_from,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Status code of the response, if its head arrived.
    pub(crate) status: Option<u16>,
    /// What went wrong, if something did.
    pub(crate) failure: Option<Failure>,
    /// Version of the response. A client learns it from the response; a server knows it from the request.
    pub(crate) version: Option<Version>,
}

/// The series of requests that differ only in their outcome.
pub(crate) struct SeriesSet {
    duration: RequestDuration,
    attributes: Vec<KeyValue>,
    bound: Cache<Series>,
}

struct Series {
    outcome: Outcome,
    error_type: Option<StringValue>,
    histogram: BoundHistogram<f64>,
    remember: Option<Remember>,
}

impl SeriesSet {
    /// `attributes` are all but those of the outcome.
    pub(crate) fn new(duration: RequestDuration, attributes: Vec<KeyValue>) -> Self {
        Self {
            duration,
            attributes,
            bound: Cache::new(OUTCOMES),
        }
    }

    /// The attributes that all of the series have.
    pub(crate) fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }

    /// Records a request of this `duration` that ended at `at`. `exemplar` is the span it was measured in, if that span
    /// is exported. Returns `error.type` if the outcome is an error.
    pub(crate) fn record(
        &self,
        outcome: Outcome,
        duration: Duration,
        at: SystemTime,
        exemplar: Option<&SpanContext>,
    ) -> Option<StringValue> {
        let seconds = duration.as_secs_f64();
        let record = |series: &Series| {
            series.histogram.record(seconds);
            if let (Some(span), Some(remember)) = (exemplar, &series.remember) {
                remember(seconds, at, span);
            }
            series.error_type.clone()
        };
        let is_wanted = |series: &Series| series.outcome == outcome;
        self.bound.with(0, is_wanted, || self.bind(outcome), record)
    }

    fn bind(&self, outcome: Outcome) -> Series {
        let error_type = self.error_type(outcome);
        let mut attributes = self.attributes.clone();
        let status = outcome.status.map(i64::from);
        attributes.extend(status.map(|status| KeyValue::new(HTTP_RESPONSE_STATUS_CODE, status)));
        let version = outcome.version.and_then(Version::label);
        attributes.extend(version.map(|version| KeyValue::new(NETWORK_PROTOCOL_VERSION, version)));
        let label = error_type.clone();
        attributes.extend(label.map(|label| KeyValue::new(ERROR_TYPE, label)));
        let exemplars = self.duration.exemplars.as_ref();
        Series {
            outcome,
            error_type,
            histogram: self.duration.histogram.bind(&attributes),
            remember: exemplars
                .map(|series| series(self.duration.name, UNIT, &attributes, &BOUNDS)),
        }
    }

    /// The status code, if it is an error; a failure after it is a consequence of that error. Otherwise the failure.
    fn error_type(&self, outcome: Outcome) -> Option<StringValue> {
        match (outcome.status, outcome.failure) {
            (Some(status), _) if status >= self.duration.errors_from => {
                Some(Arc::<str>::from(status.to_string()).into())
            }
            (_, failure) => failure.map(|failure| Cow::Borrowed(failure.label()).into()),
        }
    }
}
