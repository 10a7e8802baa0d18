//! The whole of `docker-compose.yml`, from `up --build` to `down -v`: real containers, real Jaeger, real Prometheus.
//! All of it is ignored, and needs an engine that has the images or can pull them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod docker;
#[path = "../parts/mod.rs"]
mod parts;
