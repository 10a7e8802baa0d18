//! Pong: `GET /pong` answers `pong`. It shows each step of telemetry in a service that is called by another one.
//!
//! [`run`] sets the telemetry up, serves, drains and flushes. [`app`] puts the automatic instrumentation around the
//! routes. `handler` is the manual instrumentation.
//!
//! | span of one request | kind | made by |
//! | --- | --- | --- |
//! | `GET /pong` | SERVER | [`instrumentation::server`] |
//! | `pong-request` | INTERNAL | `handler` |
//!
//! | metrics | made by |
//! | --- | --- |
//! | `http.server.*` | [`instrumentation`] |
//! | `request_count`, `duration` | `handler` |
//! | `process.*`, `tokio.*`, `otel.sdk.*` | [`telemetry`] |

#[path = "../../ping/src/caller.rs"]
mod caller; // one file serves both services
mod handler;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use instrumentation::server;
use opentelemetry::InstrumentationScope;
use service::{About, Endpoint, Error, Lookup, Readiness, Setting};
use telemetry::{Service, Telemetry};

use handler::{Pong, pong};
pub use settings::Settings;

/// `service.name`, and the name of the tracer.
pub const NAME: &str = "Pong";

/// Scope of the metrics that `handler` makes.
const MANUAL: &str = "getting-started-opentelemetry-rust/pong/manual-instrumentation";

/// Draining takes up to five seconds, and Docker kills after ten.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// What `--help`, `--version` and `/` say.
pub const ABOUT: About = About {
    name: "pong",
    version: env!("CARGO_PKG_VERSION"),
    summary: "Answers ping, and tells OpenTelemetry about it.",
    telemetry: true,
    settings: &[
        Setting {
            variable: "ADDRESS",
            meaning: "where to listen",
            default: settings::DEFAULT_ADDRESS,
        },
        Setting {
            variable: "PONG_LATENCY",
            meaning: "how long answers take, 20ms or 10ms..80ms; from 30s on they are cut",
            default: settings::DEFAULT_LATENCY,
        },
        Setting {
            variable: "PONG_FAILURE_RATE",
            meaning: "share of answers that are 500, 0 to 1",
            default: settings::DEFAULT_FAILURE_RATE,
        },
    ],
    endpoints: &[Endpoint {
        request: "GET /pong",
        meaning: "`pong`, or what PONG_LATENCY and PONG_FAILURE_RATE make of it",
    }],
};

/// The life of pong: from its settings, which `env` looks up, until `stop` completes.
///
/// # Errors
///
/// A setting that is not understood, an address where it cannot listen, or telemetry that cannot be set up.
pub async fn run(env: Lookup<'_>, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let settings = Settings::from_env(env)?;
    // Before there is telemetry to end: a port in use is one line and nothing else.
    let listener = service::listen(settings.address).await?;
    let service = Service::new(NAME, ABOUT.version).with_namespace("ping-pong");
    let telemetry = telemetry::init(service, &settings.telemetry)?;

    let readiness = Readiness::default();
    let app = app(&settings, &telemetry, readiness.clone());
    tracing::info!("pong listens on http://{}", listener.local_addr()?);
    service::serve(listener, app, readiness, service::Limits::default(), stop).await;

    // The service has done its work: what telemetry lost is said, and is no failure of the service.
    telemetry.shutdown(FLUSH_LIMIT).await.report();
    Ok(())
}

/// Pong's routes, instrumented, and the operations routes, which are not.
pub fn app(settings: &Settings, telemetry: &Telemetry, readiness: Readiness) -> Router {
    let automatic = InstrumentationScope::builder(NAME)
        .with_schema_url(instrumentation::SCHEMA_URL)
        .build();
    let meter = telemetry.meter_with_scope(automatic);
    let mut layer = server::Layer::new(telemetry.tracer(NAME), &meter, telemetry.propagator())
        .with_exemplars(telemetry.exemplars());
    if let Some(methods) = &settings.telemetry.known_methods {
        layer = layer.with_known_methods(methods);
    }

    let mut router = Router::new()
        .route("/pong", get(pong))
        .with_state(Arc::new(Pong::new(
            settings,
            telemetry.tracer(NAME),
            &telemetry.meter(MANUAL),
        )));
    // Disabled, all it could do is hand the caller's context on, and pong calls nobody.
    if !telemetry.is_disabled() {
        router = router.layer(layer);
    }
    let metrics = telemetry.exposition().map(openmetrics::route);
    service::operations(router, &ABOUT, metrics, readiness)
}

/// Asks the pong that `env` describes whether it is ready.
///
/// # Errors
///
/// A setting that is not understood, or that pong is not ready.
pub async fn healthcheck(env: Lookup<'_>) -> Result<(), Error> {
    service::healthcheck(Settings::from_env(env)?.address).await
}
