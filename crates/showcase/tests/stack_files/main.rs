//! The files that the stack's programs read, as they lie in the repository. What the programs make of them with both
//! services running is in `system`, what docker-compose makes of them in `stack`; `.ci/run` puts each to the program
//! that reads it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../parts/dashboards.rs"]
mod dashboards;
mod grafana;
mod kubernetes;
mod prometheus;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The path of a file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// The text of a file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file of the repository.
fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
