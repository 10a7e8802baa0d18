//! Who calls: the two attributes of the manual metrics.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use opentelemetry::KeyValue;

/// Longer user agents are cut here: every distinct value is a series that stays until the process ends.
const USER_AGENT_LIMIT: usize = 256;

/// The caller of a request, as `remoteAddr` and `userAgent`.
///
/// The address has no port: with the port, every connection would be a series of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    remote_addr: String,
    user_agent: String,
}

impl Caller {
    /// `remoteAddr`, the peer's IP address, and `userAgent`, the header's first 256 bytes. Empty where unknown.
    pub fn attributes(self) -> [KeyValue; 2] {
        [
            KeyValue::new("remoteAddr", self.remote_addr),
            KeyValue::new("userAgent", self.user_agent),
        ]
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = parts
            .headers
            .get(USER_AGENT)
            .map(|value| value.as_bytes())
            .unwrap_or_default();
        let user_agent = &user_agent[..user_agent.len().min(USER_AGENT_LIMIT)];
        Ok(Self {
            remote_addr: peer
                .map(|ConnectInfo(peer)| peer.ip().to_canonical().to_string())
                .unwrap_or_default(),
            // A header may hold bytes that are no UTF-8, a label may not.
            user_agent: String::from_utf8_lossy(user_agent).into_owned(),
        })
    }
}
