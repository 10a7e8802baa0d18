//! The caller of a request, which labels the manual metrics, and what is made once for each caller.
//!
//! Clients choose their `User-Agent`. Without the bound here, a client that sends a new one with each request would add
//! series until memory is full. Pong uses this file too.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use opentelemetry::KeyValue;

/// Bytes of a user agent that are kept.
const USER_AGENT_BYTES: usize = 256;

/// Callers with an attribute set of their own. A histogram's series takes 10 KiB of the exposition: the 2,000 that an
/// instrument may have would take 20 MiB.
const CALLERS: usize = 100;

/// Attribute of the series that all further callers share:
/// [metrics SDK, *Overflow attribute](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute).
const OVERFLOW: &str = "otel.metric.overflow";

/// The caller of a request. Extracted from the request by axum.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Without the port: with it, each connection would be a series.
    address: Option<IpAddr>,
    /// Shares the request's bytes, which are only copied for the first request of a caller.
    user_agent: Option<HeaderValue>,
}

impl Caller {
    /// The beginning of `User-Agent`, empty if it is unknown.
    fn user_agent(&self) -> &[u8] {
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        let user_agent = user_agent.unwrap_or_default();
        &user_agent[..user_agent.len().min(USER_AGENT_BYTES)]
    }

    /// `remoteAddr` and `userAgent`, each empty if it is unknown.
    fn attributes(&self) -> [KeyValue; 2] {
        let address = self
            .address
            .map(|address| address.to_canonical().to_string());
        // A header may hold bytes that are not UTF-8, an attribute may not.
        let user_agent = String::from_utf8_lossy(self.user_agent()).into_owned();
        [
            KeyValue::new("remoteAddr", address.unwrap_or_default()),
            KeyValue::new("userAgent", user_agent),
        ]
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            address: peer.map(|ConnectInfo(peer)| peer.ip()),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
        })
    }
}

/// A value for each caller: instruments that are bound to the caller's attributes, so that a request does not have
/// to build, sort and hash them.
///
/// The first hundred callers have a value each. All others share one, made with `otel.metric.overflow=true`, so that an
/// instrument has at most 101 series.
pub(crate) struct PerCaller<T> {
    make: Make<T>,
    /// A list, because to compare a few callers takes less time than a hash.
    made: Mutex<Vec<Made<T>>>,
    shared: OnceLock<Arc<T>>,
}

struct Made<T> {
    address: Option<IpAddr>,
    user_agent: Box<[u8]>,
    value: Arc<T>,
}

type Make<T> = Box<dyn Fn(&[KeyValue]) -> T + Send + Sync>;

impl<T> PerCaller<T> {
    /// `make` gets the attributes of a caller, or `otel.metric.overflow=true`.
    pub(crate) fn new(make: impl Fn(&[KeyValue]) -> T + Send + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            made: Mutex::default(),
            shared: OnceLock::new(),
        }
    }

    /// Returns the value for `caller`. Makes it if there is none yet.
    pub(crate) fn get(&self, caller: Caller) -> Arc<T> {
        let (address, user_agent) = (caller.address, caller.user_agent());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_caller =
            |made: &&Made<T>| made.address == address && *made.user_agent == *user_agent;
        if let Some(made) = made.iter().find(is_caller) {
            return Arc::clone(&made.value);
        }
        if made.len() >= CALLERS {
            let make = || Arc::new((self.make)(&[KeyValue::new(OVERFLOW, true)]));
            return Arc::clone(self.shared.get_or_init(make));
        }
        let value = Arc::new((self.make)(&caller.attributes()));
        made.push(Made {
            address,
            user_agent: user_agent.into(),
            value: Arc::clone(&value),
        });
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::Request;

    use super::*;

    async fn caller(address: [u8; 4], user_agent: &[u8]) -> Caller {
        let peer = ConnectInfo(SocketAddr::from((address, 1)));
        let request = Request::builder().header(USER_AGENT, user_agent);
        let (mut parts, ()) = request.extension(peer).body(()).unwrap().into_parts();
        let Ok(caller) = Caller::from_request_parts(&mut parts, &()).await;
        caller
    }

    /// Returns the values of the attributes as text, and counts how often it is called.
    fn counted() -> (PerCaller<String>, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let per_caller = PerCaller::new(move |attributes| {
            counter.fetch_add(1, Ordering::Relaxed);
            let values = attributes
                .iter()
                .map(|attribute| attribute.value.to_string());
            values.collect::<Vec<_>>().join(" ")
        });
        (per_caller, made)
    }

    #[tokio::test]
    async fn each_caller_has_its_own_which_is_made_once() {
        let (per_caller, made) = counted();
        let (here, there) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        for _ in 0..3 {
            for (address, user_agent, expected) in [
                (here, b"a", "127.0.0.1 a"),
                (here, b"b", "127.0.0.1 b"),
                (there, b"a", "127.0.0.2 a"),
            ] {
                let caller = caller(address, user_agent).await;
                assert_eq!(*per_caller.get(caller), expected);
            }
        }
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn callers_beyond_the_limit_share_one() {
        let (per_caller, made) = counted();
        for _ in 0..2 {
            for number in 0..CALLERS + 10 {
                let caller = caller([127, 0, 0, 1], number.to_string().as_bytes()).await;
                let expected = if number < CALLERS {
                    format!("127.0.0.1 {number}")
                } else {
                    "true".to_owned()
                };
                assert_eq!(*per_caller.get(caller), expected);
            }
        }
        assert_eq!(made.load(Ordering::Relaxed), CALLERS + 1);
    }

    #[tokio::test]
    async fn user_agent_is_cut_and_made_utf8() {
        let long = [&b"\xff"[..], &[b'x'; USER_AGENT_BYTES]].concat();
        let expected = format!("127.0.0.1 \u{fffd}{}", "x".repeat(USER_AGENT_BYTES - 1));
        let (per_caller, _) = counted();
        let caller = caller([127, 0, 0, 1], &long).await;
        assert_eq!(*per_caller.get(caller), expected);
    }
}
