//! What the operating system knows.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Error;

/// CPU time that the threads of a process have used, the system's part included, to the nanosecond.
pub fn cpu_time(id: u32) -> Result<Duration, Error> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let schedstat = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += schedstat
            .split(' ')
            .next()
            .unwrap_or_default()
            .parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// CPU time of the user and of the system that a process has used, in ticks: how the kernel divides it is an estimate.
pub fn ticks(id: u32) -> Result<[u64; 2], Error> {
    let [user, system, ..] = times(&id.to_string())?;
    Ok([user, system])
}

/// CPU time of the children of this process that have ended, and of their children, to the hundredth second.
pub fn children_cpu_time() -> Result<Duration, Error> {
    let [.., user, system] = times("self")?;
    Ok(Duration::from_millis(
        (user + system) * 1000 / rustix::param::clock_ticks_per_second(),
    ))
}

/// Fields 14 to 17 of `/proc/…/stat`, proc(5): utime, stime, cutime, cstime.
fn times(process: &str) -> Result<[u64; 4], Error> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second may hold blanks, and ends with the last parenthesis.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let times: Result<Vec<u64>, _> = fields
        .split(' ')
        .skip(14 - 3)
        .take(4)
        .map(str::parse)
        .collect();
    let times = times?.try_into();
    times.map_err(|_| "/proc/…/stat has another form".into())
}

/// The processors, divided: the first is for what is measured and for its caller, the others are for whoever takes its
/// spans. Whether the scheduler puts caller and called on one or on two matters more than what they do, and on two a
/// service costs twice as much, telemetry or not. A single processor is for all.
pub struct Processors {
    all: CpuSet,
    first: CpuSet,
    others: CpuSet,
}

impl Processors {
    /// From now on this thread, and each process that it starts, is on the first.
    pub fn divided() -> Result<Self, Error> {
        let all = sched_getaffinity(None)?;
        let (mut first, mut others) = (all, all);
        if all.count() > 1 {
            let number = (0..CpuSet::MAX_CPU).find(|&processor| all.is_set(processor));
            first = CpuSet::new();
            first.set(number.unwrap_or_default());
            others.unset(number.unwrap_or_default());
        }
        sched_setaffinity(None, &first)?;
        Ok(Self { all, first, others })
    }

    /// Starts something on the others.
    pub fn apart<T>(&self, start: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        // A process stays where the thread was that started it.
        sched_setaffinity(None, &self.others)?;
        let started = start();
        sched_setaffinity(None, &self.first)?;
        started
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        // Nothing that is measured later depends on it.
        let _ = sched_setaffinity(None, &self.all);
    }
}

/// Memory that a process holds, in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// The most that it ever held.
    pub peak: f64,
    pub now: f64,
}

/// Resident memory of a process.
pub fn memory(id: u32) -> Result<Memory, Error> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let mebibytes = |name| {
        let mut lines = status.lines();
        let kibibytes = lines.find_map(|line| line.strip_prefix(name)?.strip_suffix(" kB"));
        let kibibytes = kibibytes.unwrap_or_default().trim().parse::<f64>()?;
        Ok::<_, Error>(kibibytes / 1024.0)
    };
    Ok(Memory {
        peak: mebibytes("VmHWM:")?,
        now: mebibytes("VmRSS:")?,
    })
}

/// One line: processor, system, compiler.
pub fn description() -> Result<String, Error> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "{} × {}, Linux {}, {}, {}",
        std::thread::available_parallelism()?,
        model.map_or("unknown processor", |(_, model)| model),
        kernel.trim().split('-').next().unwrap_or_default(),
        version("rustc")?,
        version("valgrind")?,
    ))
}

fn version(program: &str) -> Result<String, Error> {
    let output = Command::new(program).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split(" (")
        .next()
        .unwrap_or_default()
        .trim()
        .replace("valgrind-", "valgrind "))
}
