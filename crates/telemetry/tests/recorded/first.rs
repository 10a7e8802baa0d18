//! The first test.

use std::error::Error;

use axum::body::Body;
use axum::http::Request;
use telemetry::{Settings, testing};
use tower::ServiceExt;

use crate::{names, orders};

#[tokio::test]
async fn order_is_traced() -> Result<(), Box<dyn Error>> {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default())?;
    let _here = tracing::subscriber::set_default(telemetry.subscriber());

    let app = orders::app(&telemetry, "http://stock.invalid");
    let request = Request::get("/orders/7").body(Body::empty())?;
    let response = app.oneshot(request).await?;

    assert_eq!(response.status(), 200);
    assert_eq!(names(&recorded.spans()), ["order", "GET /orders/{id}"]);
    Ok(())
}
