//! What this process uses: CPU, memory, threads, files. The names are those of the
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

/// Instruments that are read within this time belong to one scrape, and share one look at the system.
pub(crate) const ONE_SCRAPE: Duration = Duration::from_millis(10);

/// One up-down counter.
pub(crate) struct Figure<T> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    /// None where the system does not tell.
    pub(crate) read: fn(&T) -> Option<u64>,
}

impl<T: 'static> Figure<T> {
    /// Registers the instrument. `source` calls the function that it is given with the current state.
    pub(crate) fn observe(
        self,
        meter: &Meter,
        source: impl Fn(fn(&T) -> Option<u64>) -> Option<u64> + Send + Sync + 'static,
    ) {
        let read = self.read;
        let _ = meter
            .i64_observable_up_down_counter(self.name)
            .with_unit(self.unit)
            .with_description(self.description)
            .with_callback(move |observer| {
                if let Some(number) = source(read) {
                    observer.observe(number.try_into().unwrap_or(i64::MAX), &[]);
                }
            })
            .build();
    }
}

const FIGURES: [Figure<Metrics>; 4] = [
    Figure {
        name: "process.memory.usage",
        unit: "By",
        description: "The amount of physical memory in use.",
        read: |metrics| metrics.resident_memory_bytes,
    },
    Figure {
        name: "process.memory.virtual",
        unit: "By",
        description: "The amount of committed virtual memory.",
        read: |metrics| metrics.virtual_memory_bytes,
    },
    Figure {
        name: "process.thread.count",
        unit: "{thread}",
        description: "Process threads count.",
        read: |metrics| metrics.threads,
    },
    #[cfg(windows)]
    Figure {
        name: "process.windows.handle.count",
        unit: "{handle}",
        description: "Number of handles held by the process.",
        read: |metrics| metrics.open_fds,
    },
    #[cfg(not(windows))]
    Figure {
        name: "process.unix.file_descriptor.count",
        unit: "{file_descriptor}",
        description: "Number of unix file descriptors in use by the process.",
        read: |metrics| metrics.open_fds,
    },
];

/// The last look at the system, and when it was taken.
type Snapshot = Arc<Mutex<Option<(Instant, Metrics)>>>;

/// Registers the instruments.
pub(crate) fn observe(meter: &Meter) {
    #[cfg(unix)]
    observe_cpu(meter);
    let snapshot = Snapshot::default();
    for figure in FIGURES {
        let snapshot = Arc::clone(&snapshot);
        figure.observe(meter, move |read| {
            let mut last = snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = last.take_if(|(taken, _)| taken.elapsed() < ONE_SCRAPE);
            let look = fresh.unwrap_or_else(|| (Instant::now(), collector::collect()));
            read(&last.insert(look).1)
        });
    }
    // The wall clock is read once: it can be set later, and the uptime must not jump.
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
