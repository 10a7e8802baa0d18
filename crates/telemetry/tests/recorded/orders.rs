//! The service under test. Nothing in it is for tests: its telemetry is an argument.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::stream;
use instrumentation::{client, server};
use opentelemetry::metrics::Counter;
use reqwest::Url;
use telemetry::{Service, Telemetry, Tracer};
use tracing::Instrument;

pub(crate) const SERVICE: Service = Service::new("Orders", "1.0.0").with_namespace("shop");

#[derive(Clone)]
struct Orders {
    confirmed: Counter<u64>,
    http: client::Client<Tracer>,
    stock: Url,
}

/// | request | answer |
/// | --- | --- |
/// | `GET /orders` | all orders, as a stream |
/// | `GET /orders/{id}` | the order |
/// | `GET /orders/{id}/stock` | what `stock`, the URL of another service, says |
/// | `POST /orders/{id}/confirmation` | 202; a task goes on with it |
pub(crate) fn app(telemetry: &Telemetry, stock: &str) -> Router {
    let (tracer, meter) = (telemetry.tracer("Orders"), telemetry.meter("Orders"));
    // Stock speaks plain http. To read the machine's certificates would take most of the time of a test.
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let http = http.build().unwrap();
    let http = client::Client::new(http, tracer.clone(), &meter, telemetry.propagator());
    let orders = Orders {
        confirmed: meter.u64_counter("orders.confirmed").build(),
        http,
        stock: stock.parse().unwrap(),
    };
    Router::new()
        .route("/orders", get(all))
        .route("/orders/{id}", get(order))
        .route("/orders/{id}/stock", get(stock_of))
        .route("/orders/{id}/confirmation", post(confirm))
        .with_state(orders)
        .layer(server::Layer::new(tracer, &meter, telemetry.propagator()))
}

async fn all() -> Body {
    let orders = ["order 7\n", "order 8\n"].map(Ok::<_, Infallible>);
    Body::from_stream(stream::iter(orders))
}

#[tracing::instrument]
async fn order(Path(id): Path<u32>) -> String {
    tracing::info!(id, "order found");
    format!("order {id}\n")
}

#[tracing::instrument(skip(orders), err)]
async fn stock_of(State(orders): State<Orders>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    let answer = orders
        .http
        .get(orders.stock)
        .send()
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    tracing::info!(id, status = answer.status().as_u16(), "stock has answered");
    Ok(format!("order {id} is in stock\n"))
}

#[tracing::instrument(skip(orders))]
async fn confirm(State(orders): State<Orders>, Path(id): Path<u32>) -> StatusCode {
    let letter = async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tracing::info_span!("letter").in_scope(|| tracing::info!(id, "confirmed"));
        orders.confirmed.add(1, &[]);
    };
    tokio::spawn(letter.in_current_span());
    StatusCode::ACCEPTED
}
