//! Ping: `GET /ping` asks pong and answers `ok`. It shows each step of telemetry in a service that calls another one.
//!
//! [`run`] sets the telemetry up, serves, drains and flushes. [`app`] puts the automatic instrumentation around the
//! routes and the client. `handler` is the manual instrumentation.
//!
//! | span of one request | kind | made by |
//! | --- | --- | --- |
//! | `GET /ping` | SERVER | [`instrumentation::server`] |
//! | `ping-request` | INTERNAL | `handler` |
//! | `GET` | CLIENT | [`instrumentation::client`] |
//!
//! | metrics | made by |
//! | --- | --- |
//! | `http.server.*`, `http.client.*` | [`instrumentation`] |
//! | `request_count`, `duration` | `handler` |
//! | `process.*`, `tokio.*`, `otel.sdk.*` | [`telemetry`] |

mod caller;
mod handler;
mod pong;
mod settings;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use instrumentation::{client, server};
use opentelemetry::InstrumentationScope;
use service::{About, Endpoint, Error, Lookup, Readiness, Setting};
use telemetry::{Service, Telemetry};

use handler::{Ping, ping};
use pong::Pong;
pub use settings::Settings;

/// `service.name`, and the name of the tracer.
pub const NAME: &str = "Ping";

/// Scope of the metrics that `handler` makes.
const MANUAL: &str = "getting-started-opentelemetry-rust/ping/manual-instrumentation";

/// Draining takes up to five seconds, and Docker kills after ten.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// What `--help`, `--version` and `/` say.
pub const ABOUT: About = About {
    name: "ping",
    version: env!("CARGO_PKG_VERSION"),
    summary: "Asks pong, and tells OpenTelemetry about it.",
    telemetry: true,
    settings: &[
        Setting {
            variable: "ADDRESS",
            meaning: "where to listen",
            default: settings::DEFAULT_ADDRESS,
        },
        Setting {
            variable: "PONG_ENDPOINT",
            meaning: "pong's host:port, or an http(s) URL",
            default: settings::DEFAULT_PONG_ENDPOINT,
        },
    ],
    endpoints: &[Endpoint {
        request: "GET /ping",
        meaning: "asks pong; `ok`, 502 without a good answer, 504 after 5 s",
    }],
};

/// The life of ping: from its settings, which `env` looks up, until `stop` completes.
///
/// # Errors
///
/// A setting that is not understood, an address where it cannot listen, or telemetry that cannot be set up.
pub async fn run(env: Lookup<'_>, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let settings = Settings::from_env(env)?;
    // Before there is telemetry to end: what is wrong here is one line and nothing else.
    let listener = service::listen(settings.address).await?;
    let http = pong::http_client(&settings.pong_endpoint)?;
    let service = Service::new(NAME, ABOUT.version).with_namespace("ping-pong");
    let telemetry = telemetry::init(service, &settings.telemetry)?;

    let readiness = Readiness::default();
    let app = app(&settings, http, &telemetry, readiness.clone());
    tracing::info!("ping listens on http://{}", listener.local_addr()?);
    let limits = service::Limits {
        descriptors_per_request: 1, // for the call to pong
        ..service::Limits::default()
    };
    service::serve(listener, app, readiness, limits, stop).await;

    // The service has done its work: what telemetry lost is said, and is no failure of the service.
    telemetry.shutdown(FLUSH_LIMIT).await.report();
    Ok(())
}

/// Ping's routes, instrumented, and the operations routes, which are not. `http` is what pong is asked with.
pub fn app(
    settings: &Settings,
    http: reqwest::Client,
    telemetry: &Telemetry,
    readiness: Readiness,
) -> Router {
    let automatic = InstrumentationScope::builder(NAME)
        .with_schema_url(instrumentation::SCHEMA_URL)
        .build();
    let meter = telemetry.meter_with_scope(automatic);
    let mut layer = server::Layer::new(telemetry.tracer(NAME), &meter, telemetry.propagator())
        .with_exemplars(telemetry.exemplars());
    let mut client =
        client::Client::new(http, telemetry.tracer(NAME), &meter, telemetry.propagator())
            .with_exemplars(telemetry.exemplars());
    if let Some(methods) = &settings.telemetry.known_methods {
        layer = layer.with_known_methods(methods);
        client = client.with_known_methods(methods);
    }

    let pong = Pong::new(client, &settings.pong_endpoint);
    let router = Router::new()
        .route("/ping", get(ping))
        .with_state(Ping::new(pong, &telemetry.meter(MANUAL)))
        .layer(layer);
    let metrics = telemetry.exposition().map(openmetrics::route);
    service::operations(router, &ABOUT, metrics, readiness)
}

/// Asks the ping that `env` describes whether it is ready.
///
/// # Errors
///
/// A setting that is not understood, or that ping is not ready.
pub async fn healthcheck(env: Lookup<'_>) -> Result<(), Error> {
    service::healthcheck(Settings::from_env(env)?.address).await
}
