//! Requests that do not end as they should: nothing may stay open, and both signals must say why.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use opentelemetry::trace::TraceContextExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::recorded::{Recorded, eventually, expected, text};
use crate::server::{hanging, layer, send, serve};

const HANG: &str = r#"GET /hang SERVER error: dropped before the whole response was sent
    client.address="127.0.0.1"
    error.type="cancelled"
    http.request.method="GET"
    http.route="/hang"
    network.peer.address="127.0.0.1"
    network.peer.port=PORT
    network.protocol.version="1.1"
    server.address="a"
    url.path="/hang"
    url.scheme="http""#;

#[tokio::test]
async fn client_that_hangs_up_leaves_no_active_request() {
    let recorded = Recorded::new();
    let (router, entered) = hanging();
    let address = serve(router.layer(layer(&recorded))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let port = stream.local_addr().unwrap().port().to_string();
    stream
        .write_all(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    let active = r#"http.server.active_requests {http.request.method="GET" url.scheme="http"}"#;
    assert_eq!(recorded.metrics(), format!("{active} 1"));
    assert_eq!(recorded.spans(), []);

    drop(stream);
    assert_eq!(
        text(&recorded.span().await),
        expected(HANG, &[("PORT", &port)])
    );
    let duration = r#"http.server.request.duration {error.type="cancelled" http.request.method="GET" http.route="/hang" network.protocol.version="1.1" url.scheme="http"}"#;
    assert_eq!(recorded.metrics(), format!("{active} 0\n{duration} 1"));
}

#[tokio::test]
async fn span_inside_a_cancelled_request_ends_before_it() {
    use opentelemetry::trace::Tracer;

    let recorded = Recorded::new();
    let (tracer, entered) = (recorded.tracer(), Arc::new(tokio::sync::Notify::new()));
    let news = entered.clone();
    let handler = move || async move {
        let _span = tracer.start("inside");
        news.notify_one();
        std::future::pending::<()>().await;
    };
    let service = Router::new()
        .route("/hang", get(handler))
        .layer(layer(&recorded));
    let request = Request::get("/hang").body(Body::empty()).unwrap();
    let task = tokio::spawn(service.oneshot(request));
    entered.notified().await;
    task.abort();
    let spans = recorded.ended(2).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["inside", "GET /hang"]);
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
}

#[tokio::test]
async fn panic_in_a_handler_ends_the_request_as_a_panic() {
    let recorded = Recorded::new();
    let router = Router::new().route("/panic", get(|| async { panic!("as it must") as &str }));
    let address = serve(router.layer(layer(&recorded))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let port = stream.local_addr().unwrap().port().to_string();
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // Closed or reset, without an answer.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");

    let span = r#"GET /panic SERVER error: the service panicked
        client.address="127.0.0.1"
        error.type="panic"
        http.request.method="GET"
        http.route="/panic"
        network.peer.address="127.0.0.1"
        network.peer.port=PORT
        network.protocol.version="1.1"
        server.address="a"
        url.path="/panic"
        url.scheme="http""#;
    assert_eq!(
        text(&recorded.span().await),
        expected(span, &[("PORT", &port)])
    );
    let metrics = r#"http.server.active_requests {http.request.method="GET" url.scheme="http"} 0
        http.server.request.duration {error.type="panic" http.request.method="GET" http.route="/panic" network.protocol.version="1.1" url.scheme="http"} 1"#;
    assert_eq!(recorded.metrics(), expected(metrics, &[]));
    // The next one is served.
    let (status, _) = send(address, b"GET /nowhere HTTP/1.0\r\n\r\n").await;
    assert_eq!(status, 404);
}

/// When the future is dropped, the unwinding is over.
#[tokio::test]
async fn panic_that_is_caught_outside_is_still_a_panic() {
    let recorded = Recorded::new();
    let router = Router::new().route("/panic", get(|| async { panic!("as it must") as &str }));
    let service = router.layer(layer(&recorded));
    let request = Request::get("/panic").body(Body::empty()).unwrap();
    let caught = tokio::spawn(service.oneshot(request)).await;
    assert!(caught.unwrap_err().is_panic());
    let metrics = r#"http.server.active_requests {http.request.method="GET" url.scheme="http"} 0
        http.server.request.duration {error.type="panic" http.request.method="GET" http.route="/panic" network.protocol.version="1.1" url.scheme="http"} 1"#;
    eventually(|| (recorded.metrics() == expected(metrics, &[])).then_some(())).await;
}

#[tokio::test]
async fn panic_leaves_no_context_behind() {
    let recorded = Recorded::new();
    let router = Router::new().route("/panic", get(|| async { panic!("as it must") as &str }));
    let service = router.layer(layer(&recorded));
    let request = Request::get("/panic").body(Body::empty()).unwrap();
    let call = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(
        service.oneshot(request),
    ));
    assert!(call.await.is_err());
    assert!(!opentelemetry::Context::current().has_active_span());
}

/// A service other than axum's can fail without a response.
#[tokio::test]
async fn error_of_the_service_ends_the_request_and_is_handed_on() {
    let recorded = Recorded::new();
    let inner =
        tower::service_fn(|_: Request<Body>| async { Err::<http::Response<Body>, _>("no") });
    let service = tower_layer::Layer::layer(&layer(&recorded), inner);
    let request = Request::get("http://a/x").body(Body::empty()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap_err(), "no");
    let span = r#"GET SERVER error: the service returned an error
        error.type="_OTHER"
        http.request.method="GET"
        network.protocol.version="1.1"
        server.address="a"
        server.port=80
        url.path="/x"
        url.scheme="http""#;
    assert_eq!(text(&recorded.span().await), expected(span, &[]));
    let metrics = r#"http.server.active_requests {http.request.method="GET" url.scheme="http"} 0
        http.server.request.duration {error.type="_OTHER" http.request.method="GET" network.protocol.version="1.1" url.scheme="http"} 1"#;
    assert_eq!(recorded.metrics(), expected(metrics, &[]));
}
