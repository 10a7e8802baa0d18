//! A service as a child process of this executable.
//!
//! The parent holds a pipe to each child. A byte in it means: drain, and stop. When the pipe closes, the parent is gone,
//! and the child ends at once, since nobody would receive its last spans, and what it prints would run over a prompt.
//! Both work on every platform. Each child has a process group of its own, so that a terminal's Ctrl-C reaches the parent
//! alone, which then stops them in order: the last spans of one are still received.

use std::{
    io::{self, Read},
    net::SocketAddr,
    process::Stdio,
    thread,
    time::Duration,
};

use service::{healthcheck, shutdown_signal};
use tokio::{
    io::AsyncWriteExt,
    process::{ChildStdin, ChildStdout, Command},
    sync::oneshot,
    time::{sleep, timeout},
};

/// The longest a service takes to stop is nine seconds, when nobody takes its spans.
const STOP: Duration = Duration::from_secs(12);

/// Between two looks at whether a child is ready.
const LOOK: Duration = Duration::from_millis(50);

/// The exit code of a child whose parent is gone. Nobody is there to read it.
const PARENT_GONE: i32 = 1;

/// The flag by which a child knows of its pipe.
const STOP_WITH_STDIN: &str = "--stop-with-stdin";

/// A running child.
pub(crate) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts the service `name` with the environment of this process and `settings`. It prints to `stdout`.
    ///
    /// # Errors
    ///
    /// The process cannot be started.
    pub(crate) fn start(
        name: &'static str,
        settings: impl IntoIterator<Item = (&'static str, String)>,
        stdout: Stdio,
    ) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([name, STOP_WITH_STDIN])
            .envs(settings)
            .stdin(Stdio::piped())
            .stdout(stdout);
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
        let mut process = command.spawn()?;
        // Waiting for the process would close it.
        let stdin = process.stdin.take();
        Ok(Self {
            name,
            process,
            stdin,
        })
    }

    /// What it prints, if that is piped; once.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// The process id; none once it has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Returns when it has ended without being told to, with the words for that.
    pub(crate) async fn ended(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => format!("{} has ended by itself ({status})", self.name),
            Err(error) => format!("{} is lost: {error}", self.name),
        }
    }

    /// Tells it to stop, and waits until it has ended. One that does not is killed. Can be dropped and called again.
    ///
    /// # Errors
    ///
    /// It did not end well, in words. One that had ended before gives none.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        if self.process.id().is_none() {
            return Ok(());
        }
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(b"\n").await; // one that has ended reads nothing
        }
        let trouble = match timeout(STOP, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                let killed = self.process.kill().await;
                killed.map_or_else(
                    |error| error.to_string(),
                    |()| format!("killed, after {} s", STOP.as_secs()),
                )
            }
        };
        Err(format!(
            "{} did not stop as it should: {trouble}",
            self.name
        ))
    }
}

#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Returns when the child at `address` is ready for requests.
pub(crate) async fn ready(address: SocketAddr) {
    while healthcheck(address).await.is_err() {
        sleep(LOOK).await;
    }
}

/// Returns when this process, a child, has to stop: at a signal, and `with_stdin` when the parent says so. Ends the
/// process when the parent is gone.
pub(crate) async fn stop_signal(with_stdin: bool) {
    if !with_stdin {
        return shutdown_signal().await;
    }
    let (close, closed) = oneshot::channel();
    // No task of the runtime: that one would wait for a pipe that stays open.
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut byte = [0];
        if stdin.read_exact(&mut byte).is_ok() {
            let _ = close.send(());
            let _ = io::copy(&mut stdin, &mut io::sink());
        }
        std::process::exit(PARENT_GONE)
    });
    tokio::select! {
        () = shutdown_signal() => {}
        _ = closed => {}
    }
}
