//! Serves an axum app within limits, and stops without losing a request. Also: operations routes, a health check, and one
//! line for a wrong setting.
//!
//! Without it a client that sends its request slowly, or not at all, holds a connection for ever; each stop leaves
//! requests unanswered; and a wrong setting ends in a panic. It makes no telemetry but a few warnings.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use axum::{Router, routing::get};
//! use service::{About, Command, Limits, Readiness};
//!
//! const ABOUT: About = About {
//!     name: "hello",
//!     version: env!("CARGO_PKG_VERSION"),
//!     summary: "Says hello.",
//!     telemetry: false,
//!     settings: &[],
//!     endpoints: &[],
//! };
//!
//! fn main() -> ExitCode {
//!     service::main(&ABOUT, std::env::args_os(), async |command| {
//!         let address = service::address(&|_| None, "127.0.0.1:8080")?;
//!         if command == Command::Healthcheck {
//!             return service::healthcheck(address).await;
//!         }
//!         let listener = service::listen(address).await?;
//!         let readiness = Readiness::default();
//!         let app = Router::new().route("/hello", get(async || "hello"));
//!         let app = service::operations(app, &ABOUT, None, readiness.clone());
//!         service::serve(listener, app, readiness, Limits::default(), service::shutdown_signal()).await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # What is guaranteed
//!
//! * **Stopping loses no request.** Clients that are connected when the stop begins are answered, including those in the
//!   kernel's backlog. After that no connection is accepted. HTTP/1 responses then say `Connection: close`. An HTTP/1 client
//!   that was active within the last second can send one more request in the rest of that second. HTTP/2 clients get GOAWAY.
//!   (Only on Linux can the kernel be told to ignore new clients before the listener is closed. Elsewhere a client that
//!   connects in the last microseconds can be reset.)
//! * **Stopping ends** after five seconds at the latest. Requests that are not answered by then get 503, their connections
//!   are cut, and a warning counts them.
//! * **A second signal ends the process at once**, with exit code 130 or 143.
//! * **No client keeps others out.** Connections on which nothing happens are closed. When there are as many as allowed, the
//!   longest idle ones are closed for others, and HTTP/1 responses say `Connection: close`, so that clients take turns. A
//!   request in flight is never dropped for another one.
//! * **A client that closes its sending half gets its response** over HTTP/1 if that takes at most ten seconds. A client
//!   that has hung up looks the same, so its handler is dropped after that time.
//! * **A freeze does not count as silence.** Time in which this process does not run (a paused container, a sleeping laptop)
//!   counts for none of the limits.
//! * **No error ends the service.** If a connection cannot be accepted, for example for want of descriptors, idle ones are
//!   closed and accepting is tried again, with a warning every ten seconds at most.
//!
//! `axum::serve` and the crate axum-server were tried first. Stopped under the load of 32 keep-alive clients, both left
//! requests unanswered in one of three stops. axum-server still did so in every second stop when clients were told
//! `Connection: close` for half a second before, because it drops connections that it has just accepted. So this crate has
//! its own accept loop. `tests/stop.rs` puts it under that load.
//!
//! # Upgrades
//!
//! WebSockets and other upgrades are served. An upgraded connection counts towards [`Limits::connections`] until its handler
//! drops it, and is never closed for others. Its handler decides how long it may be silent. A handler that waits for
//! [`Readiness::draining`] beside its messages can say goodbye at a stop; after [`Limits::drain`] the connection is cut.
//!
//! # Host and clock
//!
//! A request without exactly one valid `Host` gets 400 (RFC 9112, section 3.2); over HTTP/2, a request with more than one.
//!
//! While the clock is before 1970, new clients get 503, and an error is logged every ten seconds at most: hyper panics when
//! it writes such a `Date`. Connections that were opened before the clock was set are not covered.
//!
//! # Limits
//!
//! [`Limits`] is a plain struct. Each field says what it bounds, its default, and the status beyond it. Most can be
//! switched off. There are also fixed limits:
//!
//! | what | limit | beyond it |
//! | --- | --- | --- |
//! | connections, where the process may have less than 1,408 descriptors | all descriptors but 128, at least half of them, divided by 1 + [`Limits::descriptors_per_request`] | clients wait in the backlog; idle connections are closed |
//! | headers of HTTP/1 | 100 | 431 |
//! | copies of `/metrics` that clients have not read yet | 8 over HTTP/1, 8 over HTTP/2; one is made at a time | the latest copy is sent again |
//! | such copies of more than 1 MiB (compressed, more than 4,000 series of histograms) | one | 503 |
//!
//! A connection that exceeds a limit is closed gracefully, and cut two seconds later.
//!
//! # Operations routes
//!
//! [`operations`] adds them outside of all layers. They answer `GET` and `HEAD`; other methods get 405 with `Allow`.
//!
//! | path | response |
//! | --- | --- |
//! | `/metrics` | the exposition in the format that `Accept` prefers, gzip if `Accept-Encoding` allows; 404 if there is none |
//! | `/healthz` | 200 |
//! | `/readyz` | 200, during the drain 503 |
//! | `/` | text: name, version, endpoints |
//!
//! # Settings that all have
//!
//! `ADDRESS`; tokio's `TOKIO_WORKER_THREADS`, by default the number of processors; with [`About::telemetry`], the settings of
//! the crate `telemetry`. A wrong value is a [`SettingError`] or [`ListenError`]: one line like
//! `ADDRESS is "nonsense"; wanted: IP:PORT, for example 127.0.0.1:8081`, and exit code 2.

#![warn(missing_debug_implementations)] // users have these types in structs of their own

mod about;
mod activity;
mod backlog;
mod clock;
mod connection;
mod connections;
mod flag;
mod healthcheck;
mod host;
mod limits;
mod listen;
mod log_limit;
mod operations;
mod readiness;
mod run;
mod runtime;
mod serve;
mod setting;
mod shared;
mod signals;
mod stream;
mod timer;
mod watched;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

pub use about::{About, Endpoint, Setting};
pub use healthcheck::healthcheck;
pub use limits::Limits;
pub use listen::{ListenError, address, listen};
pub use operations::operations;
pub use readiness::Readiness;
pub use run::{Command, Error, main};
pub use serve::{serve, serve_until_signal};
pub use setting::{Lookup, SettingError, setting};
pub use signals::shutdown_signal;
