//! How busy the tokio runtime is that the service runs on. The conventions have no names for tokio; these are ours:
//!
//! | instrument | unit | |
//! | --- | --- | --- |
//! | `tokio.worker.count` up-down counter | {worker} | worker threads |
//! | `tokio.worker.busy.time` counter | s | time that all workers together were not idle; its rate over `tokio.worker.count` is the saturation |
//! | `tokio.worker.busy` gauge | 1 | that saturation since the previous look, 0 to 1 |
//! | `tokio.worker.park.count` counter | {park} | how often workers went idle |
//! | `tokio.task.alive` up-down counter | {task} | tasks that have not ended |
//! | `tokio.global_queue.depth` up-down counter | {task} | tasks that wait for any worker: grows when all are busy |

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::metrics::Meter;
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::process::{Figure, ONE_SCRAPE};

/// Registers the instruments if the caller is on a tokio runtime.
pub(crate) fn observe(meter: &Meter) {
    let Ok(handle) = Handle::try_current() else {
        return;
    };
    let runtime = handle.metrics();
    observe_saturation(meter, runtime.clone());
    let read = runtime.clone();
    let _ = meter
        .f64_observable_counter("tokio.worker.busy.time")
        .with_unit("s")
        .with_description("Time that the runtime's workers were busy, all together.")
        .with_callback(move |observer| observer.observe(busy_time(&read).as_secs_f64(), &[]))
        .build();
    let read = runtime.clone();
    let _ = meter
        .u64_observable_counter("tokio.worker.park.count")
        .with_unit("{park}")
        .with_description("How often the runtime's workers went idle.")
        .with_callback(move |observer| {
            let parks = workers(&read).map(|worker| read.worker_park_count(worker));
            observer.observe(parks.sum(), &[]);
        })
        .build();
    let figures: [Figure<RuntimeMetrics>; 3] = [
        Figure {
            name: "tokio.worker.count",
            unit: "{worker}",
            description: "Worker threads of the runtime.",
            read: |runtime| Some(runtime.num_workers() as u64),
        },
        Figure {
            name: "tokio.task.alive",
            unit: "{task}",
            description: "Tasks of the runtime that have not ended.",
            read: |runtime| Some(runtime.num_alive_tasks() as u64),
        },
        Figure {
            name: "tokio.global_queue.depth",
            unit: "{task}",
            description: "Tasks that wait for any worker of the runtime.",
            read: |runtime| Some(runtime.global_queue_depth() as u64),
        },
    ];
    for figure in figures {
        let runtime = runtime.clone();
        figure.observe(meter, move |read| read(&runtime));
    }
}

fn observe_saturation(meter: &Meter, runtime: RuntimeMetrics) {
    let last = Mutex::new(Look {
        taken: Instant::now(),
        busy_time: busy_time(&runtime),
        share: 0.0,
    });
    let _ = meter
        .f64_observable_gauge("tokio.worker.busy")
        .with_unit("1")
        .with_description(
            "Share of time that the runtime's workers were busy since the previous look.",
        )
        .with_callback(move |observer| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.taken.elapsed() >= ONE_SCRAPE {
                *last = last.next(&runtime);
            }
            observer.observe(last.share, &[]);
        })
        .build();
}

/// The runtime at one scrape.
struct Look {
    taken: Instant,
    busy_time: Duration,
    share: f64,
}

impl Look {
    fn next(&self, runtime: &RuntimeMetrics) -> Self {
        let (taken, busy_time) = (Instant::now(), busy_time(runtime));
        let all = taken.duration_since(self.taken).as_secs_f64() * runtime.num_workers() as f64;
        // A worker adds its time when it goes idle, so more can be added than has elapsed.
        let share = busy_time.saturating_sub(self.busy_time).as_secs_f64() / all;
        Self {
            taken,
            busy_time,
            share: share.min(1.0),
        }
    }
}

fn busy_time(runtime: &RuntimeMetrics) -> Duration {
    workers(runtime)
        .map(|worker| runtime.worker_total_busy_duration(worker))
        .sum()
}

fn workers(runtime: &RuntimeMetrics) -> std::ops::Range<usize> {
    0..runtime.num_workers()
}
