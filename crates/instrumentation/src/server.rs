//! SERVER spans, `http.server.request.duration` and `http.server.active_requests` for axum.
//!
//! A request starts with its head. It ends when the last byte of the response has been handed to the connection, or when
//! it is dropped. The layer watches only a body that has to be waited for: a body that is empty, or known to be at most
//! 64 KiB long, is ready together with its head, and the request ends with the head.
//!
//! | error.type | when |
//! | --- | --- |
//! | `500` … `599` | the status code of the response |
//! | `cancelled` | the request or its response body was dropped before its end: the client disconnected, or a time limit outside of this layer expired |
//! | `panic` | the service panicked |
//! | `response_body` | the response body ended with an error |
//! | `_OTHER` | the service returned an error instead of a response; axum's services never do |
//!
//! A client that disconnects is an error of the server's span. The conventions exempt an intended cancellation from being
//! an error ([http-spans, *Status*][status]), but only for "the HTTP client instrumentation". For servers the sentence
//! before it holds: "HTTP request may fail if an error occurred preventing the client or server from sending/receiving
//! the request/response fully. When instrumentation detects such errors it SHOULD set span status to `Error` and SHOULD
//! set the `error.type` attribute." A server also cannot tell an intent from a broken connection or a deadline, because
//! hyper drops the request in each case.
//!
//! [status]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status

mod body;
mod endpoint;
mod request;

use std::fmt;
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
/// Add it last, so that it is the outermost layer: it does not see a request that a layer outside of it answers. Add it to
/// the outermost router: inside a nested router the path lacks its beginning.
///
/// `http.route` is axum's [`MatchedPath`](axum::extract::MatchedPath). The peer is
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo), so serve the router with
/// [`into_make_service_with_connect_info`](axum::Router::into_make_service_with_connect_info). An extension that is
/// missing leaves its attributes out.
///
/// The request's span is the current one of [`opentelemetry::Context`] while the service and its response body are polled,
/// so spans of handlers become its children.
#[derive(Debug)]
pub struct Layer<T>(Arc<Shared<T>>);

struct Shared<T> {
    tracer: Arc<T>,
    propagator: Propagator,
    endpoints: Endpoints,
}

impl<T> Layer<T> {
    /// Makes spans with `tracer` and metrics with `meter`, and extracts the caller's context with `propagator`.
    ///
    /// The scope of spans and metrics is the one that `tracer` and `meter` were made with. It should carry
    /// [`SCHEMA_URL`](crate::SCHEMA_URL).
    pub fn new(tracer: T, meter: &Meter, propagator: Propagator) -> Self {
        Self(Arc::new(Shared {
            tracer: Arc::new(tracer),
            propagator,
            endpoints: Endpoints::new(Instruments::new(meter)),
        }))
    }

    /// Keeps the durations of sampled requests as exemplars of `http.server.request.duration`. `None`, the default, keeps
    /// none.
    #[must_use]
    pub fn with_exemplars(self, exemplars: impl Into<Option<Exemplars>>) -> Self {
        self.with(|instruments| instruments.duration.exemplars = exemplars.into())
    }

    /// Replaces the known methods, which are those of RFC 9110, `PATCH` and `QUERY` by default.
    ///
    /// A known method is a value of `http.request.method`; all others are `_OTHER`. Methods are case-sensitive. Only the
    /// first 64 count, which bounds the number of series.
    ///
    /// The conventions ([http-spans, *HTTP server span*][known]): "If the HTTP instrumentation could end up converting
    /// valid HTTP request methods to `_OTHER`, then it MUST provide a way to override the list of known HTTP methods. If
    /// this override is done via environment variable, then the environment variable MUST be named
    /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` and support a comma-separated list of case-sensitive known HTTP methods.
    /// […] this list MUST be a full override of the default known methods". This crate reads no environment, so the
    /// service has to read the variable.
    ///
    /// [known]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
    #[must_use]
    pub fn with_known_methods<M: Into<String>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        self.with(|instruments| instruments.methods = Methods::new(methods))
    }

    /// Starts anew with other instruments, because what is bound already has the labels of the old ones.
    fn with(self, change: impl FnOnce(&mut Instruments)) -> Self {
        let mut instruments = self.0.endpoints.instruments.clone();
        change(&mut instruments);
        Self(Arc::new(Shared {
            tracer: self.0.tracer.clone(),
            propagator: self.0.propagator.clone(),
            endpoints: Endpoints::new(instruments),
        }))
    }
}

impl<T> Clone for Layer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<S, T> tower_layer::Layer<S> for Layer<T> {
    type Service = Service<S, T>;

    fn layer(&self, inner: S) -> Service<S, T> {
        let layer = self.clone();
        Service { inner, layer }
    }
}

/// The service that [`Layer`] makes of another one.
#[derive(Debug)]
pub struct Service<S, T> {
    inner: S,
    layer: Layer<T>,
}

impl<S: Clone, T> Clone for Service<S, T> {
    fn clone(&self) -> Self {
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Self { inner, layer }
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
        } = &*self.layer.0;
        let mut in_flight = InFlight::start(&**tracer, &**propagator, endpoints, &request);
        let inner = in_flight.enter(|| self.inner.call(request));
        ResponseFuture {
            inner,
            in_flight: Some(in_flight),
        }
    }
}

pin_project! {
    /// The future of [`Service`]. Dropping it cancels the request.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // Dropped first, so that spans inside of it end before the request's span.
        #[pin]
        inner: F,
        // `None` once the response is out.
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
            // Polled after its end. The inner future decides what that means.
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
                in_flight.fail(Failure::OTHER);
                Poll::Ready(Err(error))
            }
        }
    }
}
