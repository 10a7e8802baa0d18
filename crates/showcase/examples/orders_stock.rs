//! The same service, its SDK set up by the stock crates; of here it has the layer and the client alone: `docs/copy.md`, *Three
//! ways*.
//!
//! The exporters read `OTEL_EXPORTER_OTLP_ENDPOINT` themselves.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get};
use instrumentation::client::Client;
use instrumentation::server::Layer;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use reqwest::Url;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone)]
struct Orders {
    http: Client<SdkTracer>,
    stock: Url,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder().with_service_name("Orders").build();
    let traces = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(SpanExporter::builder().with_http().build()?)
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(LogExporter::builder().with_http().build()?)
        .build();
    let reader = PeriodicReader::builder(MetricExporter::builder().with_http().build()?);
    let metrics = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader.with_interval(Duration::from_secs(1)).build())
        .build();
    let (tracer, meter) = (traces.tracer("Orders"), metrics.meter("Orders"));
    // The exporters log too: without a level they would export what they say of their exports.
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(OpenTelemetryTracingBridge::new(&logs))
        .with(tracing_opentelemetry::layer().with_tracer(tracer.clone()))
        .init();

    let propagator = Arc::new(TraceContextPropagator::new());
    let layer = Layer::new(tracer.clone(), &meter, propagator.clone());
    let http = Client::new(reqwest::Client::new(), tracer, &meter, propagator);
    let stock = std::env::var("STOCK")?.parse()?;
    let job = tokio::spawn(count());
    let app = app(Orders { http, stock }).layer(layer);
    let address = std::env::var("ADDRESS").unwrap_or("127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stop())
    .await?;
    job.abort();
    // These block their thread, which the export must not need.
    tokio::task::spawn_blocking(move || {
        traces.shutdown()?;
        logs.shutdown()?;
        metrics.shutdown()
    })
    .await??;
    Ok(())
}

/// Ctrl-C, or SIGTERM, which is what Docker and Kubernetes send.
async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn app(orders: Orders) -> Router {
    Router::new()
        .route("/orders/{id}", get(order))
        .route("/live", any(live))
        .with_state(orders)
}

#[tracing::instrument(skip(orders), err)]
async fn order(State(orders): State<Orders>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    let answer = orders.http.get(orders.stock).send().await;
    let answer = answer.map_err(|_| StatusCode::BAD_GATEWAY)?;
    tracing::info!(id, status = answer.status().as_u16(), "stock has answered");
    Ok(format!("order {id}\n"))
}

async fn live(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        let _ = socket.send(Message::text("hello")).await;
    })
}

/// A job without a request: each round is a trace of its own.
async fn count() {
    let mut rounds = tokio::time::interval(Duration::from_secs(1));
    loop {
        rounds.tick().await;
        let _round = tracing::info_span!("count").entered();
        tracing::info!("stock was counted");
    }
}
