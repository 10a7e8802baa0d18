//! A service that is not ours, with everything taken from here: `docs/copy.md`, *Three ways*.
//!
//! `GET /orders/{id}` asks `STOCK`, a URL, whether there is any; `/live` is a WebSocket; a job counts in the background.
//! `STOCK=http://localhost:8082/pong cargo run -p showcase --example orders`, beside `cargo run`.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get};
use instrumentation::client::Client;
use instrumentation::server::Layer;
use reqwest::Url;
use telemetry::{Service, Settings, Tracer};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Orders {
    http: Client<Tracer>,
    stock: Url,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env(&|name| std::env::var_os(name))?;
    let service = Service::new("Orders", "1.0.0").with_namespace("shop");
    let telemetry = telemetry::init(service, &settings)?;
    let (tracer, meter) = (telemetry.tracer("Orders"), telemetry.meter("Orders"));
    let layer = Layer::new(tracer.clone(), &meter, telemetry.propagator());
    let http = Client::new(
        reqwest::Client::new(),
        tracer,
        &meter,
        telemetry.propagator(),
    );

    let stock = std::env::var("STOCK")?.parse()?;
    let job = tokio::spawn(count());
    let app = app(Orders { http, stock }).layer(layer);
    let metrics = telemetry.exposition().map(openmetrics::route);
    let app = app.route("/metrics", metrics.unwrap_or_default());

    let address = std::env::var("ADDRESS").unwrap_or("127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(service::shutdown_signal())
    .await?;
    job.abort();
    telemetry.shutdown(Duration::from_secs(5)).await.report();
    Ok(())
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
