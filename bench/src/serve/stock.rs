//! What a careful user of the stock crates sets up: batch export by OTLP/HTTP, both W3C propagators, metrics for
//! Prometheus, `tracing` spans without source location, thread and timing, log lines as JSON without the spans' fields.
//! Sampler, endpoint, resource and batches are read from the environment by the SDK.

use axum::Router;
use axum_otel::{AxumOtelOnFailure, AxumOtelOnResponse, AxumOtelSpanCreator};
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use opentelemetry::global;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_instrumentation_tower::http::server::Layer as TowerLayer;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower_http::trace::TraceLayer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use super::handler;

/// opentelemetry-instrumentation-tower: span and metrics of every request, by the API, as its user makes the manual one.
pub(super) async fn tower() -> Result<(), service::Error> {
    serve(|traces| {
        let router = handler::by_api(&global::meter("manual"), traces.tracer("Pong"));
        router.layer(TowerLayer::new())
    })
    .await
}

/// axum-tracing-opentelemetry: a `tracing` span of every request; it has no metrics of requests.
pub(super) async fn axum_tracing() -> Result<(), service::Error> {
    serve(|_| handler::through_tracing(&global::meter("manual")).layer(OtelAxumLayer::default()))
        .await
}

/// axum-otel: the same, for tower-http's layer. Its event of each response is at DEBUG, and not printed.
pub(super) async fn axum_otel() -> Result<(), service::Error> {
    let layer = TraceLayer::new_for_http()
        .make_span_with(AxumOtelSpanCreator::new().level(tracing::Level::INFO))
        .on_response(AxumOtelOnResponse::new())
        .on_failure(AxumOtelOnFailure::new());
    serve(|_| handler::through_tracing(&global::meter("manual")).layer(layer)).await
}

async fn serve(app: impl FnOnce(&SdkTracerProvider) -> Router) -> Result<(), service::Error> {
    let propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ];
    global::set_text_map_propagator(TextMapCompositePropagator::new(propagators));
    let metrics = metrics()?;
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

    super::listen(app(&traces)).await?;
    tokio::task::spawn_blocking(move || {
        traces.shutdown()?;
        metrics.shutdown()
    })
    .await??;
    Ok(())
}

/// Metrics for Prometheus.
pub(super) fn metrics() -> Result<SdkMeterProvider, service::Error> {
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(prometheus::Registry::new())
        .build()?;
    Ok(SdkMeterProvider::builder().with_reader(exporter).build())
}
