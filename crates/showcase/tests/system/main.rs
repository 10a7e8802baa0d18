//! The real binaries, over real HTTP, against a real receiver: what one `/ping` leaves behind.
//!
//! `process` starts one service, `pair` both and the receiver, `program` what is not ours. Each other file tests one
//! kind of promise. The ignored tests want the programs that they name on `PATH`.

#[cfg(target_os = "linux")]
mod bad_collector;
#[cfg(target_os = "linux")]
mod bad_pong;
#[path = "../parts/chromium.rs"]
mod chromium;
mod collector;
mod dashboards;
mod exemplars;
mod faults;
#[cfg(target_os = "linux")]
mod hostile;
mod jaeger;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod machine;
mod metrics;
mod pair;
mod panels;
#[path = "../parts/mod.rs"]
mod parts;
#[cfg(target_os = "linux")]
mod peer;
mod process;
mod program;
mod prometheus;
#[cfg(target_os = "linux")]
mod random_stops;
mod registry;
mod rules;
mod secrets;
mod settings;
#[cfg(target_os = "linux")]
mod soak;
mod stop;
mod traces;

use std::time::Duration;

/// How long anything is waited for: far longer than it takes, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
