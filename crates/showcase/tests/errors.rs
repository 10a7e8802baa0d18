//! What counts as an error: one definition, that of the conventions, in the alert, on the dashboards and on the page.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "parts/dashboards.rs"]
mod dashboards;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use backend::{Backend, Target};
use dashboards::{all, elements, text};
use instrumentation::server::Layer;
use serde_json::Value;
use service::{About, Readiness};
use telemetry::{Service, Settings};

const ORDERS: Service = Service {
    name: "Orders",
    version: "1.0.0",
};

const ABOUT: About = About {
    name: "orders",
    version: "1.0.0",
    summary: "Has bad days.",
    settings: &[],
    endpoints: &[],
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
    let router = service::operations(router, &ABOUT, telemetry.exposition(), Readiness::default());
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
    let start = std::time::Instant::now();
    // A point has what happened since the last one, so all is asked again until one has it all.
    let ratios = loop {
        for (path, _) in REQUESTS {
            ask(path).await;
        }
        let url = format!("http://{}/api/figures", backend.query());
        let figures = reqwest::get(url).await.unwrap().text().await.unwrap();
        let figures: Value = serde_json::from_str(&figures).unwrap();
        let points = elements(&figures["services"][0]["points"]);
        let found = points.last().map(|point| {
            let routes = elements(&point["routes"]);
            let routes =
                routes.map(|route| (text(&route["route"]).to_owned(), route["errors"].as_f64()));
            routes.collect::<Vec<_>>()
        });
        let found = found.unwrap_or_default();
        if found.len() == REQUESTS.len() && found.iter().all(|(_, errors)| errors.is_some()) {
            break found;
        }
        assert!(start.elapsed() < PATIENCE, "{figures:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
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

/// Selectors of the server's counts and buckets that pick some requests by how they ended.
fn selections(text: &str) -> Vec<&str> {
    text.split("http_server_request_duration_seconds")
        .skip(1)
        .filter_map(|rest| rest.split_once('{')?.1.split_once('}'))
        .flat_map(|(selector, _)| selector.split(','))
        .map(str::trim)
        .filter(|label| label.contains("error_type") || label.contains("status"))
        .collect()
}

#[test]
fn alert_and_dashboards_select_errors_by_one_definition() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prometheus/rules/ping-pong.yml");
    let rules = std::fs::read_to_string(rules).unwrap();
    assert_eq!(selections(&rules), ["error_type!=\"\""]);

    let mut panels = Vec::new();
    for dashboard in all() {
        for panel in dashboard.panels() {
            for target in elements(&panel["targets"]) {
                for selection in selections(text(&target["expr"])) {
                    assert_eq!(selection, "error_type!=\"\"", "{}", panel["title"]);
                    panels.push(text(&panel["title"]).to_owned());
                }
            }
        }
    }
    assert_eq!(panels, ["Errors", "Error ratio"]);
}
