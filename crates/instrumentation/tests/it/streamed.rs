//! Responses whose bodies come later than their heads.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use opentelemetry::trace::{TraceContextExt, Tracer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::recorded::{Recorded, eventually, expected, text};
use crate::server::{layer, send, serve};

const ACTIVE: &str = r#"http.server.active_requests {http.request.method="GET" url.scheme="http"}"#;

/// A body whose frames the test sends.
fn body(mut frames: mpsc::UnboundedReceiver<Result<Frame<Bytes>, &'static str>>) -> Body {
    let frames = stream::poll_fn(move |cx| frames.poll_recv(cx));
    Body::new(StreamBody::new(frames))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// One answer with a body that comes from the sender, and everything recorded of it.
struct Streaming {
    recorded: Recorded,
    frames: mpsc::UnboundedSender<Result<Frame<Bytes>, &'static str>>,
    response: Response<Body>,
}

impl Streaming {
    async fn start(head: http::response::Builder) -> Self {
        let recorded = Recorded::new();
        let (frames, receiver) = mpsc::unbounded_channel();
        let response = head.body(body(receiver)).unwrap();
        let response = std::sync::Mutex::new(Some(response));
        let response = std::sync::Arc::new(response);
        let handler = move || async move { response.lock().unwrap().take().unwrap() };
        let service = Router::new()
            .route("/stream", get(handler))
            .layer(layer(&recorded));
        let request = Request::get("/stream").body(Body::empty()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        let streaming = Self {
            recorded,
            frames,
            response,
        };
        streaming.assert_open();
        streaming
    }

    async fn next(&mut self) -> Option<Result<Frame<Bytes>, axum::Error>> {
        self.response.frame().await
    }

    fn assert_open(&self) {
        assert_eq!(self.recorded.spans(), []);
        assert_eq!(self.recorded.metrics(), format!("{ACTIVE} 1"));
    }

    async fn assert_ended(&self, status: &str, attributes: &str) {
        let span = format!(
            r#"GET /stream SERVER{status}
               {attributes}
               http.request.method="GET"
               http.response.status_code=200
               http.route="/stream"
               network.protocol.version="1.1"
               url.path="/stream"
               url.scheme="http""#
        );
        let without_gap = |text: String| text.replace("\n\n", "\n");
        assert_eq!(
            text(&self.recorded.span().await),
            without_gap(expected(&span, &[]))
        );
        let duration = format!(
            r#"{attributes} http.request.method="GET" http.response.status_code=200 http.route="/stream" network.protocol.version="1.1" url.scheme="http""#
        );
        let duration = duration.trim();
        assert_eq!(
            self.recorded.metrics(),
            format!("{ACTIVE} 0\nhttp.server.request.duration {{{duration}}} 1")
        );
    }
}

#[tokio::test]
async fn streamed_response_ends_with_its_body() {
    let mut streaming = Streaming::start(Response::builder()).await;
    streaming.frames.send(data("one")).unwrap();
    streaming.next().await.unwrap().unwrap();
    streaming.assert_open();
    let Streaming {
        recorded,
        frames,
        response,
    } = streaming;
    drop(frames);
    let mut streaming = Streaming {
        recorded,
        frames: mpsc::unbounded_channel().0,
        response,
    };
    assert!(streaming.next().await.is_none());
    streaming.assert_ended("", "").await;
    // Asked once more, it counts once.
    assert!(streaming.next().await.is_none());
    drop(streaming.response);
    assert_eq!(streaming.recorded.spans().len(), 1);
}

#[tokio::test]
async fn streamed_response_that_is_dropped_is_cancelled() {
    let mut streaming = Streaming::start(Response::builder()).await;
    streaming.frames.send(data("one")).unwrap();
    streaming.next().await.unwrap().unwrap();
    streaming.response = Response::new(Body::empty());
    let status = " error: dropped before the whole response was sent";
    streaming
        .assert_ended(status, r#"error.type="cancelled""#)
        .await;
}

#[tokio::test]
async fn streamed_response_that_fails_says_so() {
    let mut streaming = Streaming::start(Response::builder()).await;
    streaming.frames.send(Err("disk full")).unwrap();
    assert_eq!(
        streaming.next().await.unwrap().unwrap_err().to_string(),
        "disk full"
    );
    let status = " error: the response body ended with an error";
    streaming
        .assert_ended(status, r#"error.type="response_body""#)
        .await;
}

#[tokio::test]
async fn streamed_response_ends_with_its_trailers() {
    let mut streaming = Streaming::start(Response::builder()).await;
    streaming
        .frames
        .send(Ok(Frame::trailers(HeaderMap::new())))
        .unwrap();
    streaming.next().await.unwrap().unwrap();
    streaming.assert_ended("", "").await;
}

/// The connection drops a body without asking for its end once it has all the bytes that were announced.
#[tokio::test]
async fn streamed_response_ends_with_the_last_byte_announced() {
    let head = Response::builder().header(CONTENT_LENGTH, "6");
    let mut streaming = Streaming::start(head).await;
    streaming.frames.send(data("one")).unwrap();
    streaming.next().await.unwrap().unwrap();
    streaming.assert_open();
    streaming.frames.send(data("two")).unwrap();
    streaming.next().await.unwrap().unwrap();
    streaming.assert_ended("", "").await;
}

#[tokio::test]
async fn large_body_of_known_length_ends_when_it_was_taken() {
    struct Halves(u64);
    impl http_body::Body for Halves {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 -= 40_000;
            std::task::Poll::Ready(Some(Ok(Frame::data(vec![0; 40_000].into()))))
        }
        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }
    let recorded = Recorded::new();
    let handler = || async { Response::new(Body::new(Halves(80_000))) };
    let service = Router::new()
        .route("/stream", get(handler))
        .layer(layer(&recorded));
    let request = Request::get("/stream").body(Body::empty()).unwrap();
    let mut response = service.oneshot(request).await.unwrap();
    assert_eq!(response.headers()[CONTENT_LENGTH], "80000");
    assert_eq!(response.body().size_hint().exact(), Some(80_000));
    response.frame().await.unwrap().unwrap();
    assert_eq!(recorded.spans(), []);
    response.frame().await.unwrap().unwrap();
    assert_eq!(recorded.spans().len(), 1);
    let metrics = recorded.metrics();
    drop(response);
    assert_eq!(recorded.metrics(), metrics);
}

/// What is in memory goes out with the head; there is nothing to wait for.
#[tokio::test]
async fn small_body_ends_with_the_head() {
    let recorded = Recorded::new();
    let service = Router::new()
        .route("/ok", get(|| async { "ok" }))
        .layer(layer(&recorded));
    let request = Request::get("/ok").body(Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(recorded.spans().len(), 1);
    assert_eq!(response.body().size_hint().exact(), Some(2));
    drop(response);
    assert_eq!(recorded.spans().len(), 1);
    assert!(!recorded.metrics().contains("error"));
}

/// Their bodies are not sent, so that nobody asks for their end.
#[tokio::test]
async fn response_without_a_body_ends_with_the_head() {
    for (method, status) in [
        (Method::HEAD, StatusCode::OK),
        (Method::GET, StatusCode::NO_CONTENT),
        (Method::GET, StatusCode::NOT_MODIFIED),
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS),
    ] {
        let recorded = Recorded::new();
        let handler = move || async move {
            (
                status,
                Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
            )
        };
        let service = Router::new()
            .route("/", any(handler))
            .layer(layer(&recorded));
        let request = Request::builder()
            .method(&method)
            .uri("/")
            .body(Body::empty())
            .unwrap();
        drop(service.oneshot(request).await.unwrap());
        let span = recorded.span().await;
        assert!(
            !text(&span).contains("error"),
            "{method} {status}: {}",
            text(&span)
        );
    }
}

/// A body that is at its end, though it does not say how long it was, is not asked for it either.
#[tokio::test]
async fn body_that_is_at_its_end_ends_with_the_head() {
    struct Over;
    impl http_body::Body for Over {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(None)
        }
        fn is_end_stream(&self) -> bool {
            true
        }
    }
    let recorded = Recorded::new();
    let handler = || async { Response::new(Body::new(Over)) };
    let service = Router::new()
        .route("/over", get(handler))
        .layer(layer(&recorded));
    let request = Request::get("/over").body(Body::empty()).unwrap();
    drop(service.oneshot(request).await.unwrap());
    let span = recorded.span().await;
    assert!(!text(&span).contains("error"), "{}", text(&span));
}

/// Over a real connection, where hyper decides when a body is done.
#[tokio::test]
async fn streamed_response_that_was_read_in_full_is_no_error() {
    let chunks = || stream::iter((0..5).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"chunk"))));
    for (headers, path) in [
        ("", "/chunked"),
        ("", "/announced"),
        ("", "/large"),
        ("Connection: close\r\n", "/chunked"),
    ] {
        let recorded = Recorded::new();
        let router = Router::new()
            .route(
                "/chunked",
                get(move || async move { Body::from_stream(chunks()) }),
            )
            .route(
                "/announced",
                get(move || async move { ([(CONTENT_LENGTH, "25")], Body::from_stream(chunks())) }),
            )
            .route(
                "/large",
                get(|| async { Body::new(Full::from(vec![0; 1_000_000])) }),
            );
        let address = serve(router.layer(layer(&recorded))).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The second request shows that the first was done.
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\nGET /end HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        let span = recorded.ended(1).await.remove(0);
        assert_eq!(
            text(&span).lines().next(),
            Some(&*format!("GET {path} SERVER")),
            "{headers}"
        );
        assert!(!recorded.metrics().contains("error"));
    }
}

#[tokio::test]
async fn client_that_hangs_up_while_a_response_streams_leaves_no_active_request() {
    let recorded = Recorded::new();
    let endless = || async {
        let chunks = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[0; 1000])));
        Body::from_stream(chunks.then(|chunk| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            chunk
        }))
    };
    let address = serve(
        Router::new()
            .route("/endless", get(endless))
            .layer(layer(&recorded)),
    )
    .await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    stream.read_exact(&mut [0; 2000]).await.unwrap();
    assert_eq!(recorded.spans(), []);
    drop(stream);
    let metrics = r#"http.server.active_requests {http.request.method="GET" url.scheme="http"} 0
        http.server.request.duration {error.type="cancelled" http.request.method="GET" http.response.status_code=200 http.route="/endless" network.protocol.version="1.1" url.scheme="http"} 1"#;
    let metrics = expected(metrics, &[]);
    eventually(|| (recorded.metrics() == metrics).then_some(())).await;
    assert_eq!(recorded.spans().len(), 1);
}

/// What a body does while it is made belongs to the request.
#[tokio::test]
async fn span_started_by_a_body_is_a_child_of_the_request() {
    let recorded = Recorded::new();
    let tracer = recorded.tracer();
    let handler = move || async move {
        let tracer = tracer.clone();
        Body::from_stream(stream::once(async move {
            drop(tracer.start("row"));
            Ok::<_, Infallible>("row")
        }))
    };
    let service = Router::new()
        .route("/rows", get(handler))
        .layer(layer(&recorded));
    let request = Request::get("/rows").body(Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert!(!opentelemetry::Context::current().has_active_span());
    let spans = recorded.ended(2).await;
    assert_eq!(spans[0].name, "row");
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
}

/// The clock of a span is the one of the metric, from arrival to the end of the body.
#[tokio::test]
async fn span_lasts_as_long_as_the_duration_says() {
    let recorded = Recorded::new();
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Body::from_stream(stream::once(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>("slow")
        }))
    };
    let address = serve(
        Router::new()
            .route("/slow", get(slow))
            .layer(layer(&recorded)),
    )
    .await;
    send(address, b"GET /slow HTTP/1.0\r\n\r\n").await;
    let span = recorded.span().await;
    let lasted = span.end_time.duration_since(span.start_time).unwrap();
    assert!(lasted >= Duration::from_millis(40), "{lasted:?}");
    // A clock on Windows ticks in steps of 100 ns.
    let difference = (lasted.as_secs_f64() - recorded.seconds()).abs();
    assert!(difference < 1e-6, "{lasted:?}, {}", recorded.seconds());
}
