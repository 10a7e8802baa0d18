//! Who calls: the two attributes of the manual metrics.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use opentelemetry::KeyValue;

/// Longer user agents are cut here: every distinct value is a series that stays until the process ends.
const USER_AGENT_LIMIT: usize = 256;

/// The caller of a request, as `remoteAddr` and `userAgent`.
///
/// The address has no port: with the port, every connection would be a series of its own.
#[derive(Clone, Debug)]
pub struct Caller {
    address: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
}

impl Caller {
    /// `remoteAddr`, the peer's IP address, and `userAgent`, the header's first 256 bytes. Empty where unknown.
    pub fn attributes(&self) -> [KeyValue; 2] {
        let address = self.address.map(|address| address.to_string());
        // A header may hold bytes that are no UTF-8, a label may not.
        let user_agent = String::from_utf8_lossy(self.user_agent()).into_owned();
        [
            KeyValue::new("remoteAddr", address.unwrap_or_default()),
            KeyValue::new("userAgent", user_agent),
        ]
    }

    /// To be kept: without the request's head, of which the header is a part.
    pub(crate) fn kept(&self) -> Self {
        let user_agent = HeaderValue::from_bytes(self.user_agent()).ok();
        Self {
            address: self.address,
            user_agent,
        }
    }

    fn user_agent(&self) -> &[u8] {
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        let user_agent = user_agent.unwrap_or_default();
        &user_agent[..user_agent.len().min(USER_AGENT_LIMIT)]
    }
}

/// Of the same attributes.
impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.user_agent() == other.user_agent()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            address: peer.map(|ConnectInfo(peer)| peer.ip().to_canonical()),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
        })
    }
}
