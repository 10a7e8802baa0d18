//! Ping's way to pong: a pooled client that waits, reads and follows only so much.

use std::error::Error as _;
use std::time::Duration;

use axum::http::StatusCode;
use instrumentation::client::{Client, FetchError};
use reqwest::Url;
use telemetry::Tracer;
use thiserror::Error;

/// The `User-Agent` of the calls. Pong's span and metrics show it, so that the caller is known.
const AGENT: &str = concat!("ping/", env!("CARGO_PKG_VERSION"));

/// From the first byte sent to the last one read.
const LIMIT: Duration = Duration::from_secs(5);
const BODY_LIMIT: usize = 64 * 1024;

/// Asks pong. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Pong {
    client: Client<Tracer>,
    url: Url,
}

/// Why there is no answer. The sentences go to the caller: they name no address.
#[derive(Debug, Error)]
pub(crate) enum PongError {
    #[error("pong took too long to answer")]
    Timeout,
    #[error("pong answered {0}")]
    Status(StatusCode),
    #[error("pong's answer is too long")]
    TooLong,
    #[error("pong broke its answer off")]
    Broken,
    #[error("pong cannot be reached")]
    Unreachable,
}

impl PongError {
    /// RFC 9110: 504 where the answer came too late, 502 where it was none.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<FetchError> for PongError {
    fn from(error: FetchError) -> Self {
        match error {
            error if error.is_timeout() => Self::Timeout,
            FetchError::Body(_) => Self::Broken,
            FetchError::TooLong => Self::TooLong,
            _ => Self::Unreachable,
        }
    }
}

/// The client before it is instrumented. It keeps connections, and never waits for ever.
///
/// # Errors
///
/// The endpoint is https, but the machine has no CA certificates to verify it with.
pub(crate) fn http_client(endpoint: &Url) -> Result<reqwest::Client, service::Error> {
    let mut builder = reqwest::Client::builder();
    if endpoint.scheme() == "http" {
        // No certificate will be checked, and a machine that has none could not build the client at all.
        builder = builder.tls_certs_only([]);
    }
    builder
        .user_agent(AGENT)
        .timeout(LIMIT)
        // Pong closes a connection after 20 s without a request: a call must not just miss that.
        .pool_idle_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        // A proxy that is meant for the outside would see, and break, the calls to a neighbour.
        .no_proxy()
        .build()
        .map_err(|error| {
            let reason = error.source().map_or(error.to_string(), ToString::to_string);
            format!("pong's certificate could not be checked: {reason}; set SSL_CERT_FILE, or an http PONG_ENDPOINT").into()
        })
}

impl Pong {
    /// Asks `/pong` below `endpoint`.
    pub(crate) fn new(client: Client<Tracer>, endpoint: &Url) -> Self {
        let mut url = endpoint.clone();
        url.set_path(&format!("{}/pong", endpoint.path().trim_end_matches('/')));
        Self { client, url }
    }

    pub(crate) async fn get(&self) -> Result<(), PongError> {
        let request = self.client.get(self.url.clone());
        let response = request.fetch(BODY_LIMIT).await?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(PongError::Status(response.status()))
        }
    }
}
