//! Where a pipeline sends to, and the words for what goes wrong there.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use settings::{Otlp, Protocol, Proxy};

use crate::Item;
use crate::attempt::{Extent, Failure};
use crate::health::LastFailure;

/// `error.type` of an export that ran out of time.
pub(crate) const TIMEOUT: &str = "timeout";

/// The sender makes no attempt so shortly before the time limit of an export.
const LAST: Duration = Duration::from_millis(200);

/// The longest time limit of an export: what is added to the clock must not overflow it, not even `Duration::MAX`.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The shortest header value that is looked for in a receiver's words. A shorter one is no key, and would hide words.
const SHORTEST_SECRET: usize = 8;

/// A receiver, and what is known about the last export.
#[derive(Debug)]
pub(crate) struct Destination {
    /// `server.address` and `server.port`.
    pub(crate) server: (String, u16),
    /// The longest that an export may take, retries included.
    pub(crate) timeout: Duration,
    /// Why the last attempt failed; it stays until the next attempt fails or an export succeeds.
    pub(crate) last_failure: LastFailure,
    protocol: Protocol,
    proxy: Option<Proxy>,
    /// Header values, which a receiver may repeat.
    secrets: Vec<String>,
}

impl Destination {
    pub(crate) fn new(otlp: &Otlp, limit: Duration) -> Arc<Self> {
        let url = Url::parse(otlp.endpoint.url()).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let port = url
            .as_ref()
            .and_then(Url::port_or_known_default)
            .unwrap_or_default();
        let values = otlp
            .headers
            .values()
            .filter_map(|value| value.to_str().ok());
        // Of `Bearer KEY` a receiver repeats `KEY`.
        let secrets = values
            .flat_map(|value| [Some(value), value.rsplit_once(' ').map(|(_, key)| key)])
            .flatten();
        Arc::new(Self {
            // The conventions write IPv6 without brackets.
            server: (host.trim_matches(['[', ']']).to_owned(), port),
            timeout: otlp.timeout.min(limit).min(LONGEST),
            last_failure: LastFailure::default(),
            protocol: otlp.protocol,
            proxy: otlp.proxy.clone(),
            secrets: secrets
                .filter(|secret| secret.len() >= SHORTEST_SECRET)
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Keeps why the last attempt failed, to be read while an export is under way.
    pub(crate) fn say(&self, failure: Option<&Failure>) {
        *self.last_failure() = failure.cloned();
    }

    /// Until it has failed, what is sent may have arrived, whatever the receiver said of the attempt before.
    pub(crate) fn attempt_begins(&self) {
        if let Some(last) = self.last_failure().as_mut() {
            last.extent = Extent::Unanswered;
        }
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a connection may take: all of an export's time but the last moment. So a request that gets none is known not
    /// to have been sent.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.timeout.saturating_sub(LAST).max(self.timeout / 2)
    }

    /// `text` without the header values that are sent to the receiver.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "REDACTED");
        }
        text
    }

    pub(crate) fn address(&self) -> String {
        let (host, port) = &self.server;
        match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    }

    /// No connection can be made. It is the proxy's, if there is one.
    pub(crate) fn not_connected(&self, error: &(dyn StdError + 'static)) -> Failure {
        let is_refused = is_refused(error);
        let words = match (&self.proxy, is_refused) {
            (Some(proxy), true) => format!(
                "nothing listens at {proxy}, the proxy of {}",
                proxy.variable
            ),
            (Some(proxy), false) => {
                let cause = root_cause(error);
                format!(
                    "{} by {proxy}, the proxy of {}: {cause}",
                    self.address(),
                    proxy.variable
                )
            }
            (None, true) => format!(
                "nothing listens at {}; start a receiver there, such as Jaeger, or set OTEL_EXPORTER_OTLP_ENDPOINT",
                self.address()
            ),
            (None, false) => format!("{}: {}", self.address(), root_cause(error)),
        };
        let kind = match is_refused {
            true => "connection_refused",
            false => "connection_failed",
        };
        Failure {
            kind: Cow::Borrowed(kind),
            words,
            extent: Extent::All,
        }
    }

    /// A connection broke before there was an answer. `is_sent` tells whether the request may have arrived.
    pub(crate) fn broken(&self, error: &(dyn StdError + 'static), is_sent: bool) -> Failure {
        Failure {
            kind: Cow::Borrowed("_OTHER"),
            words: format!("{}: {}", self.address(), root_cause(error)),
            extent: unanswered(is_sent),
        }
    }

    /// The time was over. `is_sent` as with [`Destination::broken`].
    pub(crate) fn no_answer(&self, is_sent: bool) -> Failure {
        Failure {
            kind: Cow::Borrowed(TIMEOUT),
            words: format!(
                "{} did not answer within {:?}",
                self.address(),
                self.timeout
            ),
            extent: unanswered(is_sent),
        }
    }

    /// `otel.component.type` of the exporter of `item`.
    pub(crate) fn component(&self, item: Item) -> &'static str {
        match (self.protocol, item) {
            (Protocol::HttpProtobuf, Item::Span) => "otlp_http_span_exporter",
            (Protocol::HttpProtobuf, Item::LogRecord) => "otlp_http_log_exporter",
            (Protocol::HttpProtobuf, Item::DataPoint) => "otlp_http_metric_exporter",
            (Protocol::Grpc, Item::Span) => "otlp_grpc_span_exporter",
            (Protocol::Grpc, Item::LogRecord) => "otlp_grpc_log_exporter",
            (Protocol::Grpc, Item::DataPoint) => "otlp_grpc_metric_exporter",
        }
    }
}

fn unanswered(is_sent: bool) -> Extent {
    match is_sent {
        true => Extent::Unanswered,
        false => Extent::All,
    }
}

fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
