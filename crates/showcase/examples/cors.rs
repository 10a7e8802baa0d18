//! A service that a page on another origin may call, and whose spans continue the page's trace.
//!
//! `cargo run -p showcase --example cors`, and then in the console of a page on `http://localhost:5173`:
//! `fetch("http://localhost:3000/orders", {headers: {traceparent: "00-…"}})`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::routing::get;
use instrumentation::server::Layer;
use telemetry::{Service, Settings, Tracer};
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env(&|name| std::env::var_os(name))?;
    let orders = Service::new("Orders", "1.0.0");
    let telemetry = telemetry::init(orders, &settings)?;
    let (tracer, meter) = (telemetry.tracer("Orders"), telemetry.meter("Orders"));
    let layer = Layer::new(tracer, &meter, telemetry.propagator());
    let app = app(HeaderValue::from_static("http://localhost:5173"), layer);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(service::shutdown_signal())
        .await?;
    telemetry.shutdown(Duration::from_secs(5)).await.report();
    Ok(())
}

/// The routes, for pages of `origin`.
pub(crate) fn app(origin: HeaderValue, layer: Layer<Tracer>) -> Router {
    let headers = ["traceparent", "tracestate", "baggage", "content-type"];
    let cors = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers.map(HeaderName::from_static));
    Router::new()
        .route("/orders", get(async || "[]"))
        .layer(cors)
        .layer(layer)
}
