//! A caller that traces: the id of its trace is known before the request is sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// A trace that nobody else has, in hexadecimal.
pub(crate) fn trace_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = UNIX_EPOCH.elapsed().map_or(1, |now| now.as_nanos() as u64);
    let process = u64::from(std::process::id()) << 32;
    let count = LAST.fetch_add(1, Ordering::Relaxed);
    format!("{now:016x}{:016x}", process + count)
}

/// The value of `traceparent` that puts a request into that trace, sampled.
pub(crate) fn traceparent(trace_id: &str) -> String {
    format!("00-{trace_id}-00000000000c0ffe-01")
}
