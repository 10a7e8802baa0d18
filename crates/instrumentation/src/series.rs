//! The histogram of durations, one series after the other, each bound once: its attributes are then neither built
//! nor hashed again.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::metrics::{BoundHistogram, Histogram, Meter};
use opentelemetry::trace::SpanContext;
use opentelemetry::{KeyValue, StringValue};

use crate::attribute::{ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE, NETWORK_PROTOCOL_VERSION};
use crate::cache::Cache;
use crate::exemplars::{Exemplars, Remember};
use crate::failure::Failure;
use crate::protocol::Version;

/// The buckets that the conventions advise, in seconds.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

const UNIT: &str = "s";

/// So many ends of one sort of request are bound; a handler with more of them has them looked up by the SDK.
const OUTCOMES: usize = 16;

/// `http.server.request.duration` or `http.client.request.duration`.
#[derive(Clone)]
pub(crate) struct RequestDuration {
    histogram: Histogram<f64>,
    name: &'static str,
    exemplars: Option<Exemplars>,
    /// Which status codes are errors.
    errors_from: u16,
}

impl RequestDuration {
    /// A 4xx answer is the client's error, not the server's.
    pub(crate) fn of_server(meter: &Meter) -> Self {
        let name = "http.server.request.duration";
        Self::new(meter, name, "Duration of HTTP server requests.", 500)
    }

    /// Whoever asks for what is not there, or not allowed, has an error.
    pub(crate) fn of_client(meter: &Meter) -> Self {
        let name = "http.client.request.duration";
        Self::new(meter, name, "Duration of HTTP client requests.", 400)
    }

    fn new(meter: &Meter, name: &'static str, description: &'static str, errors_from: u16) -> Self {
        let histogram = meter
            .f64_histogram(name)
            .with_description(description)
            .with_unit(UNIT)
            .with_boundaries(BOUNDS.to_vec())
            .build();
        Self {
            histogram,
            name,
            exemplars: None,
            errors_from,
        }
    }

    pub(crate) fn with_exemplars(&self, exemplars: Option<Exemplars>) -> Self {
        Self {
            exemplars,
            ..self.clone()
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
    /// Where it is known from the answer only, as by a client.
    pub(crate) version: Option<Version>,
}

impl Outcome {
    pub(crate) const NOTHING: Self = Self {
        status: None,
        failure: None,
        version: None,
    };
}

/// The series of requests that differ in their outcome only.
pub(crate) struct SeriesSet {
    duration: RequestDuration,
    attributes: Vec<KeyValue>,
    bound: Cache<Series>,
}

struct Series {
    outcome: Outcome,
    error_type: Option<StringValue>,
    histogram: BoundHistogram<f64>,
    exemplar: Option<Remember>,
}

impl SeriesSet {
    /// `attributes`: all but those of the outcome.
    pub(crate) fn new(duration: RequestDuration, attributes: Vec<KeyValue>) -> Self {
        Self {
            duration,
            attributes,
            bound: Cache::new(OUTCOMES),
        }
    }

    /// The attributes that all of them have.
    pub(crate) fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }

    /// Records a duration, whose end was `at` that time; `sampled` is the span it was measured in, if that one is to be
    /// found later. Returns `error.type`, if the outcome is an error.
    pub(crate) fn record(
        &self,
        outcome: Outcome,
        duration: Duration,
        at: SystemTime,
        sampled: Option<&SpanContext>,
    ) -> Option<StringValue> {
        let seconds = duration.as_secs_f64();
        self.bound.with(
            0,
            |series| series.outcome == outcome,
            || self.bind(outcome),
            |series| {
                series.histogram.record(seconds);
                if let (Some(span), Some(remember)) = (sampled, &series.exemplar) {
                    remember(seconds, at, span);
                }
                series.error_type.clone()
            },
        )
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
        let exemplar =
            exemplars.map(|series| series(self.duration.name, UNIT, &attributes, &BOUNDS));
        Series {
            outcome,
            error_type,
            histogram: self.duration.histogram.bind(&attributes),
            exemplar,
        }
    }

    /// A status code that tells of the error comes first: what went wrong afterwards is its consequence.
    fn error_type(&self, outcome: Outcome) -> Option<StringValue> {
        match (outcome.status, outcome.failure) {
            (Some(status), _) if status >= self.duration.errors_from => {
                Some(Arc::<str>::from(status.to_string()).into())
            }
            (_, Some(failure)) => Some(Cow::Borrowed(failure.label()).into()),
            _ => None,
        }
    }
}
