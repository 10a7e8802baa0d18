//! A service as a process of its own: command line, exit codes, signals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;
mod support;

use process::{minimal, serving};
use support::within;
use tokio::process::Command;

/// Exit code, stdout, stderr.
async fn run(command: &mut Command) -> (i32, String, String) {
    let output = within(command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test]
async fn help_lists_settings_with_defaults_and_endpoints() {
    let (code, stdout, stderr) = run(minimal().arg("--help")).await;
    assert_eq!((code, &*stderr), (0, ""));
    assert_eq!(
        stdout,
        "Says hello.\n\
         \n\
         Usage: minimal [OPTIONS]\n\
         \n\
         Options:\n\
         \x20     --healthcheck  Ask the service that listens on ADDRESS whether it is ready: exit code 0 or 1\n\
         \x20 -h, --help         Print help\n\
         \x20 -V, --version      Print version\n\
         \n\
         Settings, from the environment [default]:\n\
         \x20 ADDRESS  where to listen [127.0.0.1:8080]\n\
         \n\
         Endpoints:\n\
         \x20 GET /hello    hello\n\
         \x20 GET /slow     hello, three seconds later\n\
         \x20 GET /healthz  200 while the process lives\n\
         \x20 GET /readyz   200 while requests are wanted, 503 while it stops\n\
         \x20 GET /         this list\n"
    );
}

#[tokio::test]
async fn version_names_the_service() {
    let version = format!("minimal {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        run(minimal().arg("--version")).await,
        (0, version, String::new())
    );
}

#[tokio::test]
async fn wrong_argument_exits_2() {
    let (code, stdout, stderr) = run(minimal().arg("--nonsense")).await;
    assert_eq!((code, &*stdout), (2, ""));
    assert!(stderr.contains("'--nonsense'"), "{stderr}");
}

#[tokio::test]
async fn wrong_address_is_one_line_and_exits_2() {
    for argument in [None, Some("--healthcheck")] {
        let (code, stdout, stderr) = run(minimal().args(argument).env("ADDRESS", "nonsense")).await;
        assert_eq!((code, &*stdout), (2, ""));
        assert_eq!(
            stderr,
            "ADDRESS is \"nonsense\"; wanted: IP:PORT, for example 127.0.0.1:8081\n"
        );
    }
}

/// Were it taken for unset, the service would listen on its default address.
#[cfg(unix)]
#[tokio::test]
async fn address_that_is_not_utf8_is_one_line_and_exits_2() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let value = OsStr::from_bytes(b"127.0.0.1:1\xff");
    for argument in [None, Some("--healthcheck")] {
        let (code, stdout, stderr) = run(minimal().args(argument).env("ADDRESS", value)).await;
        assert_eq!((code, &*stdout), (2, ""));
        assert_eq!(
            stderr,
            "ADDRESS is \"127.0.0.1:1\\xFF\"; wanted: IP:PORT, for example 127.0.0.1:8081\n"
        );
    }
}

#[tokio::test]
async fn port_in_use_is_one_line_and_exits_2() {
    let taken = service::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = run(minimal().env("ADDRESS", &address)).await;
    assert_eq!((code, &*stdout), (2, ""));
    assert_eq!(
        stderr,
        format!(
            "ADDRESS is \"{address}\"; the port is in use: stop what listens there, or set ADDRESS to another port\n"
        )
    );
}

#[tokio::test]
async fn wrong_number_of_workers_is_one_line_and_exits_2() {
    for wrong in ["0", "-1", "two", "65536", "99999999999999999999"] {
        let mut command = minimal();
        let (code, stdout, stderr) = run(command.env("TOKIO_WORKER_THREADS", wrong)).await;
        assert_eq!((code, &*stdout), (2, ""));
        assert_eq!(
            stderr,
            format!(
                "TOKIO_WORKER_THREADS is {wrong:?}; wanted: a number of threads from 1 to 65535\n"
            )
        );
    }
}

/// `minimal` as a user of its own who may have so many processes and threads.
#[cfg(target_os = "linux")]
fn with_threads(limit: u32) -> Command {
    use std::os::unix::fs::MetadataExt;

    let minimal = minimal();
    let program = minimal.as_std().get_program();
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={limit}:{limit}"));
    // The limit holds for everybody but root.
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.args(["setpriv", "--reuid=54321", "--clear-groups"]);
    }
    command
        .arg(program)
        .env_remove("TOKIO_WORKER_THREADS")
        .env("ADDRESS", "127.0.0.1:0")
        .kill_on_drop(true);
    command
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn too_few_threads_are_one_line_and_an_exit_code() {
    for limit in 1..=6 {
        let (code, stdout, stderr) = run(&mut with_threads(limit)).await;
        assert_eq!((code, &*stdout), (1, ""), "{limit}: {stderr}");
        assert!(
            stderr.starts_with("threads cannot be started: "),
            "{limit}: {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{limit}: {stderr}");
    }
}

#[tokio::test]
async fn healthcheck_exits_0_if_the_service_is_ready_and_1_if_not() {
    let (mut child, address) = serving().await;
    let everywhere = format!("0.0.0.0:{}", address.port());
    for address in [address.to_string(), everywhere] {
        let checked = run(minimal().arg("--healthcheck").env("ADDRESS", address)).await;
        assert_eq!(checked, (0, String::new(), String::new()));
    }

    child.kill().await.unwrap();
    let (code, stdout, stderr) = run(minimal()
        .arg("--healthcheck")
        .env("ADDRESS", address.to_string()))
    .await;
    assert_eq!((code, &*stdout), (1, ""));
    assert!(
        stderr.starts_with(&format!("not ready: http://{address}/readyz: ")),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[cfg(unix)]
mod signals {
    use std::net::SocketAddr;

    use tokio::io::AsyncReadExt;
    use tokio::process::Child;

    use super::*;
    use crate::support::Client;

    async fn signal(child: &Child, name: &str) {
        let id = child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    async fn stderr(child: &mut Child) -> String {
        let mut text = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        text
    }

    /// A request that takes a while, and a connection that knows of the stop.
    async fn stop_while_busy(address: SocketAddr, child: &Child, name: &str) -> Client {
        let mut slow = Client::connect(address).await.unwrap();
        slow.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
            .await
            .unwrap();
        let mut probe = Client::connect(address).await.unwrap();
        assert_eq!(within(probe.get("/readyz")).await.unwrap().status, 200);
        signal(child, name).await;
        support::eventually(async || Client::connect(address).await.is_err()).await;
        slow
    }

    #[tokio::test]
    async fn first_signal_drains_and_exits_0() {
        for name in ["-TERM", "-INT"] {
            let (mut child, address) = serving().await;
            let mut slow = stop_while_busy(address, &child, name).await;
            let answer = within(slow.answer()).await.unwrap();
            assert_eq!(
                (answer.status, answer.text(), answer.says_close()),
                (200, "hello", true)
            );
            assert_eq!(within(child.wait()).await.unwrap().code(), Some(0));
            assert_eq!(stderr(&mut child).await, "");
        }
    }

    #[tokio::test]
    async fn second_signal_ends_at_once() {
        for (name, code) in [("-TERM", 143), ("-INT", 130)] {
            let (mut child, address) = serving().await;
            let mut slow = stop_while_busy(address, &child, "-TERM").await;
            signal(&child, name).await;
            assert_eq!(within(child.wait()).await.unwrap().code(), Some(code));
            assert!(within(slow.answer()).await.is_err());
        }
    }
}
