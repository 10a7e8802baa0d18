//! CLIENT spans, `http.client.request.duration` and the context in the headers, for reqwest.
//!
//! [`Client`] has the verbs of [`reqwest::Client`], and each returns a [`RequestBuilder`]. Its two ways to send differ in
//! where a request ends:
//!
//! * [`RequestBuilder::send`] (and [`Client::execute`]) ends it with the head of the response. The caller decides whether
//!   and when to read the body, and an error while the body is read is not recorded.
//! * [`RequestBuilder::fetch`] (and [`Client::fetch`]) reads the body as well, up to a limit, and ends the request after
//!   it. The time that the body takes counts, and so does its failure.
//!
//! Redirects and retries that reqwest makes by itself are part of one request. `url.full` and `server.*` are those of the
//! URL that the caller asked for; status and peer are those of the last response.
//!
//! | error.type | when |
//! | --- | --- |
//! | `400` … `599` | the status code of the response |
//! | `timeout` | a time limit of the client or of the system expired |
//! | `dns` | the name was not resolved |
//! | `connection_refused`, `host_unreachable`, `network_unreachable`, `connect` | there was no connection; the last one is for all other reasons |
//! | `tls` | the peer's certificate was rejected, or the peer did not speak TLS |
//! | `connection_reset`, `connection_aborted`, `broken_pipe`, `incomplete_response` | the connection ended before the response did |
//! | `invalid_response` | the response is not HTTP |
//! | `response_too_long`, `response_body` | the response's body is longer than the limit; it failed for another reason |
//! | `redirect` | there were too many, or the client's policy refused one |
//! | `request_body` | the request's body failed |
//! | `invalid_request` | reqwest cannot send such a request |
//! | `_OTHER` | anything else |
//!
//! # Cancelled, or too late
//!
//! A caller that drops the future cancels the request. That is not an error: the span's status stays unset, neither the
//! span nor the metric has `error.type`, and there is a status code only if the head of the response had arrived. The
//! conventions 1.44 ([http-spans, *Status*][status]): "If the HTTP client instrumentation can detect that the request was
//! cancelled intentionally by the caller (e.g., via context cancellation or an abort signal), the cancellation SHOULD NOT
//! be treated as an error: the span status SHOULD be left unset and `error.type` SHOULD NOT be set."
//!
//! An expired deadline is an error. `tokio::time::timeout` around a future also just drops it, so the client cannot tell
//! the two apart. Set the deadline on the client or the request instead, with [`RequestBuilder::timeout`],
//! [`Client::within`] or [`ClientBuilder::timeout`](reqwest::ClientBuilder::timeout): a request that is late is then a
//! `timeout` error.
//!
//! [status]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status

mod call;
mod cause;
mod fetch;
mod request;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::context::FutureExt;
use opentelemetry::metrics::Meter;
use opentelemetry::trace::Tracer;
use opentelemetry::{Context, KeyValue};
use reqwest::{IntoUrl, Method, Request, Response, Url};

use self::call::Call;
pub use self::fetch::FetchError;
pub use self::request::RequestBuilder;
use crate::Propagator;
use crate::attribute::{HTTP_REQUEST_METHOD, SERVER_ADDRESS, SERVER_PORT};
use crate::exemplars::Exemplars;
use crate::headers::Sent;
use crate::method::{self, Methods};
use crate::reuse::{Cache, hash};
use crate::series::{RequestDuration, SeriesSet};

/// Pairs of method and server that are kept. A service calls few servers; for one that calls more than these, the
/// series are bound anew at each request.
const TARGETS: usize = 1024;

/// A [`reqwest::Client`] that makes a span for each request, measures it, and sends the context along.
///
/// Clones share everything.
///
/// ```
/// # async fn order<T>(client: instrumentation::client::Client<T>) -> Result<(), reqwest::Error>
/// # where T: opentelemetry::trace::Tracer, T::Span: Send + Sync + 'static {
/// let response = client
///     .post("http://stock:8082/orders")
///     .header("Content-Type", "application/json")
///     .body(r#"{"item": 7}"#)
///     .send()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client<T> {
    shared: Arc<Shared<T>>,
    limit: Option<Duration>,
}

struct Shared<T> {
    http: reqwest::Client,
    tracer: Arc<T>,
    methods: Methods,
    propagator: Propagator,
    duration: RequestDuration,
    targets: Cache<Arc<Target>>,
}

/// What all requests of one method to one server share.
struct Target {
    method: method::Method,
    address: Arc<str>,
    port: u16,
    series: SeriesSet,
}

impl<T> Clone for Client<T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            limit: self.limit,
        }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shared = f.debug_struct("Shared");
        shared.field("http", &self.http).finish_non_exhaustive()
    }
}

impl<T> Client<T> {
    /// Sends with `http`, makes spans with `tracer` and metrics with `meter`, and injects the context with `propagator`.
    ///
    /// The scope of spans and metrics is the one that `tracer` and `meter` were made with. It should carry
    /// [`SCHEMA_URL`](crate::SCHEMA_URL).
    pub fn new(http: reqwest::Client, tracer: T, meter: &Meter, propagator: Propagator) -> Self {
        let shared = Shared {
            http,
            tracer: Arc::new(tracer),
            methods: Methods::default(),
            propagator,
            duration: RequestDuration::of_client(meter),
            targets: Cache::new(TARGETS),
        };
        Self {
            shared: Arc::new(shared),
            limit: None,
        }
    }

    /// Keeps the durations of sampled requests as exemplars of `http.client.request.duration`. `None`, the default, keeps
    /// none.
    #[must_use]
    pub fn with_exemplars(self, exemplars: impl Into<Option<Exemplars>>) -> Self {
        self.with(|shared| shared.duration.exemplars = exemplars.into())
    }

    /// Replaces the known methods, which are those of RFC 9110, `PATCH` and `QUERY` by default.
    ///
    /// A known method is a value of `http.request.method`; all others are `_OTHER`. Methods are case-sensitive. Only the
    /// first 64 count. See [`Layer::with_known_methods`](crate::server::Layer::with_known_methods).
    #[must_use]
    pub fn with_known_methods<M: Into<String>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        self.with(|shared| shared.methods = Methods::new(methods))
    }

    /// Starts anew with other parts, because what is bound already has the labels of the old ones.
    fn with(self, change: impl FnOnce(&mut Shared<T>)) -> Self {
        let mut shared = Shared {
            http: self.shared.http.clone(),
            tracer: self.shared.tracer.clone(),
            methods: self.shared.methods.clone(),
            propagator: self.shared.propagator.clone(),
            duration: self.shared.duration.clone(),
            targets: Cache::new(TARGETS),
        };
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
            limit: self.limit,
        }
    }

    /// Returns this client with a time limit for each request.
    ///
    /// A request that takes longer, from the call until the last byte of the response's body, fails with an error whose
    /// `is_timeout` is true, and is recorded as `timeout`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use instrumentation::client::{Client, FetchError};
    /// # async fn ask<T>(client: Client<T>, request: reqwest::Request) -> Result<(), FetchError>
    /// # where T: opentelemetry::trace::Tracer, T::Span: Send + Sync + 'static {
    /// let limit = Duration::from_millis(100);
    /// let response = client.within(limit).fetch(request, 64 * 1024).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The limit replaces [`ClientBuilder::timeout`](reqwest::ClientBuilder::timeout). If the request has a limit of its
    /// own, the shorter of the two counts. The limit still holds when the caller reads the body after
    /// [`execute`](Self::execute), but a timeout at that point is not recorded.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            shared: self.shared.clone(),
            limit: Some(limit),
        }
    }

    /// Starts a `GET` request. See [`request`](Self::request).
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder<T> {
        self.request(Method::GET, url)
    }

    /// Starts a `HEAD` request. See [`request`](Self::request).
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder<T> {
        self.request(Method::HEAD, url)
    }

    /// Starts a `POST` request. See [`request`](Self::request).
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder<T> {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT` request. See [`request`](Self::request).
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder<T> {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH` request. See [`request`](Self::request).
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder<T> {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE` request. See [`request`](Self::request).
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder<T> {
        self.request(Method::DELETE, url)
    }

    /// Starts a request, which [`RequestBuilder::send`] or [`RequestBuilder::fetch`] sends.
    ///
    /// `url` is a text or a [`Url`]. As in reqwest, a text that is not a URL is an error of the call that sends.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder<T> {
        RequestBuilder::new(self.clone(), self.shared.http.request(method, url))
    }
}

impl<T> Client<T>
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    /// Sends the request as [`reqwest::Client::execute`] does, and returns when the head of the response has arrived.
    ///
    /// The span's parent is the current span of [`opentelemetry::Context`] when the future is first polled. The headers
    /// that the propagator writes (`traceparent`, …) are those of the new span, and replace those that `request` has. If
    /// telemetry is suppressed in the current context, the request is sent as it is and nothing is recorded.
    ///
    /// # Errors
    ///
    /// Those of reqwest, unchanged.
    pub async fn execute(&self, mut request: Request) -> Result<Response, reqwest::Error> {
        let (mut call, context) = self.start(&mut request);
        let answer = self.shared.http.execute(request).with_context(context);
        let answer = answer.await;
        if let Some(call) = &mut call {
            call.answered(&answer);
        }
        answer
    }

    /// Sends the request as [`execute`](Self::execute) does, and reads the body of the response as a part of the request:
    /// its time counts, and its failure is on the span and in the metric.
    ///
    /// # Errors
    ///
    /// [`FetchError`], also if the body is longer than `limit` bytes.
    pub async fn fetch(
        &self,
        mut request: Request,
        limit: usize,
    ) -> Result<http::Response<Bytes>, FetchError> {
        let (mut call, context) = self.start(&mut request);
        let fetched = async {
            let answer = self.shared.http.execute(request).await;
            if let Some(call) = &mut call {
                call.answered(&answer);
            }
            fetch::read(answer.map_err(FetchError::Request)?, limit).await
        };
        let fetched = fetched.with_context(context).await;
        if let Some(call) = &mut call {
            call.fetched(&fetched);
        }
        fetched
    }

    /// Starts the span, and puts the time limit and the context into the request. Returns the context to send it in. There
    /// is no call where telemetry is suppressed, as it is around an exporter: its requests must not make telemetry, which
    /// would have to be exported in turn.
    fn start(&self, request: &mut Request) -> (Option<Call>, Context) {
        let own = request.timeout_mut();
        *own = (*own).into_iter().chain(self.limit).min();
        let parent = Context::current();
        if parent.is_telemetry_suppressed() {
            return (None, parent);
        }
        let Shared {
            tracer, methods, ..
        } = &*self.shared;
        let method = methods.of(request.method());
        let target = self.shared.target(request.url(), method);
        let call = Call::start(&**tracer, methods, target, request, &parent);
        let context = call.context().clone();
        self.shared.inject(&context, request);
        (Some(call), context)
    }
}

impl<T> Shared<T> {
    fn target(&self, url: &Url, method: method::Method) -> Arc<Target> {
        let host = url.host_str().unwrap_or_default();
        // The brackets of IPv6 belong to the URL, not to the address.
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().unwrap_or_default();
        let hash = hash((address, port, method.position()));
        let is_wanted = |target: &Arc<Target>| {
            target.method == method && target.port == port && *target.address == *address
        };
        let make = || Arc::new(self.make_target(method, address.into(), port));
        self.targets.with(hash, is_wanted, make, Arc::clone)
    }

    fn make_target(&self, method: method::Method, address: Arc<str>, port: u16) -> Target {
        let attributes = vec![
            KeyValue::new(HTTP_REQUEST_METHOD, self.methods.label(method)),
            KeyValue::new(SERVER_ADDRESS, address.clone()),
            KeyValue::new(SERVER_PORT, i64::from(port)),
        ];
        Target {
            method,
            address,
            port,
            series: SeriesSet::new(self.duration.clone(), attributes),
        }
    }

    fn inject(&self, context: &Context, request: &mut Request) {
        let headers = request.headers_mut();
        // A header that the propagator does not overwrite, such as an old `tracestate`, would belong to another trace.
        if !headers.is_empty() {
            for field in self.propagator.fields() {
                headers.remove(field);
            }
        }
        self.propagator.inject_context(context, &mut Sent(headers));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::noop::NoopTracer;
    use opentelemetry_sdk::propagation::TraceContextPropagator;

    use super::*;

    #[test]
    fn more_targets_than_have_a_place_are_told_apart() {
        let http = reqwest::Client::new();
        let meter = opentelemetry::global::meter("test");
        let propagator = Arc::new(TraceContextPropagator::new());
        let client = Client::new(http, NoopTracer::new(), &meter, propagator);
        let methods = ["DELETE", "GET", "HEAD", "OPTIONS", "BREW"]
            .map(|name| http::Method::from_bytes(name.as_bytes()).unwrap())
            .map(|method| client.shared.methods.of(&method));
        for _ in 0..2 {
            for (number, method) in
                (0..TARGETS / 2).flat_map(|number| methods.map(|method| (number, method)))
            {
                // More keys than slots.
                let (host, port) = (number / 16, 8000 + number % 16);
                let url = Url::parse(&format!("http://host-{host}:{port}/")).unwrap();
                let target = client.shared.target(&url, method);
                assert_eq!(*target.address, *format!("host-{host}"));
                assert_eq!((usize::from(target.port), target.method), (port, method));
            }
        }
    }
}
