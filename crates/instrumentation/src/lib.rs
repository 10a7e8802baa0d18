//! Automatic telemetry of HTTP: a [`server::Layer`] for axum and a [`client::Client`] over reqwest, by the stable
//! [HTTP semantic conventions][conventions] 1.44.
//!
//! Without the layer a trace ends at the service's door: each service starts traces of its own, and there is neither a
//! request rate nor a latency to look at. Without the client the next service does not learn which trace a request
//! belongs to.
//!
//! The crate calls only the OpenTelemetry API. Give it a tracer, a meter and a propagator of any set-up of the SDK.
//!
//! # In an axum app
//!
//! Before:
//!
//! ```
//! use axum::{Router, routing::get};
//! use reqwest::{Client, Url};
//!
//! # async fn serve(listener: tokio::net::TcpListener, url: Url) -> std::io::Result<()> {
//! let client = Client::new();
//! let ping = move || async move {
//!     match client.get(url).send().await {
//!         Ok(_) => "ok",
//!         Err(_) => "pong cannot be reached",
//!     }
//! };
//! let app = Router::new().route("/ping", get(ping));
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! After:
//!
//! ```
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//!
//! use axum::{Router, routing::get};
//! use instrumentation::{Propagator, SCHEMA_URL, client::Client, server::Layer};
//! use opentelemetry::{InstrumentationScope, global, metrics::MeterProvider, trace::TracerProvider};
//! use opentelemetry_sdk::propagation::TraceContextPropagator;
//! use reqwest::Url;
//!
//! # async fn serve(listener: tokio::net::TcpListener, url: Url) -> std::io::Result<()> {
//! let scope = InstrumentationScope::builder("my-service").with_schema_url(SCHEMA_URL).build();
//! let tracer = || global::tracer_provider().tracer_with_scope(scope.clone());
//! let meter = global::meter_provider().meter_with_scope(scope.clone());
//! let propagator: Propagator = Arc::new(TraceContextPropagator::new());
//!
//! let client = Client::new(reqwest::Client::new(), tracer(), &meter, propagator.clone());
//! let ping = move || async move {
//!     match client.get(url).send().await {
//!         Ok(_) => "ok",
//!         Err(_) => "pong cannot be reached",
//!     }
//! };
//! let app = Router::new().route("/ping", get(ping));
//! let app = app.layer(Layer::new(tracer(), &meter, propagator)); // last, so that it is outermost
//! let app = app.into_make_service_with_connect_info::<SocketAddr>(); // the peer's address
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! # Spans
//!
//! Sections *HTTP server span* and *HTTP client span* of the conventions.
//!
//! | span | kind | name | starts | ends |
//! | --- | --- | --- | --- | --- |
//! | server | SERVER | `{method} {http.route}`, or `{method}` | with the head of the request | with the response's body; see [`server`] |
//! | client | CLIENT | `{method}` | before the request is sent | with the response's head, or its body; see [`client`] |
//!
//! `{method}` is `HTTP` for a method that is not known: see
//! [`Layer::with_known_methods`](server::Layer::with_known_methods).
//!
//! The status is Error for a 5xx status code, on a client also for 4xx, and for a request that failed. Otherwise it is
//! Unset, also for a request that the client's caller cancels. It has a description only if no status code tells the
//! reason.
//!
//! | attribute | server | client | when |
//! | --- | --- | --- | --- |
//! | `http.request.method` | required | required | always; `_OTHER` if it is not known |
//! | `http.request.method_original` | conditional | conditional | `http.request.method` is `_OTHER` |
//! | `http.route` | conditional | | a route matched |
//! | `url.path`, `url.scheme` | required | | always |
//! | `url.query` | conditional | | there is one; redacted |
//! | `url.full` | | required | always; redacted, without credentials |
//! | `server.address` | recommended | required | server: `:authority`, the target's host or `Host`; client: the URL's |
//! | `server.port` | conditional | required | server: if the address has one, or if the request names its scheme; client: always |
//! | `client.address` | recommended | | the peer is known. It is the peer's: `Forwarded` and the like are not trusted |
//! | `network.peer.address`, `network.peer.port` | recommended | recommended | the peer is known; client: once it has answered |
//! | `network.protocol.version` | recommended | recommended | client: once it has answered |
//! | `user_agent.original` | recommended | | the header is there |
//! | `http.response.status_code` | conditional | conditional | there is one |
//! | `error.type` | conditional | conditional | the request ended with an error; see [`server`], [`client`] |
//!
//! The attributes that the conventions name as important for sampling decisions are there when the span is created,
//! unless the parent is not sampled.
//!
//! Values of the query keys `AWSAccessKeyId`, `Signature`, `X-Amz-Credential`, `X-Amz-Security-Token`, `X-Amz-Signature`,
//! `X-Goog-Signature` and `sig` are replaced by `REDACTED`.
//!
//! # Metrics
//!
//! Sections *HTTP server* and *HTTP client* of the conventions' metrics.
//!
//! | instrument | unit | attributes |
//! | --- | --- | --- |
//! | `http.server.request.duration`, histogram | s | `http.request.method`, `url.scheme`; `http.route`, `http.response.status_code`, `network.protocol.version`, `error.type` as above |
//! | `http.server.active_requests`, up-down counter | {request} | `http.request.method`, `url.scheme` |
//! | `http.client.request.duration`, histogram | s | `http.request.method`, `server.address`, `server.port`; `http.response.status_code`, `network.protocol.version`, `error.type` as above |
//!
//! They count every request, sampled or not, however it ends. No label of the server has a value that a client can make
//! up: all unknown methods are one value, and a path that no route matches is none.
//!
//! # Cost
//!
//! A series is bound when it is first used, and is later found without a lock. Below an unsampled parent no attribute is
//! made. A request without a parent that the sampler rejects costs the attributes that the sampler may have looked at.
//!
//! [conventions]: https://opentelemetry.io/docs/specs/semconv/http/

// Each half alone leaves a part of the shared code unused.
#![cfg_attr(
    not(all(feature = "client", feature = "server")),
    allow(dead_code, unused_imports)
)]
// A type without `Debug` cannot be a field of a type that derives it.
#![warn(missing_debug_implementations)]

mod attribute;
#[cfg(feature = "client")]
pub mod client;
mod exemplars;
mod failure;
mod headers;
mod host;
mod method;
mod operation;
mod protocol;
mod redaction;
mod reuse;
mod series;
#[cfg(feature = "server")]
pub mod server;

use std::sync::Arc;

use opentelemetry::propagation::TextMapPropagator;

pub use exemplars::{Exemplars, Remember};

/// Reads the context from the headers of incoming requests, and writes it into those of outgoing ones.
pub type Propagator = Arc<dyn TextMapPropagator + Send + Sync>;

/// The version of the semantic conventions that this crate follows.
///
/// Give it to the scope of the tracer and the meter: a receiver of spans and metrics can then tell what their attributes
/// mean, and translate them between versions.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The snippets of the README.
#[cfg(all(doctest, feature = "client", feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
