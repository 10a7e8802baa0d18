//! What telemetry promises, seen from outside: at a receiver, at `/metrics`, and in what is said at start and end.

mod help;
mod logs;
mod metrics;
mod otlp;
mod receiver;
mod settings;
mod shutdown;
mod tls;
mod traces;
