//! What telemetry promises, seen from outside: at a receiver, at `/metrics`, and in what is said at start and end.

#![expect(
    clippy::unwrap_used,
    reason = "what is unwrapped here is what a test relies on"
)]

mod bounds;
mod help;
mod logs;
mod metrics;
mod otlp;
mod process;
mod proxy;
mod receiver;
mod retries;
mod settings;
mod shutdown;
mod spans;
mod stock;
mod tls;
mod traces;
