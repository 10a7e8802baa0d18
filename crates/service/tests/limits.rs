//! A client that a limit cuts is told so, and any limit can be switched off.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod serving;
mod support;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http_body::Frame;
use service::Limits;
use serving::Serving;
use support::{LIMIT, within};
use tokio::time::Sleep;

const SHORT: Duration = Duration::from_millis(200);

/// Longer than any limit of these tests, with the time until the server looks, and shorter than they wait.
const SLOW: Duration = Duration::from_secs(5);

/// Two pieces with a long pause between them: `first`, `second`.
struct Events {
    sent: u8,
    pause: Pin<Box<Sleep>>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text: &[u8] = match self.sent {
            0 => b"first",
            1 => {
                ready!(self.pause.as_mut().poll(context));
                b"second"
            }
            _ => return Poll::Ready(None),
        };
        self.sent += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text)))))
    }
}

fn app() -> Router {
    let slow = async || {
        tokio::time::sleep(SLOW).await;
        "slow"
    };
    let events = async || {
        Body::new(Events {
            sent: 0,
            pause: Box::pin(tokio::time::sleep(SLOW)),
        })
    };
    Router::new()
        .route("/slow", get(slow))
        .route("/events", get(events))
        .route(
            "/upload",
            post(async |body: Bytes| body.len().to_string()).get(async || "hello"),
        )
}

#[tokio::test]
async fn head_that_comes_too_slowly_is_answered_408_and_logged() {
    let limits = Limits {
        idle: Some(SHORT),
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut client = serving.client().await;
    client
        .send("GET /upload HTTP/1.1\r\nHost: t")
        .await
        .unwrap();
    let answer = within(client.answer()).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (408, true));
    assert_eq!(within(client.rest()).await, b"");
    serving.logs("idle", "200ms").await;
}

#[tokio::test]
async fn idle_connection_is_closed_without_an_answer_to_nothing() {
    let limits = Limits {
        idle: Some(SHORT),
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut client = serving.client().await;
    let upload = "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n";
    client.send(upload).await.unwrap();
    tokio::time::sleep(SHORT / 4).await;
    client.send("12345").await.unwrap();
    assert_eq!(within(client.answer()).await.unwrap().text(), "5");
    assert_eq!(within(client.rest()).await, b"");
}

#[tokio::test]
async fn handler_that_takes_too_long_is_answered_503_and_logged() {
    let limits = Limits {
        answer: Some(SHORT),
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut client = serving.client().await;
    let answer = within(client.get("/slow")).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (503, true));
    assert_eq!(within(serving.http2("/slow")).await, 503);
    serving.logs("answer", "200ms").await;
}

#[tokio::test]
async fn body_that_stops_half_way_is_answered_408() {
    let limits = Limits {
        answer: Some(SHORT),
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut client = serving.client().await;
    let half = "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345";
    client.send(half).await.unwrap();
    let answer = within(client.answer()).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (408, true));
    serving.logs("answer", "200ms").await;
}

#[tokio::test]
async fn body_that_is_too_large_is_answered_413_however_much_follows_and_logged() {
    let serving = Serving::start(app(), Limits::default()).await;
    // More than the kernel takes in before the server answers.
    let megabytes = "x".repeat(8 << 20);
    let mut client = serving.client().await;
    let head = format!("Content-Length: {}", megabytes.len());
    let chunked = format!("{:x}\r\n{megabytes}\r\n0\r\n\r\n", megabytes.len());
    for (head, body) in [
        (&*head, &megabytes),
        ("Transfer-Encoding: chunked", &chunked),
    ] {
        let head = format!("POST /upload HTTP/1.1\r\nHost: test\r\n{head}\r\n\r\n");
        client.send(head).await.unwrap();
        // A client that sends everything before it reads.
        within(client.send(body)).await.unwrap();
        assert_eq!(within(client.answer()).await.unwrap().status, 413);
        client = serving.client().await;
    }
    serving.logs("body_bytes", "65536").await;
}

#[tokio::test]
async fn head_that_is_too_large_is_answered_431_and_logged() {
    let serving = Serving::start(app(), Limits::default()).await;
    let mut client = serving.client().await;
    let large = format!("X: {}\r\n", "x".repeat(100_000));
    let answer = within(client.request("GET", "/upload", &large)).await;
    assert_eq!(answer.unwrap().status, 431);
    serving.logs("head_bytes", "16384").await;
}

#[tokio::test]
async fn answer_that_pauses_too_long_is_cut_and_logged() {
    let limits = Limits {
        pause: Some(SHORT),
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut client = serving.client().await;
    let request = "GET /events HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(request).await.unwrap();
    let received = within(client.rest()).await;
    let received = String::from_utf8(received).unwrap();
    assert!(received.ends_with("\r\nfirst\r\n"), "{received}");
    serving.logs("pause", "200ms").await;
}

#[tokio::test]
async fn partial_head_that_gives_way_to_others_is_answered_503() {
    let limits = Limits {
        connections: Some(1),
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut partial = serving.client().await;
    partial.send("GET /upload HTTP/1.1\r\n").await.unwrap();
    let mut other = serving.client().await;
    assert_eq!(within(other.get("/upload")).await.unwrap().status, 200);
    let answer = within(partial.answer()).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (503, true));
}

#[tokio::test]
async fn limits_that_are_off_cut_nobody() {
    let limits = Limits {
        connections: None,
        idle: None,
        head_bytes: None,
        body_bytes: None,
        answer: None,
        pause: None,
        half_closed: None,
        drain: None,
        http2_streams: None,
        http2_requests: None,
        http2_ping: None,
        ..Limits::default()
    };
    let serving = Serving::start(app(), limits).await;
    let mut idle = serving.client().await;
    idle.send("GET /upload HTTP/1.1\r\n").await.unwrap();
    let mut slow = serving.client().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let mut events = serving.client().await;
    let request = "GET /events HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    events.send(request).await.unwrap();

    let mut client = serving.client().await;
    let large = format!("X: {}\r\n", "x".repeat(1 << 20));
    let answer = within(client.request("GET", "/upload", &large)).await;
    assert_eq!(answer.unwrap().status, 200);
    // More than axum's extractors take by default.
    let body = "x".repeat(3 << 20);
    let length = body.len();
    client
        .send(format!(
            "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
        .unwrap();
    let answer = within(client.answer()).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "3145728"));

    assert_eq!(within(serving.http2("/slow")).await, 200);
    assert_eq!(within(slow.answer()).await.unwrap().text(), "slow");
    let events = String::from_utf8(within(events.rest()).await).unwrap();
    assert!(events.contains("second"), "{events}");
    idle.send("Host: test\r\n\r\n").await.unwrap();
    assert_eq!(within(idle.answer()).await.unwrap().status, 200);
    assert!(serving.log().is_empty(), "{:?}", serving.log());
    assert!(SLOW < LIMIT);
}
