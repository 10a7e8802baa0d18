//! The real binaries, over real HTTP, against a real receiver: what one `/ping` leaves behind.
//!
//! `process` starts one service, `pair` both and the receiver, `program` what is not ours. Each other file tests one
//! kind of promise. The ignored tests want the programs that they name on `PATH`.

mod collector;
mod dashboards;
mod exemplars;
mod faults;
mod jaeger;
#[cfg(target_os = "linux")]
mod machine;
mod metrics;
mod pair;
#[path = "../parts/mod.rs"]
mod parts;
mod process;
mod program;
mod prometheus;
mod registry;
mod rules;
mod settings;
mod stop;
mod traces;

use std::time::Duration;

/// How long anything is waited for: far longer than it takes, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `look` until it finds something. `None` after [`PATIENCE`].
async fn eventually<T>(look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    parts::within(PATIENCE, look).await
}
