//! A small OpenTelemetry backend for one person's screen: a receiver of OTLP over HTTP and gRPC, and of Zipkin's
//! spans, and a bounded store of the traces, log records and metrics that arrive.
//!
//! It is there to look at telemetry while developing, and for tests that want to know what a service really sends. It is
//! no store for a fleet: one machine keeps it, the oldest goes when its file is full, and whoever can reach the port can
//! send. For that there is Jaeger with its storages, behind a Collector.
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
//! | [`otlp_http`](Settings::otlp_http) | `POST /v1/traces`, `/v1/logs`, `/v1/metrics`; protobuf or JSON | as OTLP/HTTP has it; 403 to web pages of origins that are not [allowed](Settings::allowed_origins) |
//! | [`otlp_grpc`](Settings::otlp_grpc) | `Export` of the trace, logs and metrics services; HTTP/2 without TLS | as OTLP/gRPC has it |
//! | [`zipkin`](Settings::zipkin) | `POST /api/v2/spans`, JSON or protobuf | 202, or why not |
//! | [`query`](Settings::query) | questions | 403 to web pages of other origins, and to names that are not [this machine's](Settings::allowed_hosts) (DNS rebinding) |
//!
//! Requests may be packed with gzip, deflate or zstd. An item that cannot be decoded or has an invalid id is left out, and the answer says why; the others of its request are
//! kept. JSON may have a byte order mark and halves of surrogate pairs, which become U+FFFD.
//!
//! # Who sends
//!
//! `tests/senders` runs a program for each of these, which anybody can copy, and compares what the store then holds with
//! what was sent: ids and their relations, times, names, kinds, status, typed attributes, events, links, scope and
//! resource; log records with and without a trace, their severity, event name and structured body; a counter, a histogram
//! with its exemplars and a gauge. Each sends plain and with gzip, sums since the start and since the last export,
//! histograms with given buckets and, but for Node, exponential ones.
//!
//! | sender | by | traces | logs | metrics |
//! | --- | --- | --- | --- | --- |
//! | OpenTelemetry for Python 1.45.2 | OTLP/HTTP, OTLP/gRPC | whole | whole | whole |
//! | OpenTelemetry for Node 0.223.0 | OTLP/HTTP (protobuf, JSON), OTLP/gRPC | whole | whole | whole |
//! | OpenTelemetry for the web 2.12.0 | OTLP/HTTP (JSON), from a page of another origin in Chromium | whole | whole | whole |
//! | OpenTelemetry for Go 1.47.0 | OTLP/HTTP, OTLP/gRPC | whole | whole | whole |
//! | OpenTelemetry for Java 1.68.0 | OTLP/HTTP, OTLP/gRPC | whole | whole | whole |
//! | aiozipkin 1.1.1 | Zipkin's JSON | whole | | |
//! | Zipkin's exporters of OpenTelemetry for Python and Node | Zipkin's JSON | all that the format has: values are texts, links are missing | | |
//!
//! # Limits
//!
//! Whatever is sent, memory stays below 512 MiB: a request holds at most 16 MiB, unpacked, and
//! half a million messages; bodies being received hold 64 MiB together, else it is 503 or `UNAVAILABLE`, and when to come
//! again; large ones are decoded one after the other. A port has 64 connections, and closes the longest idle one for
//! another that comes. Idle connections are closed after 30 s. The page's event streams take at most 32 of them.
//!
//! # Where it is kept
//!
//! In a file of SQLite, of at most 1 GiB with its journal ([`store_bytes`](Settings::store_bytes)). What has arrived first
//! goes first, of traces, log records and metric points alike, and after 30 days. By default the file is a temporary one
//! on a disk, which goes with the process, also when that is killed; [`store_file`](Settings::store_file) names one that
//! stays. Where nothing can be written to, 64 MiB are kept in memory, and a warning says so.
//!
//! One connection writes, a transaction for each thousand spans; others read, and wait for nobody. Large traces are read
//! in pages while they are answered. So memory is that of page caches and of what is under way, not of what is kept.
//!
//! SQLite is built in with a C compiler, which the TLS of the exporters needs already, in about a minute of one core. It has
//! what this needs: one file, readers that do not block the writer, SQL for whoever asks. redb, fjall, sled and heed keep
//! keys and values: indexes, a query language and its planner would be ours to write. DuckDB has SQL, but is made for
//! large batches and long scans, not for small transactions and look-ups, and its C++ takes minutes to compile.
//!
//! # SQL
//!
//! `POST /api/sql` on the port of the page, with `{"sql": "select …", "parameters": […], "limit": 1000}`, is answered with
//! `{"columns": […], "rows": [[…]], "truncated": false}`, or with CSV if `Accept` has `text/csv`. One select is answered, in
//! five seconds, with at most 100,000 rows and 8 MiB; what is wrong with another is said with 400 and `{"error": "…"}`.
//! SQLite's functions are there, those for JSON too: `attributes ->> '$."http.route"'`.
//!
//! ```sql
//! -- Rate, errors and duration of every operation, a minute a row.
//! select service, name, start_unix_nanos / 60000000000 * 60 as minute, count(*) / 60.0 as rate,
//!        avg(status = 'error') as errors, avg(duration_ms) as mean_ms, max(duration_ms) as longest_ms
//! from spans where kind in ('server', 'consumer') group by 1, 2, 3
//! ```
//!
//! The views and their columns are a promise, which `tests/it/sql.rs` holds. Ids are hex digits; times are integers,
//! nanoseconds since 1970-01-01 UTC; attributes are a JSON object, in which bytes are base64; what was not sent is null.
//!
//! | view | columns that are text | others |
//! | --- | --- | --- |
//! | `spans` | `trace_id`, `span_id`, `parent_span_id`, `service`, `name`, `kind` (`unspecified`, `internal`, `server`, `client`, `producer`, `consumer`), `status` (`unset`, `ok`, `error`), `status_message`, `trace_state`, `attributes`, `scope_name`, `scope_version` | `start_unix_nanos`, `end_unix_nanos`, `duration_ms` (real), `resource` |
//! | `events` | `trace_id`, `span_id`, `name`, `attributes` | `time_unix_nanos` |
//! | `links` | `trace_id`, `span_id`, `linked_trace_id`, `linked_span_id`, `trace_state`, `attributes` | |
//! | `logs` | `trace_id`, `span_id`, `severity_text`, `event_name`, `body` (JSON if it is an array or a map), `attributes`, `service`, `scope_name`, `scope_version` | `time_unix_nanos`, `severity_number` (1 to 24), `resource` |
//! | `metrics`, a row a point | `name`, `kind` (`gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`), `unit`, `description`, `temporality` (`delta`, `cumulative`), `attributes`, `buckets`, `exemplars` (both JSON), `service`, `scope_name`, `scope_version` | `monotonic` (0, 1), `start_unix_nanos`, `time_unix_nanos`, `value` (real), `count`, `sum`, `min`, `max` (real), `resource` |
//! | `resources` | `service`, `attributes`, `schema_url` | `resource`, the number that the other views have |
//!
//! # What it takes
//!
//! `cargo bench -p backend --bench store`, on two cores of an AMD EPYC, of spans with 9 attributes and an event, 5 a trace.
//! Before is the store in memory that this one has replaced. Other programs kept both cores busy while the
//! second column was measured.
//!
//! | | before | now |
//! | --- | ---: | ---: |
//! | spans a second into a store that is full, so that others go | 475,000 | 117,000 |
//! | the same as OTLP over HTTP, 510 a request, by one worker | 180,000 | 44,000 |
//! | bytes a span | 209 of memory | 361 of a file |
//!
//! | median, among 100,000 traces | before | now |
//! | --- | ---: | ---: |
//! | the latest 20 of a service | 0.18 ms | 0.5 ms |
//! | of an operation | 0.18 ms | 0.6 ms |
//! | with errors, one trace in a hundred | 0.19 ms | 0.6 ms |
//! | slow, one in a thousand | 0.28 ms | 1.8 ms |
//! | the oldest second of it | 1.7 ms | 0.7 ms |
//! | with an attribute that one in a hundred has | 0.83 ms | 21 ms |
//! | with one that none has: each span is looked into | 60 ms | 1.5 s |
//! | with a text that none has: each is searched | 162 ms | 1.5 s |
//!
//! | memory beyond an idle process (`tests/memory.rs`) | before | now |
//! | --- | ---: | ---: |
//! | a trace of 200,000 spans | 438 MiB | 20 MiB |
//! | that trace, and sixty readers of it | 8 GiB | 56 MiB |

mod access;
mod answer;
mod attributes;
mod backend;
mod body;
mod decode;
mod encode;
mod file;
mod foreign;
mod grpc;
mod id;
mod jaeger;
mod json;
mod live;
mod log;
mod message;
mod messages;
mod query;
mod received;
mod receiver;
mod resource;
mod salvage;
mod scrape;
mod search;
mod search_logs;
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
pub use received::{Received, Refusal};
pub use resource::{Resource, Scope};
pub use scrape::Target;
pub use search::{Operation, Query};
pub use span::{Event, Link, Span, SpanKind, Status, StatusCode};
pub use store::{Change, OpenError, Store, TimedOut};
pub use trace::Trace;
pub use tree::{Orphan, Row, Tree};
