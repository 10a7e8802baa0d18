//! CLIENT spans, `http.client.request.duration` and the context in the headers, for reqwest.
//!
//! | error.type | when |
//! | --- | --- |
//! | `400` … `599` | the status code that was answered |
//! | `timeout` | any time limit of the client or the system |
//! | `dns` | the name was not resolved |
//! | `connection_refused`, `host_unreachable`, `network_unreachable`, `connect` | no connection; the last for any other reason |
//! | `tls` | the peer's certificate, or what it said instead of TLS, was not accepted |
//! | `connection_reset`, `connection_aborted`, `broken_pipe`, `incomplete_response` | the connection ended before the response did |
//! | `invalid_response` | what came is no HTTP |
//! | `response_too_long`, `response_body` | the response's body is longer than is read; failed for any other reason |
//! | `redirect` | too many of them, or one that the client's policy refuses |
//! | `request_body` | the request's body failed |
//! | `invalid_request` | reqwest cannot send such a request |
//! | `_OTHER` | anything else |
//!
//! By [`Client::fetch`] a request ends when its response has been read. By [`Client::execute`] it ends with the head of
//! the response: when the body is read is up to the caller, and what goes wrong then is not seen here. Redirects and retries that reqwest makes by itself are one request;
//! `url.full` and `server.*` are those that were asked for, status and peer those that answered last.
//!
//! # Cancelled, or too late
//!
//! A caller that drops the future cancels the request. That is no error: neither the span's status nor `error.type` is
//! set, on the span and in the metric, and there is no status code unless the response's head had arrived. The
//! conventions 1.44 ([http-spans, *Status*][status]): "If the HTTP client instrumentation can detect that the request was
//! cancelled intentionally by the caller (e.g., via context cancellation or an abort signal), the cancellation SHOULD NOT
//! be treated as an error: the span status SHOULD be left unset and `error.type` SHOULD NOT be set."
//!
//! A deadline is not such an intent, but `tokio::time::timeout` around a future only drops it, which cannot be told apart.
//! So let the client know the deadline, by [`Client::within`], [`Request::timeout_mut`](reqwest::Request::timeout_mut) or
//! [`ClientBuilder::timeout`](reqwest::ClientBuilder::timeout): a request that is late is then a `timeout` error.
//!
//! [status]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status

mod cause;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::context::FutureExt;
use opentelemetry::metrics::Meter;
use opentelemetry::trace::{Span, SpanKind, Tracer};
use opentelemetry::{Context, KeyValue};
use reqwest::{Request, Response, Url};

use self::cause::root_cause;
use crate::Propagator;
use crate::attribute::{
    HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT,
    NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_FULL,
};
use crate::cache::{Cache, hash};
use crate::exemplars::Exemplars;
use crate::failure::Failure;
use crate::headers::Sent;
use crate::method::{Method, Methods};
use crate::operation::{Operation, Start};
use crate::protocol::Version;
use crate::redaction;
use crate::series::{Outcome, RequestDuration, SeriesSet};
use crate::strings::{shared, shared_address};

/// A service calls a few servers. For one that calls more than these, series are looked up at each request.
const TARGETS: usize = 1024;

/// As many attributes as a span of a client can have.
const ATTRIBUTES: usize = 10;

/// A [`reqwest::Client`] whose requests are instrumented. Clones share everything.
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

/// One method at one server.
struct Target {
    method: Method,
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

impl<T> Client<T> {
    /// Sends with `http`. Spans come from `tracer`, metrics from `meter`; their scope is what these two were made
    /// with, which should carry [`SCHEMA_URL`](crate::SCHEMA_URL). `propagator` injects the context.
    pub fn new(http: reqwest::Client, tracer: T, meter: &Meter, propagator: Propagator) -> Self {
        let duration = RequestDuration::of_client(meter);
        let shared = Shared {
            http,
            tracer: Arc::new(tracer),
            methods: Methods::default(),
            propagator,
            duration,
            targets: Cache::new(TARGETS),
        };
        Self {
            shared: Arc::new(shared),
            limit: None,
        }
    }

    /// Has the durations of sampled requests remembered as exemplars of `http.client.request.duration`. None: they are not.
    #[must_use]
    pub fn with_exemplars(self, exemplars: impl Into<Option<Exemplars>>) -> Self {
        let duration = self.shared.duration.with_exemplars(exemplars.into());
        self.with(self.shared.methods.clone(), duration)
    }

    /// Replaces the methods that are a label of their own: RFC 9110's, `PATCH` and `QUERY` unless told otherwise. They
    /// are case-sensitive; all others are `_OTHER`. The first 64 count. See
    /// [`Layer::with_known_methods`](crate::server::Layer::with_known_methods).
    #[must_use]
    pub fn with_known_methods<M: Into<String>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        self.with(Methods::new(methods), self.shared.duration.clone())
    }

    fn with(&self, methods: Methods, duration: RequestDuration) -> Self {
        let shared = Shared {
            http: self.shared.http.clone(),
            tracer: self.shared.tracer.clone(),
            methods,
            propagator: self.shared.propagator.clone(),
            duration,
            targets: Cache::new(TARGETS),
        };
        Self {
            shared: Arc::new(shared),
            limit: self.limit,
        }
    }

    /// This client with a time limit: a request that takes longer, from the call until the last of the response's body
    /// is there, fails with an error whose `is_timeout` is true, and is recorded as `timeout`.
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
    /// The limit replaces [`ClientBuilder::timeout`](reqwest::ClientBuilder::timeout), as a request's own does; of the
    /// two the shorter counts. It holds after [`execute`](Self::execute) has returned too, when the caller reads the
    /// body, but what is late then is not recorded.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            shared: self.shared.clone(),
            limit: Some(limit),
        }
    }

    fn limit(&self, request: &mut Request) {
        let own = request.timeout_mut();
        *own = (*own).into_iter().chain(self.limit).min();
    }
}

impl<T> Client<T>
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    /// Sends the request, as [`reqwest::Client::execute`] does, and returns when the head of the response is there.
    ///
    /// The parent of the span is the current one of [`opentelemetry::Context`] when the future is first polled.
    /// The headers that the propagator writes (`traceparent`, …) are those of the new span, whatever `request`
    /// had in their place. Where telemetry is suppressed, the request is sent as it is.
    ///
    /// # Errors
    ///
    /// Those of reqwest, unchanged.
    pub async fn execute(&self, mut request: Request) -> Result<Response, reqwest::Error> {
        self.limit(&mut request);
        let parent = Context::current();
        if parent.is_telemetry_suppressed() {
            return self.shared.http.execute(request).await;
        }
        let mut call = self.shared.start(&request, &parent);
        let context = call.operation.context().clone();
        self.shared.inject(&context, &mut request);
        let result = self
            .shared
            .http
            .execute(request)
            .with_context(context)
            .await;
        match &result {
            Ok(response) => call.answered(response),
            Err(error) => call.failed(Failure::of(error), root_cause(error)),
        }
        result
    }

    /// As [`execute`](Self::execute), and reads the response's body, which is part of the request then: its time counts,
    /// and what goes wrong is on the span and in the metric.
    ///
    /// # Errors
    ///
    /// [`FetchError`]; a body of more than `limit` bytes is one.
    pub async fn fetch(
        &self,
        mut request: Request,
        limit: usize,
    ) -> Result<http::Response<Bytes>, FetchError> {
        self.limit(&mut request);
        let parent = Context::current();
        if parent.is_telemetry_suppressed() {
            let response = self.shared.http.execute(request).await;
            return read(response.map_err(FetchError::Request)?, limit).await;
        }
        let mut call = self.shared.start(&request, &parent);
        let context = call.operation.context().clone();
        self.shared.inject(&context, &mut request);
        let fetch = async {
            let response = self.shared.http.execute(request).await;
            let response = response.map_err(FetchError::Request)?;
            call.answered(&response);
            read(response, limit).await
        };
        let result = fetch.with_context(context).await;
        match &result {
            Ok(_) => {}
            Err(FetchError::Request(error)) => call.failed(Failure::of(error), root_cause(error)),
            Err(FetchError::Body(error)) => call.failed(Failure::of_body(error), root_cause(error)),
            Err(error @ FetchError::TooLong) => {
                call.failed(Failure::ResponseTooLong, error.to_string());
            }
        }
        result
    }
}

/// Why [`Client::fetch`] has no response.
#[derive(Debug)]
pub enum FetchError {
    /// There is not even the head of a response.
    Request(reqwest::Error),
    /// The body broke off, or did not come in time.
    Body(reqwest::Error),
    /// The body is longer than the caller wants to read.
    TooLong,
}

impl FetchError {
    /// Whether a time limit was over.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Request(error) | Self::Body(error) => error.is_timeout(),
            Self::TooLong => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request(_) => "no response",
            Self::Body(_) => "the response's body broke off",
            Self::TooLong => "the response's body is too long",
        })
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Request(error) | Self::Body(error) => Some(error),
            Self::TooLong => None,
        }
    }
}

/// The whole response. Read to its end, its connection can serve the next request.
async fn read(mut response: Response, limit: usize) -> Result<http::Response<Bytes>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(FetchError::Body)? {
        if chunk.len() > limit - body.len() {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(http::Response::from(response).map(|_| body.into()))
}

impl<T> Shared<T>
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    fn start(&self, request: &Request, parent: &Context) -> Call {
        let method = self.methods.of(request.method());
        let target = self.target(request.url(), method);
        let start = Start {
            kind: SpanKind::Client,
            name: self.methods.span_name(method),
            parent,
        };
        let sampling = || {
            let mut attributes = Vec::with_capacity(ATTRIBUTES);
            attributes.extend_from_slice(target.series.attributes());
            let url = redaction::url(request.url());
            attributes.push(KeyValue::new(URL_FULL, shared(url.as_bytes())));
            attributes
        };
        let operation = Operation::start(&*self.tracer, start, sampling, |span| {
            if !self.methods.is_known(method) {
                let original = request.method().as_str().to_owned();
                span.set_attribute(KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, original));
            }
        });
        Call {
            operation,
            target,
            outcome: Outcome::NOTHING,
            peer: None,
            description: Cow::Borrowed(""),
        }
    }

    fn target(&self, url: &Url, method: Method) -> Arc<Target> {
        let host = url.host_str().unwrap_or_default();
        // The brackets belong to the URL, not to the address.
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().unwrap_or_default();
        self.targets.with(
            hash(address.as_bytes())
                .wrapping_add(u64::from(port))
                .wrapping_add(method.position() as u64),
            |target| target.method == method && target.port == port && *target.address == *address,
            || Arc::new(self.make_target(method, address.into(), port)),
            Arc::clone,
        )
    }

    fn make_target(&self, method: Method, address: Arc<str>, port: u16) -> Target {
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
        // A header that is there but that the propagator does not write now would belong to another trace.
        if !headers.is_empty() {
            for field in self.propagator.fields() {
                headers.remove(field);
            }
        }
        self.propagator.inject_context(context, &mut Sent(headers));
    }
}

/// A request that was begun. Whoever drops it ends it: a caller who gives up leaves no open span, and no error.
struct Call {
    operation: Operation,
    target: Arc<Target>,
    outcome: Outcome,
    peer: Option<SocketAddr>,
    description: Cow<'static, str>,
}

impl Call {
    /// The head of the response is there.
    fn answered(&mut self, response: &Response) {
        self.peer = response.remote_addr();
        self.outcome.status = Some(response.status().as_u16());
        self.outcome.version = Some(Version::of(response.version()));
    }

    fn failed(&mut self, failure: Failure, description: String) {
        self.outcome.failure = Some(failure);
        self.description = Cow::Owned(description);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let description = std::mem::take(&mut self.description);
        let version = self.outcome.version.and_then(Version::label);
        let version = version.map(|version| KeyValue::new(NETWORK_PROTOCOL_VERSION, version));
        let peer = self.peer.map(|peer| {
            let address = shared_address(peer.ip());
            let port = i64::from(peer.port());
            [
                KeyValue::new(NETWORK_PEER_ADDRESS, address),
                KeyValue::new(NETWORK_PEER_PORT, port),
            ]
        });
        let rest = version.into_iter().chain(peer.into_iter().flatten());
        self.operation
            .end(&self.target.series, self.outcome, rest, || description);
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
                // Neighbouring ports and methods try the same places.
                let (host, port) = (number / 16, 8000 + number % 16);
                let url = Url::parse(&format!("http://host-{host}:{port}/")).unwrap();
                let target = client.shared.target(&url, method);
                assert_eq!(*target.address, *format!("host-{host}"));
                assert_eq!((usize::from(target.port), target.method), (port, method));
            }
        }
    }
}
