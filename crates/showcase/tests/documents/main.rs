//! README.md, CONTRIBUTING.md, kubernetes/README.md and docs/ against the code and the running showcase.
//!
//! What is above a fence says where its text comes from:
//!
//! | comment | the text |
//! | --- | --- |
//! | `from FILE` | stands in that file, but for its indentation |
//! | `diff of FILE and FILE` | is their difference, from the first `use` on |
//! | ``printed by `COMMAND` `` | is printed by it, but for numbers; `…` stands for lines left out |
//!
//! `snippets` checks the first two, `printed` the last, `names` and `commands` what stands between backticks, `reading_path` the
//! README's list of files. `.ci/run` checks the links.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod markdown;
mod names;
mod printed;
mod reading_path;
mod running;
mod snippets;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// For whatever has to happen; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of all Rust files of the crates' own code and examples.
fn sources() -> String {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let mut sources = String::new();
    let mut folders: Vec<_> = crates
        .flat_map(|entry| {
            ["src", "examples"].map(|folder| entry.as_ref().unwrap().path().join(folder))
        })
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}
