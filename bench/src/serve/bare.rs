//! No telemetry.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use reqwest::{Client, Url};

pub(super) async fn pong() -> Result<(), service::Error> {
    let answer = async || (StatusCode::OK, "pong");
    super::listen(Router::new().route("/pong", get(answer))).await
}

/// Asks the pong at `PONG_ENDPOINT`, with the same limits as ping.
pub(super) async fn ping() -> Result<(), service::Error> {
    let pong = crate::env("PONG_ENDPOINT").and_then(|value| value.into_string().ok());
    let pong = pong.ok_or("PONG_ENDPOINT is not set")?;
    let url = Url::parse(&format!("http://{pong}/pong"))?;
    let http = Client::builder()
        .timeout(Duration::from_secs(5))
        .no_proxy()
        .build()?;
    let router = Router::new()
        .route("/ping", get(ask))
        .with_state((http, url));
    super::listen(router).await
}

async fn ask(State((http, url)): State<(Client, Url)>) -> (StatusCode, &'static str) {
    let answer = async {
        http.get(url)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await
    };
    match answer.await {
        Ok(_) => (StatusCode::OK, "ok"),
        Err(_) => (StatusCode::BAD_GATEWAY, "no answer from pong"),
    }
}
