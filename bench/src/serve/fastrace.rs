//! fastrace, three rows: as shipped, with fastrace-axum's layer and opentelemetry-otlp's exporter; with a layer that says
//! as much as ours and has its metrics; and with an encoder of its own beside that, as ours has one. Manual metrics are
//! OpenTelemetry's, as everywhere.
//!
//! It reads no baggage and no `tracestate`, has no sampler (callers decide), no exemplars, and attributes are texts: none
//! of that is added, so the last row is less than what ours does.
//!
//! A thread whose channel to fastrace's own thread is full keeps what does not fit until it makes its next span. When the
//! requests end, such spans stay there: the receiver never gets them, and they count as lost.

mod encoder;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::header::{HOST, USER_AGENT};
use axum::response::Response;
use axum::routing::Route;
use fastrace::collector::{Config, SpanContext};
use fastrace::future::{FutureExt, InSpan};
use fastrace::local::LocalSpan;
use fastrace::prelude::Span;
use fastrace_axum::{FastraceLayer, TRACEPARENT_HEADER};
use fastrace_opentelemetry::OpenTelemetryReporter;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use tower::Service;
use tower::layer::layer_fn;

use super::{handler, stock};
use encoder::Encoder;

/// fastrace-axum and the stock exporter.
pub(super) async fn shipped() -> Result<(), service::Error> {
    fastrace::set_reporter(stock_exporter()?, Config::default());
    serve(|router, _| router.layer(FastraceLayer::default())).await
}

/// Our attributes and metrics, and the stock exporter.
pub(super) async fn full() -> Result<(), service::Error> {
    fastrace::set_reporter(stock_exporter()?, Config::default());
    serve(instrumented).await
}

/// Our attributes and metrics, and an encoder from fastrace's spans to bytes.
pub(super) async fn encoded() -> Result<(), service::Error> {
    let encoder = tokio::task::spawn_blocking(Encoder::new).await??;
    fastrace::set_reporter(encoder, Config::default());
    serve(instrumented).await
}

fn stock_exporter() -> Result<OpenTelemetryReporter, service::Error> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let resource = Cow::Owned(Resource::builder().build());
    let scope = InstrumentationScope::builder("Pong").build();
    Ok(OpenTelemetryReporter::new(exporter, resource, scope))
}

async fn serve(
    layer: impl FnOnce(axum::Router, &Meter) -> axum::Router,
) -> Result<(), service::Error> {
    let metrics = stock::metrics()?;
    let meter = metrics.meter("manual");
    super::listen(layer(handler::by_fastrace(&meter), &meter)).await?;
    tokio::task::spawn_blocking(fastrace::flush).await?;
    metrics.shutdown()?;
    Ok(())
}

fn instrumented(router: axum::Router, meter: &Meter) -> axum::Router {
    let metrics = Arc::new(Metrics::new(meter));
    router.layer(layer_fn(move |inner: Route| Instrumented {
        inner,
        metrics: Arc::clone(&metrics),
    }))
}

/// Bound to the one route that there is.
struct Metrics {
    active: BoundUpDownCounter<i64>,
    duration: BoundHistogram<f64>,
}

impl Metrics {
    fn new(meter: &Meter) -> Self {
        let attributes = [
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("http.route", "/pong"),
            KeyValue::new("network.protocol.version", "1.1"),
            KeyValue::new("http.response.status_code", 200),
        ];
        let active = meter.i64_up_down_counter("http.server.active_requests");
        let duration = meter.f64_histogram("http.server.request.duration");
        Self {
            active: active.build().bind(&attributes[..2]),
            duration: duration.with_unit("s").build().bind(&attributes),
        }
    }
}

#[derive(Clone)]
struct Instrumented {
    inner: Route,
    metrics: Arc<Metrics>,
}

impl Service<Request> for Instrumented {
    type Response = Response;
    type Error = <Route as Service<Request>>::Error;
    type Future = InSpan<Answer<<Route as Service<Request>>::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let active = Active::new(Arc::clone(&self.metrics));
        let span = server_span(&request);
        let inner = self.inner.call(request);
        Answer { inner, active }.in_span(span)
    }
}

/// The attributes that ours has.
fn server_span(request: &Request) -> Span {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let parent = header(TRACEPARENT_HEADER).and_then(SpanContext::decode_w3c_traceparent);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let name = format!("{} {route}", request.method());
    Span::root(name, parent.unwrap_or_else(SpanContext::random)).with_properties(|| {
        let text = |text: &str| Cow::<'static, str>::Owned(text.to_owned());
        let host = header(HOST.as_str()).unwrap_or_default();
        let (host, port) = host.rsplit_once(':').unwrap_or((host, "80"));
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer_address = peer.map(|peer| peer.ip().to_string()).unwrap_or_default();
        let peer_port = peer.map(|peer| peer.port().to_string()).unwrap_or_default();
        [
            ("span.kind", Cow::Borrowed("server")),
            ("span.parent_span_is_remote", Cow::Borrowed("true")),
            ("http.request.method", text(request.method().as_str())),
            ("url.scheme", Cow::Borrowed("http")),
            ("url.path", text(request.uri().path())),
            ("http.route", text(route)),
            ("network.protocol.version", Cow::Borrowed("1.1")),
            ("server.address", text(host)),
            ("server.port", text(port)),
            ("client.address", text(&peer_address)),
            ("network.peer.address", peer_address.into()),
            ("network.peer.port", peer_port.into()),
            (
                "user_agent.original",
                text(header(USER_AGENT.as_str()).unwrap_or_default()),
            ),
        ]
    })
}

/// Counts as active until it is dropped.
struct Active {
    started: Instant,
    metrics: Arc<Metrics>,
}

impl Active {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.active.add(1);
        let started = Instant::now();
        Self { started, metrics }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.metrics.active.add(-1);
        let seconds = self.started.elapsed().as_secs_f64();
        self.metrics.duration.record(seconds);
    }
}

pin_project_lite::pin_project! {
    struct Answer<F> {
        #[pin]
        inner: F,
        active: Active,
    }
}

impl<F: Future<Output = Result<Response, E>>, E> Future for Answer<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answer = ready!(self.project().inner.poll(context));
        if let Ok(answer) = &answer {
            let status = answer.status().as_str().to_owned();
            LocalSpan::add_property(|| ("http.response.status_code", status));
        }
        Poll::Ready(answer)
    }
}
