//! A request says for which host it is, once (RFC 9112, section 3.2).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod serving;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use service::Limits;
use serving::Serving;
use support::within;

#[tokio::test]
async fn http1_request_without_exactly_one_valid_host_is_answered_400_and_not_handled() {
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    let app = Router::new().route(
        "/",
        get(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            "hello"
        }),
    );
    let serving = Serving::start(app, Limits::default()).await;
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET http://test/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n",
    ] {
        let mut client = serving.client().await;
        client.send(head).await.unwrap();
        let answer = within(client.answer()).await.unwrap();
        assert_eq!((answer.status, answer.says_close()), (400, true), "{head}");
    }
    assert_eq!(handled.load(Ordering::Relaxed), 0);

    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: xn--9ca.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a_b\r\n\r\n",
    ] {
        let mut client = serving.client().await;
        client.send(head).await.unwrap();
        assert_eq!(within(client.answer()).await.unwrap().status, 200, "{head}");
    }
    assert_eq!(within(serving.http2("/")).await, 200);
}
