//! Spans that end after the response.

use axum::body::to_bytes;
use axum::http::Method;
use telemetry::{Settings, testing};
use tower::ServiceExt;

use crate::{names, orders, request};

#[tokio::test]
async fn confirmation_goes_on_after_the_response_in_the_trace_of_its_request() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    let app = orders::app(&telemetry, "http://stock.invalid");
    let request = request(Method::POST, "/orders/7/confirmation");
    app.oneshot(request).await.unwrap();

    let spans = recorded.wait_for_spans(3).await;
    // The task holds the handler's span, which ends when both are done with it.
    assert_eq!(
        names(&spans),
        ["POST /orders/{id}/confirmation", "letter", "confirm"]
    );
    let [server, letter, confirm] = &spans[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(confirm.parent_span_id, server.span_context.span_id());
    assert_eq!(letter.parent_span_id, confirm.span_context.span_id());
}

#[tokio::test]
async fn server_span_ends_with_the_body() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    let app = orders::app(&telemetry, "http://stock.invalid");
    let request = request(Method::GET, "/orders");
    let response = app.oneshot(request).await.unwrap();
    assert!(recorded.spans().is_empty());
    to_bytes(response.into_body(), 1000).await.unwrap();
    assert_eq!(names(&recorded.spans()), ["GET /orders"]);
}

#[test]
fn executors_other_than_tokio_can_record_and_wait() {
    futures_executor::block_on(async {
        let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
        opentelemetry::trace::Tracer::start(&telemetry.tracer("Orders"), "span");
        assert_eq!(names(&recorded.wait_for_spans(1).await), ["span"]);
    });
}
