//! The same OTLP requests go to the backend and to a real Jaeger 2.2, and both answer the same, but for what
//! `differences` lists.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;
mod differences;
mod equal;
#[path = "../../../showcase/tests/parts/ports.rs"]
mod ports;
mod program;
mod requests;
mod traces;
