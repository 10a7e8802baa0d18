//! SERVER spans, `http.server.request.duration` and `http.server.active_requests` for axum.
//!
//! | error.type | when |
//! | --- | --- |
//! | `500` … `599` | the status code that was answered |
//! | `cancelled` | the request, or its response body, was dropped before its end: the client hung up, or a time limit outside this layer struck |
//! | `panic` | the service panicked |
//! | `response_body` | the response body ended with an error |
//! | `_OTHER` | the service returned an error instead of a response; axum's never do |
//!
//! A client that leaves is an error here, unlike on the side of the caller. The exception that the conventions make for
//! an intended cancellation ([http-spans, *Status*][status]) is for "the HTTP client instrumentation" alone. For servers
//! the sentence before it holds: "HTTP request may fail if an error occurred preventing the client or server from
//! sending/receiving the request/response fully. When instrumentation detects such errors it SHOULD set span status to
//! `Error` and SHOULD set the `error.type` attribute." Nor can a server tell a caller's intent from a broken connection or
//! a deadline: to drop the request is all that hyper does in each case.
//!
//! [status]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status
//!
//! A request ends when the last of its response has been handed to the connection, or when it is dropped. Only a
//! body that has one to be waited for is watched: one that is empty, or known to be at most 64 KiB long, is ready
//! together with its headers, and the request ends with these.

mod body;
mod endpoint;
mod request;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use bytes::Bytes;
use opentelemetry::metrics::Meter;
use opentelemetry::trace::Tracer;
use pin_project_lite::pin_project;

use crate::Propagator;
use crate::exemplars::Exemplars;
use crate::failure::Failure;
use crate::method::Methods;
use endpoint::{Endpoints, Instruments};
use request::InFlight;

/// Instruments every request to the routes of a [`Router::layer`](axum::Router::layer), the fallback included.
///
/// Put it outermost, that is, add it last: what a layer outside of it answers, it does not see. Put it on the
/// outermost router: inside a nested one the path lacks its beginning.
///
/// `http.route` is axum's [`MatchedPath`](axum::extract::MatchedPath); the peer is
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo), so serve the router with
/// [`into_make_service_with_connect_info`](axum::Router::into_make_service_with_connect_info). What is not there is
/// left out.
///
/// While the service and its response body are polled, the span is the current one of
/// [`opentelemetry::Context`].
pub struct Layer<T>(Arc<Shared<T>>);

struct Shared<T> {
    tracer: Arc<T>,
    propagator: Propagator,
    endpoints: Endpoints,
}

impl<T> Layer<T> {
    /// Spans come from `tracer`, metrics from `meter`; their scope is what these two were made with, which should
    /// carry [`SCHEMA_URL`](crate::SCHEMA_URL). `propagator` extracts the caller's context.
    pub fn new(tracer: T, meter: &Meter, propagator: Propagator) -> Self {
        let endpoints = Endpoints::new(Instruments::new(meter), Methods::default());
        Self(Arc::new(Shared {
            tracer: Arc::new(tracer),
            propagator,
            endpoints,
        }))
    }

    /// Has the durations of sampled requests remembered as exemplars of `http.server.request.duration`. None: they are not.
    #[must_use]
    pub fn with_exemplars(self, exemplars: impl Into<Option<Exemplars>>) -> Self {
        Self(Arc::new(Shared {
            tracer: self.0.tracer.clone(),
            propagator: self.0.propagator.clone(),
            endpoints: self.0.endpoints.with_exemplars(exemplars.into()),
        }))
    }

    /// Replaces the methods that are a label of their own: RFC 9110's, `PATCH` and `QUERY` unless told otherwise. They
    /// are case-sensitive; all others are `_OTHER`. The first 64 count, which keeps tables and series bounded.
    ///
    /// The conventions ([http-spans, *HTTP server span*][known]): "If the HTTP instrumentation could end up converting
    /// valid HTTP request methods to `_OTHER`, then it MUST provide a way to override the list of known HTTP methods. If
    /// this override is done via environment variable, then the environment variable MUST be named
    /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` and support a comma-separated list of case-sensitive known HTTP methods.
    /// […] this list MUST be a full override of the default known methods". Reading the variable is left to the service,
    /// since this crate reads no environment.
    ///
    /// [known]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
    #[must_use]
    pub fn with_known_methods<M: Into<String>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        Self(Arc::new(Shared {
            tracer: self.0.tracer.clone(),
            propagator: self.0.propagator.clone(),
            endpoints: self.0.endpoints.with_methods(Methods::new(methods)),
        }))
    }
}

impl<T> Clone for Layer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S, T> tower_layer::Layer<S> for Layer<T> {
    type Service = Service<S, T>;

    fn layer(&self, inner: S) -> Service<S, T> {
        Service {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// The service that [`Layer`] makes of another one.
pub struct Service<S, T> {
    inner: S,
    shared: Arc<Shared<T>>,
}

impl<S: Clone, T> Clone for Service<S, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
        }
    }
}

impl<S, T, Q, B> tower_service::Service<http::Request<Q>> for Service<S, T>
where
    S: tower_service::Service<http::Request<Q>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Q>) -> Self::Future {
        let Shared {
            tracer,
            propagator,
            endpoints,
        } = &*self.shared;
        let mut in_flight = InFlight::start(&**tracer, &**propagator, endpoints, &request);
        let inner = in_flight.enter(|| self.inner.call(request));
        ResponseFuture {
            inner,
            in_flight: Some(in_flight),
        }
    }
}

pin_project! {
    /// The future of [`Service`]. To drop it is to cancel the request.
    pub struct ResponseFuture<F> {
        // Dropped first, so that the spans inside it end before the request's.
        #[pin]
        inner: F,
        in_flight: Option<InFlight>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(mut in_flight) = this.in_flight.take() else {
            // Polled after its end: whatever the service makes of that.
            let poll = this.inner.poll(cx);
            return poll.map_ok(|response| response.map(axum::body::Body::new));
        };
        match in_flight.enter(|| this.inner.poll(cx)) {
            Poll::Pending => {
                *this.in_flight = Some(in_flight);
                Poll::Pending
            }
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(body::respond(response, in_flight))),
            Poll::Ready(Err(error)) => {
                in_flight.fail(Failure::Other);
                Poll::Ready(Err(error))
            }
        }
    }
}
