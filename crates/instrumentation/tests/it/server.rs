//! A service with all sorts of routes, and connections to it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use http::{Request, StatusCode};
use instrumentation::server::Layer;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::recorded::{Recorded, propagator};

pub(crate) fn layer(recorded: &Recorded) -> Layer<SdkTracer> {
    Layer::new(recorded.tracer(), &recorded.meter(), propagator())
}

/// Serves the router on a port of its own, until the runtime ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

pub(crate) fn router() -> Router {
    let inner = Router::new()
        .route("/items/{item}", get(|| async { "item" }))
        .nest("/deep", Router::new().route("/", get(|| async { "deep" })));
    let with_fallback = Router::new()
        .route("/known", get(|| async { "known" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "inner") });
    let files =
        tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>("file".into_response()) });
    Router::new()
        .route("/ok", get(|| async { "ok" }))
        .route(
            "/users/{id}",
            get(|| async { "user" }).post(|| async { StatusCode::CREATED }),
        )
        .route("/any", any(|| async { "any" }))
        .route("/upload", post(|body: String| async move { body }))
        .route("/absent", get(|| async { StatusCode::NOT_FOUND }))
        .route("/moved", get(|| async { StatusCode::FOUND }))
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route(
            "/busy",
            get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "busy") }),
        )
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
        .nest("/inner", inner)
        .nest("/other", with_fallback)
        .nest_service("/files", files)
}

/// A handler that never answers, and the news that it was entered.
pub(crate) fn hanging() -> (Router, Arc<Notify>) {
    let entered = Arc::new(Notify::new());
    let news = entered.clone();
    let handler = move || async move {
        news.notify_one();
        std::future::pending::<()>().await;
    };
    (Router::new().route("/hang", get(handler)), entered)
}

/// Sends the bytes and reads until the peer closes; the status line's code, and the port that it was sent from.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> (u16, u16) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let port = stream.local_addr().unwrap().port();
    stream.write_all(request).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let response = String::from_utf8(response).unwrap();
    let status = response
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("{response:?}"));
    (status.parse().unwrap(), port)
}
