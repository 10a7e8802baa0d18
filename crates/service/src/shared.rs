//! What all connections use: the app, the protocol's parameters, the limits, and what has to be counted across connections.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::flag::Flag;
use crate::log_limit::LogLimit;
use crate::timer::FreezeAwareTimer;
use crate::{Limits, Readiness, limits};

pub(crate) struct Shared {
    pub(crate) app: Router,
    pub(crate) http: Builder<Streams>,
    /// The tasks of HTTP/2 streams.
    pub(crate) streams: TaskTracker,
    pub(crate) limits: Limits,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Clock,
    pub(crate) log_limit: LogLimit,
    /// There is hardly room for more connections.
    pub(crate) crowded: Flag,
    http2_requests: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(app: Router, readiness: Readiness, limits: Limits) -> Arc<Self> {
        // `Limits::body_bytes` holds, also above axum's own limit. Below that the layer would only cost time.
        let app = match limits.body_bytes {
            Some(bytes) if bytes <= AXUM_BODY_LIMIT => app,
            _ => app.layer(DefaultBodyLimit::disable()),
        };
        let streams = TaskTracker::new();
        let http2_requests = limits.http2_requests.unwrap_or(usize::MAX);
        Arc::new(Self {
            // Builds the routes here instead of at every request.
            app: app.with_state(()),
            http: http(streams.clone(), &limits),
            streams,
            limits,
            readiness,
            clock: Clock::new(),
            log_limit: LogLimit::default(),
            crowded: Flag::default(),
            http2_requests: Arc::new(Semaphore::new(http2_requests.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// Whether an HTTP/1 response must be the last on its connection: during the drain, and while there is hardly room
    /// for more connections, so that clients take turns without a lost request.
    pub(crate) fn wants_close(&self) -> bool {
        !self.readiness.is_ready() || self.crowded.get()
    }

    /// A permit for one HTTP/2 request, to be held until its whole response is sent.
    pub(crate) fn http2_permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.http2_requests).try_acquire_owned().ok();
        if permit.is_none() {
            self.log_cut("http2_requests", &self.limits.http2_requests);
        }
        permit
    }

    /// Logs that the field `limit` of [`Limits`] has cut a client.
    pub(crate) fn log_cut(&self, limit: &'static str, value: &dyn fmt::Debug) {
        if let Some(times) = self.log_limit.add(limit, 1) {
            tracing::warn!(limit, ?value, times, "cut by a limit of service::Limits");
        }
    }
}

/// axum's extractors read at most this many bytes of a body, unless they are told otherwise.
const AXUM_BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Spawns the streams of HTTP/2 connections. They are tracked because a stream's task can outlive its connection's task,
/// and a span that it ends must have ended when `serve` returns.
#[derive(Clone)]
pub(crate) struct Streams(TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// The parameters of HTTP/1 and HTTP/2.
fn http(streams: TaskTracker, limits: &Limits) -> Builder<Streams> {
    // Less makes hyper panic.
    let head = limits.head_bytes.unwrap_or(usize::MAX).max(8 * 1024);
    let mut http = Builder::new(Streams(streams));
    http.http1()
        // `Connections::close_overdue` looks for slow heads and idle connections, without a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(head);
    http.http2()
        .timer(FreezeAwareTimer)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.http2_streams)
        .initial_stream_window_size(limits.http2_window)
        .initial_connection_window_size(limits.http2_window)
        .max_send_buf_size(limits::SEND_BUFFER);
    if let Some(limit) = limits.http2_ping {
        http.http2()
            .keep_alive_interval(limits::PING_INTERVAL)
            .keep_alive_timeout(limit);
    }
    http
}
