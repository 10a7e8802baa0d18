//! The backend as its users see it: over real connections, with real exporters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod broken;
mod connections;
mod differences;
mod exporter;
mod figures;
mod file;
mod grpc;
mod junk;
mod live;
mod map;
mod metrics;
#[path = "../parts/mod.rs"]
mod parts;
#[path = "../parts/plain.rs"]
mod plain;
mod query;
mod receiver;
mod red;
mod sample;
mod search;
mod sql;
mod stop;
mod store;
mod views;
mod zipkin;

use std::{sync::LazyLock, time::Duration};

use backend::{Backend, Settings};
use parts::{field, gzip};

/// Generous: on a busy machine anything may take long.
const LIMIT: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    Settings::on_free_ports()
}

fn start() -> Backend {
    Backend::start(settings()).unwrap()
}

/// One for all, since making one reads the platform's certificates; without a pool, whose connections would belong to
/// the runtime of one test.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
});

/// A POST to `path`, with `headers`.
async fn post(
    backend: &Backend,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let request = CLIENT
        .post(format!("http://{}{path}", backend.otlp_http()))
        .body(body);
    headers
        .iter()
        .fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
        .send()
        .await
        .unwrap()
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
