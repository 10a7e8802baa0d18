//! What telemetry of HTTP happens by itself: a [`server::Layer`] for axum and a [`client::Client`] over reqwest,
//! by the stable [HTTP semantic conventions][conventions] 1.44. It calls the OpenTelemetry API only: give it a tracer, a
//! meter and a propagator, whoever has set up the SDK.
//!
//! Without the layer a trace ends at the door: every service starts traces of its own, and there is neither a
//! request rate nor a latency to look at. Without the client the next service does not know whose trace it is in.
//!
//! # In an axum app
//!
//! Before:
//!
//! ```
//! use axum::{Router, routing::get};
//! use reqwest::{Client, Method, Request, Url};
//!
//! # async fn serve(listener: tokio::net::TcpListener, url: Url) -> std::io::Result<()> {
//! let client = Client::new();
//! let ping = move || async move {
//!     match client.execute(Request::new(Method::GET, url)).await {
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
//! use reqwest::{Method, Request, Url};
//!
//! # async fn serve(listener: tokio::net::TcpListener, url: Url) -> std::io::Result<()> {
//! let scope = InstrumentationScope::builder("my-service").with_schema_url(SCHEMA_URL).build();
//! let tracer = || global::tracer_provider().tracer_with_scope(scope.clone());
//! let meter = global::meter_provider().meter_with_scope(scope.clone());
//! let propagator: Propagator = Arc::new(TraceContextPropagator::new());
//!
//! let client = Client::new(reqwest::Client::new(), tracer(), &meter, propagator.clone());
//! let ping = move || async move {
//!     match client.execute(Request::new(Method::GET, url)).await {
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
//! | span | kind | name | starts | ends |
//! | --- | --- | --- | --- | --- |
//! | server | SERVER | `{method} {http.route}`, or `{method}` | when the head of the request is there | with the response's body; see [`server`] |
//! | client | CLIENT | `{method}` | before the request is sent | with the response's head, or its body; see [`client`] |
//!
//! `{method}` is `HTTP` for a method that is not known: see
//! [`Layer::with_known_methods`](server::Layer::with_known_methods). Status: Error for 5xx, on a client also for 4xx, and
//! for whatever failed; else Unset, also for what a client's caller cancels. A description is there where no status code says it.
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
//! | `server.port` | conditional | required | server: where the address has one, or where the request names its scheme; client: always |
//! | `client.address` | recommended | | the peer is known. It is the peer's: `Forwarded` and the like are not believed |
//! | `network.peer.address`, `network.peer.port` | recommended | recommended | the peer is known; client: once it answered |
//! | `network.protocol.version` | recommended | recommended | client: once there is an answer |
//! | `user_agent.original` | recommended | | the header is there |
//! | `http.response.status_code` | conditional | conditional | there is one |
//! | `error.type` | conditional | conditional | it ended with an error; see [`server`], [`client`] |
//!
//! Those that matter to samplers are there when the span is created, unless the parent is not sampled. Values of the query keys `AWSAccessKeyId`,
//! `Signature`, `X-Amz-Credential`, `X-Amz-Security-Token`, `X-Amz-Signature`, `X-Goog-Signature` and `sig` are
//! replaced by `REDACTED`.
//!
//! # Metrics
//!
//! | instrument | unit | attributes |
//! | --- | --- | --- |
//! | `http.server.request.duration`, histogram | s | `http.request.method`, `url.scheme`; `http.route`, `http.response.status_code`, `network.protocol.version`, `error.type` as above |
//! | `http.server.active_requests`, up-down counter | {request} | `http.request.method`, `url.scheme` |
//! | `http.client.request.duration`, histogram | s | `http.request.method`, `server.address`, `server.port`; `http.response.status_code`, `network.protocol.version`, `error.type` as above |
//!
//! They count every request, sampled or not, and whatever became of it. Nothing that a client of the server makes
//! up is a label: methods that are not known are one, paths that no route matched are one.
//!
//! # Cost
//!
//! Series are bound when they are first used, and found again without a lock; strings that come with every request
//! are shared. Where the parent is not sampled, no attribute is made; where there is no parent, a span that is not
//! recorded costs those that its sampler may have wanted to see.
//!
//! [conventions]: https://opentelemetry.io/docs/specs/semconv/http/

// One half uses less of what both share.
#![cfg_attr(not(all(feature = "client", feature = "server")), allow(dead_code))]

mod attribute;
mod cache;
#[cfg(feature = "client")]
pub mod client;
mod exemplars;
mod failure;
mod headers;
mod host;
mod method;
mod names;
mod operation;
mod protocol;
mod redaction;
mod series;
#[cfg(feature = "server")]
pub mod server;
mod strings;

use std::sync::Arc;

use opentelemetry::propagation::TextMapPropagator;

pub use exemplars::{Exemplars, Remember};

/// Reads the context out of the headers of requests that come in, and writes it into those that go out.
pub type Propagator = Arc<dyn TextMapPropagator + Send + Sync>;

/// The semantic conventions that are followed. To be given to the tracer and the meter, so that whoever receives
/// spans and metrics knows what their attributes mean.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";
