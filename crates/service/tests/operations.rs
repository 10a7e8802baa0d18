//! The operations routes, asked through the router.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use openmetrics::Exposition;
use service::{About, Endpoint, Readiness};
use tower::ServiceExt;

const ABOUT: About = About {
    name: "greeter",
    version: "1.2.3",
    summary: "Says hello.",
    telemetry: true,
    settings: &[],
    endpoints: &[Endpoint {
        request: "GET /hello",
        meaning: "hello",
    }],
};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(app: &Router, request: axum::http::request::Builder) -> Answer {
    let answer = app
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

fn app(exposition: Option<Exposition>) -> Router {
    let router = Router::new().route("/hello", get(async || "hello"));
    let metrics = exposition.map(openmetrics::route);
    service::operations(router, &ABOUT, metrics, Readiness::default())
}

fn exposition() -> Exposition {
    let registry = prometheus::Registry::new();
    // Enough that compressing it is worth it.
    for name in ["first_total", "second_total", "third_total"] {
        let counter = prometheus::Counter::new(name, "x".repeat(200)).unwrap();
        registry.register(Box::new(counter)).unwrap();
    }
    Exposition::new(registry)
}

#[tokio::test]
async fn index_says_what_is_here() {
    let answer = ask(&app(None), Request::get("/")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header(CONTENT_TYPE),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        answer.text(),
        "greeter 1.2.3\n\
         Says hello.\n\
         \n\
         \x20 GET /hello    hello\n\
         \x20 GET /metrics  metrics, Prometheus text or OpenMetrics\n\
         \x20 GET /healthz  200 while the process lives\n\
         \x20 GET /readyz   200 while requests are wanted, 503 while it stops\n\
         \x20 GET /         this list\n"
    );
}

#[tokio::test]
async fn service_is_alive_and_ready() {
    let app = app(None);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(&app, Request::get(path)).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let app = app(Some(exposition()));
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        let get = ask(&app, Request::get(path)).await;
        let head = ask(&app, Request::head(path)).await;
        assert_eq!((head.status, &*head.body), (get.status, &b""[..]), "{path}");
        assert_eq!(
            head.header(CONTENT_TYPE),
            get.header(CONTENT_TYPE),
            "{path}"
        );
        assert_eq!(
            head.header(CONTENT_LENGTH),
            Some(&*get.body.len().to_string()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn other_methods_are_answered_405_with_allow() {
    let app = app(Some(exposition()));
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        for method in [
            Method::POST,
            Method::DELETE,
            Method::OPTIONS,
            Method::from_bytes(b"BREW").unwrap(),
        ] {
            let answer = ask(&app, Request::builder().method(&method).uri(path)).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(answer.header(ALLOW), Some("GET,HEAD"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_accept_prefers() {
    let app = app(Some(exposition()));
    let text = ask(&app, Request::get("/metrics")).await;
    assert_eq!(text.status, StatusCode::OK);
    assert!(
        text.header(CONTENT_TYPE)
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(text.text().contains("first_total"));

    // As one line and as two.
    let one = Request::get("/metrics").header(
        ACCEPT,
        "text/html, application/openmetrics-text;version=1.0.0",
    );
    let two = Request::get("/metrics")
        .header(ACCEPT, "text/html")
        .header(ACCEPT, "application/openmetrics-text;version=1.0.0");
    for request in [one, two] {
        let open = ask(&app, request).await;
        assert!(
            open.header(CONTENT_TYPE)
                .unwrap()
                .starts_with("application/openmetrics-text")
        );
        assert_eq!(open.header(VARY), Some("accept, accept-encoding"));
    }
}

#[tokio::test]
async fn metrics_are_compressed_only_for_whoever_wants_that() {
    let app = app(Some(exposition()));
    let plain = ask(&app, Request::get("/metrics")).await;
    assert_eq!(plain.header(CONTENT_ENCODING), None);
    for refused in ["identity", "gzip;q=0", "br"] {
        let answer = ask(
            &app,
            Request::get("/metrics").header(ACCEPT_ENCODING, refused),
        )
        .await;
        assert_eq!(
            (answer.header(CONTENT_ENCODING), &answer.body),
            (None, &plain.body),
            "{refused}"
        );
    }

    let packed = ask(
        &app,
        Request::get("/metrics").header(ACCEPT_ENCODING, "deflate, gzip;q=0.5"),
    )
    .await;
    assert_eq!(packed.header(CONTENT_ENCODING), Some("gzip"));
    let vary: Vec<_> = packed.headers.get_all(VARY).iter().collect();
    assert_eq!(vary, ["accept, accept-encoding"]);
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(&*packed.body),
        &mut unpacked,
    )
    .unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn metrics_are_404_with_the_reason_when_there_are_none() {
    let answer = ask(&app(None), Request::get("/metrics")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("OTEL_METRICS_EXPORTER"));
}

#[tokio::test]
async fn app_without_telemetry_lists_no_metrics_and_says_that_there_are_none() {
    let about = About {
        telemetry: false,
        ..ABOUT
    };
    let app = service::operations(Router::new(), &about, None, Readiness::default());
    let index = ask(&app, Request::get("/")).await;
    assert!(!index.text().contains("/metrics"), "{}", index.text());
    let answer = ask(&app, Request::get("/metrics")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.text(), "this service has no metrics\n");
}

#[tokio::test]
async fn operations_are_outside_of_the_layers_before_them() {
    let marked =
        Router::new()
            .route("/hello", get(async || "hello"))
            .layer(axum::middleware::map_response(async |_: Response| {
                StatusCode::IM_A_TEAPOT
            }));
    let app = service::operations(marked, &ABOUT, None, Readiness::default());
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        assert_ne!(
            ask(&app, Request::get(path)).await.status,
            StatusCode::IM_A_TEAPOT,
            "{path}"
        );
    }
    for path in ["/hello", "/nowhere"] {
        assert_eq!(
            ask(&app, Request::get(path)).await.status,
            StatusCode::IM_A_TEAPOT,
            "{path}"
        );
    }
}
