//! What counts as an error on the page; `stack_files` holds the alert and the dashboards to the same definition.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "parts/within.rs"]
mod within;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use backend::{Backend, Target};
use instrumentation::server::Layer;
use serde_json::Value;
use service::{About, Readiness};
use telemetry::{Service, Settings};
use within::within;

const ORDERS: Service = Service::new("Orders", "1.0.0");

const ABOUT: About = About {
    name: "orders",
    version: "1.0.0",
    summary: "Has bad days.",
    settings: &[],
    endpoints: &[],
    telemetry: true,
};

/// A request of which route ends how: half of them in errors.
const REQUESTS: [(&str, bool); 6] = [
    ("/fine", false),
    ("/missing", false),
    ("/nowhere", false),
    ("/fails", true),
    ("/panics", true),
    ("/breaks-off", true),
];

const PATIENCE: Duration = Duration::from_secs(60);

/// Serves until the runtime ends.
async fn orders() -> SocketAddr {
    let env = |name: &str| (name == "OTEL_TRACES_EXPORTER").then(|| "none".into());
    let telemetry = telemetry::build(ORDERS, &Settings::from_env(&env).unwrap()).unwrap();
    let meter = telemetry.meter("orders");
    let layer = Layer::new(telemetry.tracer("Orders"), &meter, telemetry.propagator());
    let panics = async || -> &'static str { panic!("no stock") };
    let breaks_off = async || {
        let chunks = [
            Ok("the first half, "),
            Err(std::io::Error::other("no more")),
        ];
        axum::body::Body::from_stream(futures_util::stream::iter(chunks))
    };
    let router = Router::new()
        .route("/fine", get(async || "fine"))
        .route("/missing", get(async || StatusCode::NOT_FOUND))
        .route("/fails", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/panics", get(panics))
        .route("/breaks-off", get(breaks_off))
        .layer(layer);
    let metrics = telemetry.exposition().map(openmetrics::route);
    let router = service::operations(router, &ABOUT, metrics, Readiness::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, router).await.unwrap();
        drop(telemetry);
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_on_the_page_as_any_other_is_and_a_4xx_is_none() {
    let address = orders().await;
    let target = Target {
        name: "Orders".to_owned(),
        url: format!("http://{address}"),
    };
    let backend = Backend::start(backend::Settings {
        scraped: vec![target],
        ..backend::Settings::on_free_ports()
    })
    .unwrap();
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}")).await;
        // Neither a panic nor a body that breaks off is an answer.
        match answer {
            Ok(answer) => answer.text().await.is_ok(),
            Err(_) => false,
        }
    };
    // A point has what happened since the last one, so all is asked again until one has it all.
    let mut last = Value::Null;
    let ratios = within(PATIENCE, async || {
        for (path, _) in REQUESTS {
            ask(path).await;
        }
        let url = format!("http://{}/api/figures", backend.query());
        let figures = reqwest::get(url).await.unwrap().text().await.unwrap();
        last = serde_json::from_str(&figures).unwrap();
        let points = last["services"][0]["points"].as_array().unwrap();
        let routes = points.last()?["routes"].as_array().unwrap().iter();
        let found: Vec<_> = routes
            .map(|route| {
                (
                    route["route"].as_str().unwrap().to_owned(),
                    route["errors"].as_f64(),
                )
            })
            .collect();
        let is_whole =
            found.len() == REQUESTS.len() && found.iter().all(|(_, errors)| errors.is_some());
        is_whole.then_some(found)
    });
    let ratios = ratios.await;
    let ratios = ratios.unwrap_or_else(|| panic!("{last:#}"));
    for (path, is_error) in REQUESTS {
        let route = if path == "/nowhere" {
            "(no route)"
        } else {
            path
        };
        let ratio = ratios.iter().find(|(name, _)| name == route).unwrap().1;
        assert_eq!(ratio, Some(f64::from(u8::from(is_error))), "{path}");
    }
    backend.stop().await;
}
