//! The instrumentation over real connections, with everything it emitted compared as a whole.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cancelled;
mod client;
mod exemplars;
mod recorded;
mod scripted;
mod server;
mod server_cases;
mod streamed;
mod trace;
mod verbs;
