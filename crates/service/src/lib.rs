//! What every service here shares: it listens, serves with limits, drains, and answers whoever runs it.
//!
//! Without it a client that sends its request slowly, or not at all, holds a connection for ever; every stop leaves
//! requests unanswered; and a wrong setting ends in a panic. It emits no telemetry but a few warnings.
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
//! * **Stopping loses no request.** Whoever is connected when the stop begins, be it only in the kernel's backlog, is
//!   answered; then nobody is let in any more. HTTP/1 answers say `Connection: close` from then on, and a client that
//!   was active within the last second gets the rest of that second to send one more request; HTTP/2 clients get
//!   GOAWAY. (Only Linux can be told not to let a client connect between the last look into the backlog and the end;
//!   elsewhere that takes microseconds, in which one can be reset.)
//! * **Stopping ends**, after five seconds at the latest: what is then unanswered gets 503 and is cut, and a warning counts it.
//! * **A second signal ends at once**, with exit code 130 or 143.
//! * **Nobody keeps others out.** Connections on which nothing happens are closed; when there are as many as there may
//!   be, the longest idle ones give way, and HTTP/1 answers say `Connection: close`, so that clients take turns. A
//!   request that is being answered is never given up for another.
//! * **A client that closes its sending half gets its answer** over HTTP/1, for which it is given ten seconds. One that
//!   has hung up looks the same, so its handler ends then at the latest.
//! * **A freeze is not a client's silence.** The time in which this process did not run (a paused container, a laptop's lid)
//!   counts for none of the limits on clients and handlers.
//! * **No error ends the service.** If a connection cannot be accepted, say because descriptors have run out, idle ones
//!   are closed, it is tried again, and a warning comes every ten seconds at most.
//!
//! `axum::serve` and the crate axum-server were tried first: stopped under the load of 32 keep-alive clients, both left
//! requests unanswered one time in three; axum-server every other time even if clients were told `Connection: close`
//! for half a second before, since it drops whom it has just accepted. Hence an accept loop of our own;
//! `tests/stop.rs` holds it to that load.
//!
//! # Upgrades
//!
//! WebSockets and other upgrades are served. An upgraded connection counts as one of [`Limits::connections`] until its
//! handler drops it, and it never gives way to others; how long it may be silent is the handler's to say. It does not
//! hear of a stop by itself: a handler that waits for [`Readiness::draining`] beside its messages can say goodbye.
//! What is left after [`Limits::drain`] is cut.
//!
//! # Host and clock
//!
//! A request without exactly one valid `Host` is answered 400 (RFC 9112, section 3.2; over HTTP/2, more than one). While
//! the clock is before 1970, clients that connect get 503, and an error is logged every ten seconds at most: hyper cannot
//! write such a `Date`, and panics. Connections from before the clock was set are not covered.
//!
//! # Limits
//!
//! [`Limits`] is a plain struct: each field says what it bounds, its default, and what a client that is cut is answered.
//! Any of them can be off. Beside them:
//!
//! | what | limit | beyond it |
//! | --- | --- | --- |
//! | connections, where the process may have less than 1,408 descriptors | all but 128, at least half, shared with what [`Limits::descriptors_per_request`] says | wait in the backlog; idle ones give way |
//! | headers of HTTP/1 | 100 | 431 |
//! | HTTP/2 data that no handler has read | 64 KiB | flow control |
//! | copies of `/metrics` that clients have not taken | 8 by HTTP/1, 8 by HTTP/2; one is made at a time | the latest is answered again |
//! | such copies of more than 1 MiB; compressed, 4,000 series of histograms are less | one | 503 |
//!
//! A connection that a limit closes is gone within two more seconds: first in a friendly way, then at once.
//!
//! # Operations routes
//!
//! `GET` and `HEAD`; anything else is 405 with `Allow`. [`operations`] adds them outside of all layers.
//!
//! | path | answer |
//! | --- | --- |
//! | `/metrics` | the exposition in the format that `Accept` prefers, gzip if `Accept-Encoding` allows; 404 if there is none |
//! | `/healthz` | 200 |
//! | `/readyz` | 200, and 503 from the moment it is told to stop |
//! | `/` | text: name, version, endpoints |
//!
//! # Settings that all have
//!
//! `ADDRESS`, tokio's `TOKIO_WORKER_THREADS` (by default as many as there are processors), and, of those that have telemetry,
//! those of the crate `telemetry`. What is wrong with one is a [`SettingError`] or [`ListenError`], one line like
//! `ADDRESS is "nonsense"; wanted: IP:PORT, for example 127.0.0.1:8081`, and exit code 2.

mod about;
mod activity;
mod backlog;
mod clock;
mod connection;
mod connections;
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
pub use serve::serve;
pub use setting::{Lookup, SettingError, setting};
pub use signals::shutdown_signal;
