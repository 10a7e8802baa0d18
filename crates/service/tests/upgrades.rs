//! WebSockets are served, counted and drained.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod serving;
mod support;

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use service::{Limits, Readiness};
use serving::Serving;
use support::within;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

const SHORT: Duration = Duration::from_millis(200);

/// `/polite` says goodbye when the service stops, `/stubborn` does not.
fn app(readiness: Readiness) -> Router {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
    let polite =
        async |State(readiness): State<Readiness>, upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async move |mut socket| {
                readiness.draining().await;
                let goodbye = CloseFrame {
                    code: close_code::AWAY,
                    reason: "stopping".into(),
                };
                let _ = socket.send(Message::Close(Some(goodbye))).await;
            })
        };
    Router::new()
        .route("/polite", get(polite))
        .with_state(readiness)
        .route("/hello", get(async || "hello"))
        .route(
            "/stubborn",
            get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        )
}

async fn start(limits: Limits) -> Serving {
    let readiness = Readiness::default();
    Serving::start_with(app(readiness.clone()), limits, readiness).await
}

async fn websocket(serving: &Serving, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(serving.address).await.unwrap();
    let client = tokio_tungstenite::client_async(format!("ws://test{path}"), stream);
    within(client).await.unwrap().0
}

async fn echoes(websocket: &mut WebSocketStream<TcpStream>) -> bool {
    let message = tungstenite::Message::text("hello");
    websocket.send(message.clone()).await.unwrap();
    within(websocket.next()).await.unwrap().unwrap() == message
}

#[tokio::test]
async fn websocket_echoes_however_long_it_was_silent() {
    let limits = Limits {
        idle: Some(SHORT),
        answer: Some(SHORT),
        pause: Some(SHORT),
        ..Limits::default()
    };
    let serving = start(limits).await;
    let mut websocket = websocket(&serving, "/stubborn").await;
    assert!(echoes(&mut websocket).await);
    // Until the server has closed one that is idle, and given another the time in which it is cut.
    for _ in 0..2 {
        let mut idle = serving.client().await;
        assert_eq!(within(idle.get("/hello")).await.unwrap().status, 200);
        assert_eq!(within(idle.rest()).await, b"");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(echoes(&mut websocket).await);
}

#[tokio::test]
async fn websocket_counts_as_a_connection_until_it_ends() {
    let limits = Limits {
        connections: Some(1),
        ..Limits::default()
    };
    let serving = start(limits).await;
    // Also where answers say that the connection ends.
    let mut websocket = websocket(&serving, "/stubborn").await;
    assert!(echoes(&mut websocket).await);
    let mut client = serving.client().await;
    let waiting = tokio::spawn(async move { client.get("/hello").await.unwrap().status });
    tokio::time::sleep(5 * SHORT).await;
    assert!(!waiting.is_finished());
    assert!(echoes(&mut websocket).await, "it does not give way");
    drop(websocket);
    assert_eq!(within(waiting).await.unwrap(), 200);
}

#[tokio::test]
async fn websocket_handler_is_told_of_the_stop_and_the_client_by_it() {
    let mut serving = start(Limits::default()).await;
    let mut websocket = websocket(&serving, "/polite").await;
    serving.stop();
    let message = within(websocket.next()).await.unwrap().unwrap();
    let tungstenite::Message::Close(Some(goodbye)) = message else {
        panic!("{message:?}");
    };
    assert_eq!(u16::from(goodbye.code), close_code::AWAY);
    drop(websocket);
    serving.ended().await;
}

#[tokio::test]
async fn websocket_that_stays_is_cut_when_the_drain_has_lasted_its_limit() {
    let limits = Limits {
        drain: Some(SHORT),
        ..Limits::default()
    };
    let mut serving = start(limits).await;
    let mut websocket = websocket(&serving, "/stubborn").await;
    assert!(echoes(&mut websocket).await);
    serving.stop();
    serving.ended().await;
    let cut = within(websocket.next()).await;
    assert!(!matches!(cut, Some(Ok(_))), "{cut:?}");
}
