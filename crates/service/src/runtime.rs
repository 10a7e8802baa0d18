//! The runtime.
//!
//! tokio panics at a wrong `TOKIO_WORKER_THREADS`, and where threads cannot be started. Here both are an error of one line.

use std::io::Write;
use std::num::NonZeroU16;
use std::panic;
use std::sync::Mutex;
use std::thread;

use tokio::runtime::{Builder, Runtime};

use crate::Error;
use crate::setting::setting;

/// Threads beside tokio's workers, for blocking calls and exporters.
const SPARE_THREADS: usize = 8;

/// Enough for a thread that only waits.
const LEAST_STACK: usize = 64 * 1024;

/// Starts a runtime with as many workers as `TOKIO_WORKER_THREADS` says, by default one for each processor.
///
/// # Errors
///
/// [`SettingError`](crate::SettingError) if that variable is not a positive number; one line if this process may not start
/// enough threads.
pub(crate) fn start() -> Result<Runtime, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokio would read it here, and panic"
    )]
    let env = |name: &str| std::env::var_os(name);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = setting(
        &env,
        "TOKIO_WORKER_THREADS",
        &processors.to_string(),
        "a number of threads from 1 to 65535",
        |value| value.parse::<NonZeroU16>().ok(),
    )?;
    let workers = usize::from(workers.get());
    can_start(workers + SPARE_THREADS)?;
    exiting_at_a_panic(|| {
        Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
    })
    .map_err(|error| format!("no runtime can be started: {error}").into())
}

/// Starts this many threads at the same time and ends them. A service that gets fewer would fail later, with a panic.
fn can_start(threads: usize) -> Result<(), Error> {
    // All threads wait for it until it is dropped, on either way out.
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

/// Exits if `build` panics: where a thread does not start after all, tokio panics, then waits for ever for the others.
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
