//! A clock that is far from right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod process;
mod support;

use support::{Client, within};
use tokio::io::AsyncReadExt;

/// Debian's package `faketime` puts it there; the loader knows what `$LIB` is.
const FAKE_TIME: &str = "/usr/$LIB/faketime/libfaketime.so.1";

#[tokio::test]
#[ignore = "needs libfaketime"]
async fn clock_before_1970_is_answered_503_without_a_panic() {
    let (mut child, address) = process::serving_with(&[
        ("LD_PRELOAD", FAKE_TIME),
        ("FAKETIME", "@1969-06-01 00:00:00"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ])
    .await;
    for _ in 0..3 {
        let mut client = Client::connect(address).await.unwrap();
        let answer = within(client.get("/hello")).await.unwrap();
        assert_eq!((answer.status, answer.says_close()), (503, true));
    }
    child.kill().await.unwrap();
    let mut stderr = String::new();
    let mut output = child.stderr.take().unwrap();
    output.read_to_string(&mut stderr).await.unwrap();
    assert_eq!(stderr, "");
}
