//! An example as a process of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::within;

pub(crate) fn minimal() -> Command {
    example("minimal")
}

pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/process-0123 → target/debug/examples/minimal
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("examples");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "`cargo test -p serve-drained` builds {}",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn serving() -> (Child, SocketAddr) {
    serving_with(&[]).await
}

pub(crate) async fn serving_with(settings: &[(&str, &str)]) -> (Child, SocketAddr) {
    let mut command = minimal();
    command
        .env("ADDRESS", "127.0.0.1:0")
        .envs(settings.iter().copied());
    listening(command).await
}

/// Starts it, and waits until it says where it listens.
pub(crate) async fn listening(mut command: Command) -> (Child, SocketAddr) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    let address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
    (child, address)
}
