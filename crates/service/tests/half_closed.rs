//! A client that closes its sending half still gets its answer; one that is gone does not keep its handler for long.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod serving;
mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http_body_util::StreamBody;
use service::Limits;
use serving::Serving;
use support::{eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SLOW: Duration = Duration::from_millis(500);

fn app() -> Router {
    let pieces = async || {
        let pieces = futures_util::stream::unfold(0, async |sent| {
            tokio::time::sleep(SLOW).await;
            let piece = Bytes::from_static(b"piece ");
            (sent < 3).then(|| {
                let frame = http_body::Frame::data(piece);
                (Ok::<_, std::convert::Infallible>(frame), sent + 1)
            })
        });
        Body::new(StreamBody::new(Box::pin(pieces)))
    };
    Router::new()
        .route(
            "/slow",
            get(async || {
                tokio::time::sleep(SLOW).await;
                "slow"
            }),
        )
        .route("/pieces", get(pieces))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
}

/// What comes back to a client that sends this and then no more, until the server closes.
async fn exchange(serving: &Serving, request: &str) -> String {
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn client_that_closes_its_sending_half_gets_its_answer() {
    let serving = Serving::start(app(), Limits::default()).await;
    for (request, end) in [
        ("GET /slow HTTP/1.0\r\n\r\n", "\r\n\r\nslow"),
        ("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n", "\r\n\r\nslow"),
        ("GET /pieces HTTP/1.0\r\n\r\n", "piece piece piece "),
        (
            "GET /pieces HTTP/1.1\r\nHost: test\r\n\r\n",
            "6\r\npiece \r\n0\r\n\r\n",
        ),
        (
            "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n12345",
            "\r\n\r\n5",
        ),
    ] {
        let answer = exchange(&serving, request).await;
        assert!(answer.contains(" 200 OK\r\n"), "{request} {answer}");
        assert!(answer.ends_with(end), "{request} {answer}");
    }
}

#[tokio::test]
async fn all_pipelined_requests_of_a_client_that_sends_no_more_are_answered() {
    let serving = Serving::start(app(), Limits::default()).await;
    let request = "GET /slow HTTP/1.1\r\nHost: test\r\n\r\n".repeat(3);
    let answers = exchange(&serving, &request).await;
    assert_eq!(answers.matches("\r\n\r\nslow").count(), 3, "{answers}");
}

#[tokio::test]
async fn body_whose_rest_will_not_come_is_not_waited_for() {
    let serving = Serving::start(app(), Limits::default()).await;
    let half = "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345";
    let answer = exchange(&serving, half).await;
    assert!(!answer.contains(" 200 OK"), "{answer}");
}

#[tokio::test]
async fn handler_of_a_client_that_is_gone_ends_when_its_limit_has_passed() {
    let held = Arc::new(());
    let seen = Arc::clone(&held);
    let hangs = async move || {
        let _seen = Arc::clone(&seen);
        std::future::pending::<()>().await;
    };
    let limits = Limits {
        half_closed: Some(Duration::from_millis(200)),
        ..Limits::default()
    };
    let serving = Serving::start(Router::new().route("/", get(hangs)), limits).await;
    let before = Arc::strong_count(&held);
    let mut client = serving.client().await;
    let request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(request).await.unwrap();
    eventually(async || Arc::strong_count(&held) > before).await;
    drop(client);
    eventually(async || Arc::strong_count(&held) <= before).await;
    assert!(serving.log().is_empty(), "{:?}", serving.log());
}
