//! What is measured.

use axum::http::Method;
use opentelemetry::KeyValue;
use telemetry::{Settings, testing};
use tower::ServiceExt;

use crate::{orders, request};

#[tokio::test]
async fn each_order_is_counted_by_its_route() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    let app = orders::app(&telemetry, "http://stock.invalid");
    for path in ["/orders/7", "/orders/8", "/nothing"] {
        let request = request(Method::GET, path);
        app.clone().oneshot(request).await.unwrap();
    }

    let points = recorded.points("http.server.request.duration");
    let counts: Vec<_> = points
        .into_iter()
        .map(|point| (point.attributes, point.count))
        .collect();
    let method = KeyValue::new("http.request.method", "GET");
    let version = KeyValue::new("network.protocol.version", "1.1");
    let scheme = KeyValue::new("url.scheme", "http");
    assert_eq!(
        counts,
        [
            (
                vec![
                    method.clone(),
                    KeyValue::new("http.response.status_code", 200),
                    KeyValue::new("http.route", "/orders/{id}"),
                    version.clone(),
                    scheme.clone(),
                ],
                Some(2),
            ),
            (
                vec![
                    method,
                    KeyValue::new("http.response.status_code", 404),
                    version,
                    scheme,
                ],
                Some(1),
            ),
        ],
    );

    let page = telemetry.exposition().unwrap().encode(None).body;
    let page = String::from_utf8(page).unwrap();
    assert!(
        page.contains("http_server_request_duration_seconds_count{"),
        "{page}"
    );
}

#[test]
fn every_kind_of_instrument_has_points_sorted_by_their_attributes() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    let meter = telemetry.meter("Orders");
    let size = |size: &'static str| [KeyValue::new("z", 1), KeyValue::new("size", size)];
    let counter = meter.u64_counter("counter").build();
    counter.add(2, &size("small"));
    counter.add(1, &size("large"));
    meter.i64_up_down_counter("up_down").build().add(-3, &[]);
    meter.f64_gauge("gauge").build().record(0.5, &[]);
    let histogram = meter.u64_histogram("histogram").build();
    histogram.record(40, &[]);
    histogram.record(2, &[]);

    let all = |name: &str| -> Vec<_> {
        let points = recorded.points(name).into_iter();
        points
            .map(|point| (point.attributes, point.value, point.count))
            .collect()
    };
    let sorted = |size: &'static str| vec![KeyValue::new("size", size), KeyValue::new("z", 1)];
    assert_eq!(
        all("counter"),
        [(sorted("large"), 1.0, None), (sorted("small"), 2.0, None)]
    );
    assert_eq!(all("up_down"), [(vec![], -3.0, None)]);
    assert_eq!(all("gauge"), [(vec![], 0.5, None)]);
    assert_eq!(all("histogram"), [(vec![], 42.0, Some(2))]);
    assert_eq!(all("another"), []);
}
