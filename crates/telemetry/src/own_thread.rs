//! Runs blocking work on a thread of its own, and waits for a limited time.
//!
//! Threads keep the time, so that the result can be awaited under any executor: tokio's timer panics outside of tokio. Its
//! blocking pool is no place for the work either, since a runtime waits for that pool when the program ends, however
//! long a collector hangs.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// Runs `work` on a thread called `name` and blocks until it returns, for `limit` at most.
///
/// Returns None if the work takes longer (it then continues in the background), if it panics, or if the machine refuses the
/// thread.
pub(crate) fn run<T: Send + 'static>(
    name: &str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, is_done) = mpsc::sync_channel(1);
    spawn(name, move || {
        let _ = done.send(work());
    })?;
    is_done.recv_timeout(limit).ok()
}

/// As [`run`], without blocking the caller: a second thread waits. Needs no runtime.
pub(crate) async fn wait<T: Send + 'static>(
    name: &'static str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, is_done) = oneshot::channel();
    spawn(name, move || {
        let _ = done.send(run(name, limit, work));
    })?;
    is_done.await.ok().flatten()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Option<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(work).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{run, wait};

    /// A limit for what must happen: much longer than it takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn work_that_panics_is_not_done_and_nobody_waits_for_the_limit() {
        let start = std::time::Instant::now();
        assert_eq!(
            run("panics", PATIENCE, || panic!("as it should")),
            None::<()>
        );
        let waited = wait("panics", PATIENCE, || panic!("as it should"));
        assert_eq!(futures_executor::block_on(waited), None::<()>);
        assert!(start.elapsed() < PATIENCE / 2);
        assert_eq!(run("works", PATIENCE, || 1), Some(1));
    }
}
