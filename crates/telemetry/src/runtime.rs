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

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::metrics::Meter;
use tokio_metrics::{RuntimeIntervals, RuntimeMonitor};

/// Instruments that are read within this time belong to one scrape and share one look at the runtime.
const ONE_SCRAPE: Duration = Duration::from_millis(10);

/// Totals since the start, and the state at the last look.
#[derive(Clone, Copy, Default)]
struct Figures {
    workers: usize,
    busy_time: Duration,
    busy: f64,
    parks: u64,
    tasks: usize,
    queue: usize,
}

#[derive(Clone)]
struct Snapshot(Arc<Mutex<Inner>>);

struct Inner {
    intervals: RuntimeIntervals,
    taken: Option<Instant>,
    figures: Figures,
}

impl Snapshot {
    fn read(&self) -> Figures {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner
            .taken
            .is_none_or(|taken| taken.elapsed() >= ONE_SCRAPE)
            && let Some(interval) = inner.intervals.next()
        {
            let workers = interval.workers_count.max(1);
            inner.taken = Some(Instant::now());
            inner.figures = Figures {
                workers: interval.workers_count,
                busy_time: inner.figures.busy_time + interval.total_busy_duration,
                busy: (interval.busy_ratio() / workers as f64).clamp(0.0, 1.0),
                parks: inner.figures.parks + interval.total_park_count,
                tasks: interval.live_tasks_count,
                queue: interval.global_queue_depth,
            };
        }
        inner.figures
    }
}

/// Registers the instruments if the caller is on a tokio runtime.
pub(crate) fn observe(meter: &Meter) {
    let Ok(handle) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let snapshot = Snapshot(Arc::new(Mutex::new(Inner {
        intervals: RuntimeMonitor::new(&handle).intervals(),
        taken: None,
        figures: Figures::default(),
    })));
    let read = snapshot.clone();
    let _ = meter
        .f64_observable_counter("tokio.worker.busy.time")
        .with_unit("s")
        .with_description("Time that the runtime's workers were busy, all together.")
        .with_callback(move |observer| observer.observe(read.read().busy_time.as_secs_f64(), &[]))
        .build();
    let read = snapshot.clone();
    let _ = meter
        .f64_observable_gauge("tokio.worker.busy")
        .with_unit("1")
        .with_description(
            "Share of time that the runtime's workers were busy since the previous look.",
        )
        .with_callback(move |observer| observer.observe(read.read().busy, &[]))
        .build();
    let read = snapshot.clone();
    let _ = meter
        .u64_observable_counter("tokio.worker.park.count")
        .with_unit("{park}")
        .with_description("How often the runtime's workers went idle.")
        .with_callback(move |observer| observer.observe(read.read().parks, &[]))
        .build();
    count(
        meter,
        &snapshot,
        (
            "tokio.worker.count",
            "{worker}",
            "Worker threads of the runtime.",
        ),
        |figures| figures.workers,
    );
    count(
        meter,
        &snapshot,
        (
            "tokio.task.alive",
            "{task}",
            "Tasks of the runtime that have not ended.",
        ),
        |figures| figures.tasks,
    );
    count(
        meter,
        &snapshot,
        (
            "tokio.global_queue.depth",
            "{task}",
            "Tasks that wait for any worker of the runtime.",
        ),
        |figures| figures.queue,
    );
}

fn count(
    meter: &Meter,
    snapshot: &Snapshot,
    (name, unit, description): (&'static str, &'static str, &'static str),
    figure: fn(Figures) -> usize,
) {
    let snapshot = snapshot.clone();
    let _ = meter
        .i64_observable_up_down_counter(name)
        .with_unit(unit)
        .with_description(description)
        .with_callback(move |observer| {
            observer.observe(figure(snapshot.read()).try_into().unwrap_or(i64::MAX), &[]);
        })
        .build();
}
