//! The runtime: what tokio panics at, said in one line.

use std::io::Write;
use std::num::NonZeroU16;
use std::panic;
use std::sync::Mutex;
use std::thread;

use tokio::runtime::{Builder, Runtime};

use crate::Error;
use crate::setting::SettingError;

const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// Threads beside tokio's workers: blocking calls, exporters.
const SPARE_THREADS: usize = 8;

/// Enough for a thread that only waits.
const LEAST_STACK: usize = 64 * 1024;

/// A runtime with as many workers as `TOKIO_WORKER_THREADS` says, or else the machine has processors.
///
/// # Errors
///
/// [`SettingError`] if that variable is no number from 1 on; one line if this process may not start enough threads.
pub(crate) fn start() -> Result<Runtime, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokio would read it here, and panic"
    )]
    let workers = match std::env::var(WORKER_THREADS) {
        Ok(value) => Some(value),
        Err(std::env::VarError::NotPresent) => None,
        Err(std::env::VarError::NotUnicode(value)) => Some(value.to_string_lossy().into_owned()),
    };
    let workers = workers.filter(|value| !value.is_empty());
    let workers = workers.map_or_else(|| Ok(processors()), worker_threads)?;
    can_start(workers + SPARE_THREADS)?;
    exiting_at_a_panic(|| {
        Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
    })
    .map_err(|error| format!("no runtime can be started: {error}").into())
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

fn worker_threads(value: String) -> Result<usize, SettingError> {
    match value.parse::<NonZeroU16>() {
        Ok(workers) => Ok(usize::from(workers.get())),
        Err(_) => Err(SettingError {
            variable: WORKER_THREADS,
            value: value.into(),
            wanted: "a number of threads from 1 to 65535",
        }),
    }
}

/// Starts so many threads at the same time, and ends them.
///
/// A service that gets some of them only would fail later, at a place that panics.
fn can_start(threads: usize) -> Result<(), Error> {
    // They all wait for it, until it is dropped on either way out.
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let _held = gate.lock();
        for started in 0..threads {
            thread::Builder::new()
                .stack_size(LEAST_STACK)
                .spawn_scoped(scope, || drop(gate.lock()))
                .map_err(|error| {
                    format!(
                        "threads cannot be started: {error}: {threads} are needed, {started} are \
                         allowed; see `ulimit -u`, or the container's pids.max"
                    )
                })?;
        }
        Ok(())
    })
}

/// Should a thread not start all the same, tokio panics, and then waits for ever for those that have.
fn exiting_at_a_panic<T>(build: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        let reason = panic.payload_as_str().unwrap_or_default();
        let line = reason.replace(['\n', '\r'], " ");
        let _ = writeln!(std::io::stderr(), "no runtime can be started: {line}");
        std::process::exit(1);
    }));
    let built = build();
    panic::set_hook(hook);
    built
}
