//! Two services in one test, each with telemetry of its own.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use axum::{Router, serve};
use instrumentation::server::Layer;
use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use telemetry::{Service, Settings, Telemetry, testing};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::{attributes, names, orders, request};

const STOCK: Service = Service::new("Stock", "2.0.0").with_namespace("shop");

fn stock(telemetry: &Telemetry) -> Router {
    let (tracer, meter) = (telemetry.tracer("Stock"), telemetry.meter("Stock"));
    let layer = Layer::new(tracer, &meter, telemetry.propagator());
    let answer = async || {
        tracing::info_span!("count").in_scope(|| tracing::info!("counted"));
        "3"
    };
    Router::new().route("/stock", get(answer)).layer(layer)
}

/// Handles each request of `app` with the subscriber of `telemetry`, on whichever thread that happens.
fn with_its_subscriber(app: Router, telemetry: &Telemetry) -> Router {
    let subscriber = Dispatch::new(telemetry.subscriber());
    app.layer(from_fn(move |request: Request, next: Next| {
        next.run(request).with_subscriber(subscriber.clone())
    }))
}

#[tokio::test]
async fn one_trace_spans_orders_and_stock_and_each_records_its_own_part() {
    let settings = Settings::default();
    let (stock_telemetry, in_stock) = testing::record(STOCK, &settings).unwrap();
    let (orders_telemetry, in_orders) = testing::record(orders::SERVICE, &settings).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = with_its_subscriber(stock(&stock_telemetry), &stock_telemetry);
    tokio::spawn(async { serve(listener, app).await.unwrap() });
    let app = orders::app(&orders_telemetry, &format!("http://{address}/stock"));
    let app = with_its_subscriber(app, &orders_telemetry);

    let request = request(Method::GET, "/orders/7/stock");
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);

    let orders = in_orders.spans();
    assert_eq!(
        names(&orders),
        ["GET", "stock_of", "GET /orders/{id}/stock"]
    );
    let [client, handler, server] = &orders[..] else {
        panic!("{orders:#?}")
    };
    // Stock's server span ends on the task of its connection.
    let stock = in_stock.wait_for_spans(2).await;
    assert_eq!(names(&stock), ["count", "GET /stock"]);
    let [count, stock_server] = &stock[..] else {
        panic!("{stock:#?}")
    };

    // The edges of the tree.
    let is_child = |child: &SpanData, parent: &SpanData| {
        child.parent_span_id == parent.span_context.span_id()
            && child.span_context.trace_id() == parent.span_context.trace_id()
    };
    assert!(is_child(handler, server));
    assert!(is_child(client, handler));
    assert!(is_child(stock_server, client) && stock_server.parent_span_is_remote);
    assert!(is_child(count, stock_server));

    // All attributes, kinds and states.
    let all = |span: &SpanData| (span.span_kind.clone(), span.status.clone());
    assert_eq!(all(server), (SpanKind::Server, Status::Unset));
    assert_eq!(
        attributes(server),
        expected(&[
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", "/orders/{id}/stock"),
            ("network.protocol.version", "1.1"),
            ("url.path", "/orders/7/stock"),
            ("url.scheme", "http"),
        ])
    );
    assert_eq!(all(handler), (SpanKind::Internal, Status::Unset));
    assert_eq!(attributes(handler), expected(&[("id", "7")]));
    assert_eq!(all(client), (SpanKind::Client, Status::Unset));
    let port = address.port().to_string();
    assert_eq!(
        attributes(client),
        expected(&[
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &port),
            ("network.protocol.version", "1.1"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("url.full", &format!("http://{address}/stock")),
        ])
    );

    // What was measured.
    let calls = in_orders.points("http.client.request.duration");
    let calls: Vec<_> = calls
        .into_iter()
        .map(|point| (point.attributes, point.count))
        .collect();
    let labels = vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("network.protocol.version", "1.1"),
        KeyValue::new("server.address", "127.0.0.1"),
        KeyValue::new("server.port", i64::from(address.port())),
    ];
    assert_eq!(calls, [(labels, Some(1))]);
    assert_eq!(in_stock.points("http.client.request.duration"), []);
    let name = in_stock.metrics().resource().get(&"service.name".into());
    assert_eq!(name, Some(Value::from("Stock")));

    // What was logged, and in which span.
    let records = in_orders.log_records();
    let [record] = &records[..] else {
        panic!("{records:#?}")
    };
    assert_eq!(record.body(), Some(&AnyValue::from("stock has answered")));
    let mut fields: Vec<_> = record.attributes_iter().cloned().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        fields,
        [("id".into(), 7.into()), ("status".into(), 200.into())]
    );
    let span = record.trace_context().unwrap();
    assert_eq!(span.span_id, handler.span_context.span_id());
    assert_eq!(span.trace_id, server.span_context.trace_id());
}

fn expected<'a>(attributes: &[(&'a str, &str)]) -> BTreeMap<&'a str, String> {
    let attributes = attributes.iter();
    attributes
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect()
}
