//! What this process uses, by the names of the
//! [semantic conventions](https://opentelemetry.io/docs/specs/semconv/system/process-metrics/).
//!
//! | instrument | unit | |
//! | --- | --- | --- |
//! | `process.cpu.time` counter | s | by `cpu.mode`, `user` and `system`; not on Windows |
//! | `process.memory.usage` up-down counter | By | resident |
//! | `process.memory.virtual` up-down counter | By | |
//! | `process.thread.count` up-down counter | {thread} | not on Windows |
//! | `process.unix.file_descriptor.count` up-down counter | {file_descriptor} | not on Windows |
//! | `process.windows.handle.count` up-down counter | {handle} | on Windows |
//! | `process.uptime` gauge | s | since the process was created |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use metrics_process::collector::{self, Metrics};
use opentelemetry::metrics::Meter;

/// Instruments that are read within this time belong to one scrape and share one look at the system.
const ONE_SCRAPE: Duration = Duration::from_millis(10);

#[cfg(windows)]
const OPEN_FILES: (&str, &str, &str) = (
    "process.windows.handle.count",
    "{handle}",
    "Number of handles held by the process.",
);
#[cfg(not(windows))]
const OPEN_FILES: (&str, &str, &str) = (
    "process.unix.file_descriptor.count",
    "{file_descriptor}",
    "Number of unix file descriptors in use by the process.",
);

/// The last look at the system, and when it was taken.
#[derive(Clone, Default)]
struct Snapshot(Arc<Mutex<Option<(Instant, Metrics)>>>);

impl Snapshot {
    fn read<T>(&self, figure: impl FnOnce(&Metrics) -> Option<T>) -> Option<T> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = last
            .as_ref()
            .is_some_and(|(taken, _)| taken.elapsed() < ONE_SCRAPE);
        if !is_fresh {
            *last = Some((Instant::now(), collector::collect()));
        }
        last.as_ref().and_then(|(_, metrics)| figure(metrics))
    }
}

pub(crate) fn observe(meter: &Meter) {
    let snapshot = Snapshot::default();
    #[cfg(unix)]
    observe_cpu(meter);
    let (open_files, open_files_unit, open_files_description) = OPEN_FILES;
    count(
        meter,
        &snapshot,
        (
            "process.memory.usage",
            "By",
            "The amount of physical memory in use.",
        ),
        |metrics| metrics.resident_memory_bytes,
    );
    count(
        meter,
        &snapshot,
        (
            "process.memory.virtual",
            "By",
            "The amount of committed virtual memory.",
        ),
        |metrics| metrics.virtual_memory_bytes,
    );
    count(
        meter,
        &snapshot,
        ("process.thread.count", "{thread}", "Process threads count."),
        |metrics| metrics.threads,
    );
    count(
        meter,
        &snapshot,
        (open_files, open_files_unit, open_files_description),
        |metrics| metrics.open_fds,
    );
    // Counted by a clock that nobody sets, from what the wall clock says now.
    let set_up = Instant::now();
    let before = created()
        .and_then(|created| created.elapsed().ok())
        .unwrap_or_default();
    let _ = meter
        .f64_observable_gauge("process.uptime")
        .with_unit("s")
        .with_description("The time the process has been running.")
        .with_callback(move |observer| {
            observer.observe((before + set_up.elapsed()).as_secs_f64(), &[]);
        })
        .build();
}

/// When the process was created, to the second. None where the system does not tell.
pub(crate) fn created() -> Option<SystemTime> {
    let seconds = collector::collect().start_time_seconds?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// `process.cpu.time`, whose attribute `cpu.mode` is required.
#[cfg(unix)]
fn observe_cpu(meter: &Meter) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    use opentelemetry::KeyValue;

    let modes = ["user", "system"].map(|mode| [KeyValue::new("cpu.mode", mode)]);
    let _ = meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("Total CPU seconds broken down by different states.")
        .with_callback(move |observer| {
            if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
                let [user, system] = &modes;
                let seconds = |microseconds: i64| microseconds as f64 / 1e6;
                observer.observe(seconds(usage.user_time().num_microseconds()), user);
                observer.observe(seconds(usage.system_time().num_microseconds()), system);
            }
        })
        .build();
}

fn count(
    meter: &Meter,
    snapshot: &Snapshot,
    (name, unit, description): (&'static str, &'static str, &'static str),
    figure: fn(&Metrics) -> Option<u64>,
) {
    let snapshot = snapshot.clone();
    let _ = meter
        .i64_observable_up_down_counter(name)
        .with_unit(unit)
        .with_description(description)
        .with_callback(move |observer| {
            if let Some(number) = snapshot.read(figure) {
                observer.observe(number.try_into().unwrap_or(i64::MAX), &[]);
            }
        })
        .build();
}
