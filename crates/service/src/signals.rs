//! The signals that stop a service.

/// Completes at the first SIGINT or SIGTERM (Ctrl-C on Windows).
///
/// A second signal then ends the process at once, without a drain, with the exit code that shells use (130, 143). Before
/// this future is first polled, a signal ends the process as usual.
pub async fn shutdown_signal() {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            // Only for want of descriptors or memory. A signal then ends the process at once.
            tracing::warn!(%error, "signals cannot be waited for; one will end the service without draining");
            return std::future::pending().await;
        }
    };
    let (name, _) = signals.next().await;
    tracing::info!("{name}: stopping; a second signal ends at once");
    tokio::spawn(async move {
        let (_, code) = signals.next().await;
        std::process::exit(code);
    });
}

/// A signal's name and the exit code of a process that it ends.
type Signal = (&'static str, i32);

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", 130),
            _ = self.terminate.recv() => ("SIGTERM", 143),
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> Signal {
        self.0.recv().await;
        ("Ctrl-C", 130)
    }
}
