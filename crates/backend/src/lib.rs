//! A small OpenTelemetry backend for one person's screen: a receiver of OTLP over HTTP and gRPC, and of Zipkin's
//! spans, and a bounded store of the traces that arrive, in memory.
//!
//! It is there to look at traces while developing, and for tests that want to know what a service really sends. It is
//! no store for a fleet: nothing is written to disk, the oldest traces go when the memory is full, and whoever can reach
//! the port can send. For that there is Jaeger with its storages, behind a Collector.
//!
//! ```
//! use std::time::Duration;
//!
//! use backend::{Backend, Settings};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = Backend::start(Settings::on_free_ports())?;
//!
//! // Any OpenTelemetry exporter does this.
//! let span = r#"{"resourceSpans": [{
//!     "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "Ping"}}]},
//!     "scopeSpans": [{"spans": [{
//!         "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
//!         "name": "GET /ping", "kind": 2,
//!         "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"
//!     }]}]
//! }]}"#;
//! let request = reqwest::Client::new().post(format!("http://{}/v1/traces", backend.otlp_http()));
//! let answer = request.header("content-type", "application/json").body(span).send().await?;
//! assert_eq!(answer.status(), 200);
//!
//! let trace = backend.store().wait_for_trace(1, Duration::from_secs(30)).await?;
//! assert_eq!(trace.services(), ["Ping"]);
//! assert_eq!(trace.tree().rows[0].span.name, "GET /ping");
//!
//! backend.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Backend`] runs the receivers, and answers Jaeger's query API in both of its forms, for Grafana's Jaeger data source and
//! whoever else asks Jaeger. [`Store`] can be asked, subscribed to and waited on, and [saved](Store::save) to a file and
//! [loaded](Store::load) from one. [`Trace`], [`Span`] and [`LogRecord`] are plain views of what arrived, and
//! [`Trace::tree`] puts spans in the order of a tree.
//!
//! | port | takes | answers |
//! | --- | --- | --- |
//! | [`otlp_http`](Settings::otlp_http) | `POST /v1/traces`, `/v1/logs`, `/v1/metrics`; protobuf or JSON, gzip or not | as OTLP/HTTP has it; 403 to web pages of other origins |
//! | [`otlp_grpc`](Settings::otlp_grpc) | `Export` of the trace, logs and metrics services, gzip or not; HTTP/2 without TLS | as OTLP/gRPC has it |
//! | [`zipkin`](Settings::zipkin) | `POST /api/v2/spans`, JSON, gzip or not | 202, or why not |
//! | [`query`](Settings::query) | questions | 403 to web pages of other origins, and to any name but `localhost` and addresses (DNS rebinding) |
//!
//! Whatever is sent, memory stays below the bound of the store and 512 MiB: a request holds at most 16 MiB, unpacked, and
//! half a million messages; bodies being received hold 64 MiB together, else it is 503 or `UNAVAILABLE`, and when to come
//! again; large ones are decoded one after the other. A port has 64 connections: one that is idle gives way to another
//! that comes, and ends after 30 s in which nothing is said.
//!
//! # What it takes
//!
//! `cargo bench -p backend --bench store`, on one of two cores of an AMD EPYC, of spans with 9 attributes and an event, 5 a
//! trace:
//!
//! | | |
//! | --- | ---: |
//! | spans a second into a store that is full, so that others go | 475,000 |
//! | the same as OTLP over HTTP, 510 a request, by one worker | 180,000 |
//! | memory a span | 209 bytes |
//!
//! | median, among so many traces | 1,000 | 10,000 | 100,000 |
//! | --- | ---: | ---: | ---: |
//! | the latest 20 of a service | 0.07 ms | 0.09 ms | 0.18 ms |
//! | of an operation | 0.07 ms | 0.09 ms | 0.18 ms |
//! | with errors, one trace in a hundred | 0.03 ms | 0.10 ms | 0.19 ms |
//! | slow, one in a thousand | 0.01 ms | 0.08 ms | 0.28 ms |
//! | the oldest second of it | 0.07 ms | 0.14 ms | 1.7 ms |
//! | with an attribute that one in a hundred has | 0.29 ms | 0.67 ms | 0.83 ms |
//! | with one that none has: each span is looked into | 0.25 ms | 2.7 ms | 60 ms |
//! | with a text that none has: each is searched | 1.2 ms | 14 ms | 162 ms |

mod answer;
mod attributes;
mod backend;
mod body;
mod connection;
mod decode;
mod encode;
mod file;
mod grpc;
mod id;
mod json;
mod live;
mod log;
mod message;
mod messages;
mod origin;
mod query;
mod received;
mod receiver;
mod resource;
mod scrape;
mod search;
mod server;
mod signal;
mod span;
mod store;
mod trace;
mod tree;
mod worker;
mod zipkin;

pub use attributes::{Attributes, Value};
pub use backend::{Backend, Settings};
pub use file::{Fault, Loaded};
pub use id::{InvalidId, SpanId, TraceId};
pub use log::LogRecord;
pub use received::Received;
pub use resource::{Resource, Scope};
pub use scrape::Target;
pub use search::{Operation, Query};
pub use span::{Event, Link, Span, SpanKind, Status, StatusCode};
pub use store::{Change, OpenError, Store, TimedOut};
pub use trace::Trace;
pub use tree::{Orphan, Row, Tree};
