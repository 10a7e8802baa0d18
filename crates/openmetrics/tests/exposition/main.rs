//! The exposition as scrapes see it: whole outputs, and what other people's parsers say of them.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests; clippy sees that only of functions marked so"
)]

mod encoding;
mod exemplars;
mod families;
mod parsers;
mod prometheus_server;
mod registry;
