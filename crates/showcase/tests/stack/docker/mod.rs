//! `stack` starts and removes what a test needs. Each other file tests one kind of promise.

mod collector;
mod faults;
mod image;
mod load;
mod replicas;
mod stack;
mod start;
mod stop;
mod update;

use std::process::Command;
use std::time::Duration;

/// How long anything is waited for: far longer than it takes, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a `docker` command prints, which must succeed.
fn docker(arguments: &[&str]) -> String {
    output(Command::new("docker").args(arguments))
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:#?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
