//! What a careful user of the stock crates sets up: batch export by OTLP/HTTP, both W3C propagators, metrics for
//! Prometheus, `tracing` spans without source location, thread and timing, log lines as JSON without the spans' fields.
//! Sampler, endpoint and resource are read from the environment by the SDK.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// The providers, until they are shut down.
pub(super) struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

pub(super) fn init() -> Result<Telemetry, service::Error> {
    let propagators: Vec<Box<dyn opentelemetry::propagation::TextMapPropagator + Send + Sync>> = vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ];
    global::set_text_map_propagator(TextMapCompositePropagator::new(propagators));
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(prometheus::Registry::new())
        .build()?;
    let metrics = SdkMeterProvider::builder().with_reader(exporter).build();
    global::set_meter_provider(metrics.clone());
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(SpanExporter::builder().with_http().build()?)
        .build();
    global::set_tracer_provider(traces.clone());

    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("Pong"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_level(false)
        .with_target(false)
        .with_filter(
            filter_fn(|metadata| metadata.is_span()).with_max_level_hint(LevelFilter::INFO),
        );
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_filter(filter_fn(|metadata| metadata.is_event()));
    let subscriber = Registry::default()
        .with(EnvFilter::new("info"))
        .with(spans)
        .with(lines);
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(Telemetry { traces, metrics })
}

impl Telemetry {
    pub(super) async fn shutdown(self) -> Result<(), service::Error> {
        tokio::task::spawn_blocking(move || {
            self.traces.shutdown()?;
            self.metrics.shutdown()
        })
        .await??;
        Ok(())
    }
}

#[derive(Clone)]
struct Pong {
    request_count: Counter<u64>,
    duration: Histogram<f64>,
}

async fn pong(
    State(pong): State<Pong>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> (StatusCode, &'static str) {
    let span = info_span!("pong-request", environment = "staging");
    async move {
        let started = Instant::now();
        let span = Span::current();
        span.add_event("Response success", vec![]);
        span.add_event("Update metrics", vec![]);
        let user_agent = headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok());
        let attributes = [
            KeyValue::new("remoteAddr", peer.ip().to_string()),
            KeyValue::new("userAgent", user_agent.unwrap_or_default().to_owned()),
        ];
        pong.request_count.add(1, &attributes);
        pong.duration
            .record(started.elapsed().as_secs_f64() * 1e3, &attributes);
        (StatusCode::OK, "pong")
    }
    .instrument(span)
    .await
}

/// The same handler as `pong`'s, before the layer.
pub(super) fn router() -> Router {
    let meter = global::meter("manual-instrumentation");
    let pong_state = Pong {
        request_count: meter
            .u64_counter("request_count")
            .with_unit("{request}")
            .build(),
        duration: meter.f64_histogram("duration").with_unit("ms").build(),
    };
    Router::new()
        .route("/pong", get(pong))
        .with_state(pong_state)
}
