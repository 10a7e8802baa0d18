//! What all connections use.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::limits;
use crate::log_limit::LogLimit;
use crate::timer::PatientTimer;
use crate::{Limits, Readiness};

/// What all connections use.
pub(crate) struct Shared {
    pub(crate) app: Router,
    pub(crate) http: Builder<Streams>,
    pub(crate) limits: Limits,
    pub(crate) readiness: Readiness,
    pub(crate) began: Instant,
    /// Milliseconds in which this process did not run.
    pub(crate) frozen: AtomicU64,
    pub(crate) crowded: AtomicBool,
    pub(crate) http2_requests: Arc<Semaphore>,
    /// By the limit's name.
    pub(crate) cuts: Mutex<HashMap<&'static str, LogLimit>>,
}

impl Shared {
    /// Whether an answer shall be the last on its HTTP/1 connection.
    ///
    /// While it drains; and while there is hardly room for more connections, since that gives others their turn
    /// without losing a request.
    pub(crate) fn wants_close(&self) -> bool {
        !self.readiness.is_ready() || self.crowded.load(Ordering::Relaxed)
    }

    /// Milliseconds in which this process ran and its clients could have been heard.
    ///
    /// A paused container, a laptop that sleeps: what a client sends meanwhile is read later, and is no silence.
    pub(crate) fn now(&self) -> u64 {
        let began = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        began.saturating_sub(self.frozen.load(Ordering::Relaxed))
    }

    /// Room for one more HTTP/2 request, until its whole answer is sent.
    pub(crate) fn http2_room(&self) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.http2_requests).try_acquire_owned().ok();
        if room.is_none() {
            self.cut("http2_requests", &self.limits.http2_requests);
        }
        room
    }

    /// Logs now and then that somebody was cut by the limit of that name.
    pub(crate) fn cut(&self, limit: &'static str, value: &dyn fmt::Debug) {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = cuts.entry(limit).or_default().count(1) {
            tracing::warn!(limit, ?value, times, "cut by a limit of service::Limits");
        }
    }
}

/// Spawns an HTTP/2 connection's streams. They are tracked, because a stream's task can end after its connection's,
/// and what it still has to do (a span that ends) must be done when [`serve`] returns.
#[derive(Clone, Default)]
pub(crate) struct Streams(pub(crate) TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// How HTTP is spoken.
pub(crate) fn http(streams: Streams, limits: &Limits) -> Builder<Streams> {
    // hyper's own least.
    let head = limits.head_bytes.unwrap_or(usize::MAX).max(8 * 1024);
    let mut http = Builder::new(streams);
    http.http1()
        // `Server::sweep` sees to slow heads and to idle connections, without a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(head);
    http.http2()
        .timer(PatientTimer)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.http2_streams)
        .initial_stream_window_size(limits::WINDOW)
        .initial_connection_window_size(limits::WINDOW)
        .max_send_buf_size(limits::SEND_BUFFER);
    if let Some(limit) = limits.http2_ping {
        http.http2()
            .keep_alive_interval(limits::PING_INTERVAL)
            .keep_alive_timeout(limit);
    }
    http
}
