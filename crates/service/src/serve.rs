//! The accept loop: it lets connections in, closes those that do nothing, and drains.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;
use tower_http::limit::RequestBodyLimit;

use crate::Readiness;
use crate::backlog;
use crate::connection::Connection;
use crate::limits::{self, Limits};
use crate::occasionally::Occasionally;

/// Serves `app` on `listener` until `stop` completes, then drains and returns.
///
/// The [limits](crate#limits) hold, and `app` finds a `ConnectInfo<SocketAddr>` in each request's extensions.
/// No error ends it: a connection that cannot be accepted is tried again and logged once a while.
///
/// Draining: `readiness` is lost; whoever waits in the kernel's backlog is let in, then nobody; HTTP/1 answers say
/// `Connection: close`, HTTP/2 clients get GOAWAY. A connection that was active within the last second gets the rest
/// of that second to send one more request. What is not answered after five seconds is cut, and a warning counts it.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    readiness: Readiness,
    stop: impl Future<Output = ()>,
) {
    Server::new(app, readiness, Limits::of_this_process())
        .run(listener, stop)
        .await;
}

/// What all connections use.
pub(crate) struct Shared {
    pub(crate) app: RequestBodyLimit<Router>,
    pub(crate) http: Builder<Streams>,
    readiness: Readiness,
    crowded: AtomicBool,
    http2_requests: Arc<Semaphore>,
    refusals: Mutex<Occasionally>,
}

impl Shared {
    /// Whether an answer shall be the last on its HTTP/1 connection.
    ///
    /// While it drains; and while there is hardly room for more connections, since that gives others their turn
    /// without losing a request.
    pub(crate) fn wants_close(&self) -> bool {
        !self.readiness.is_ready() || self.crowded.load(Ordering::Relaxed)
    }

    /// Room for one more HTTP/2 request, until its whole answer is sent.
    pub(crate) fn http2_room(&self) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.http2_requests).try_acquire_owned().ok();
        if room.is_none() {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(refused) = refusals.count(1) {
                tracing::warn!(
                    refused,
                    "HTTP/2 requests are refused: {} are being answered",
                    limits::HTTP2_REQUESTS
                );
            }
        }
        room
    }
}

/// Spawns an HTTP/2 connection's streams. They are tracked, because a stream's task can end after its connection's,
/// and what it still has to do (a span that ends) must be done when [`serve`] returns.
#[derive(Clone, Default)]
pub(crate) struct Streams(TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

pub(crate) struct Server {
    limits: Limits,
    shared: Arc<Shared>,
    streams: TaskTracker,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    accept_failures: Occasionally,
    evictions: Occasionally,
}

struct Open {
    connection: Arc<Connection>,
    task: AbortHandle,
}

impl Server {
    pub(crate) fn new(app: Router, readiness: Readiness, limits: Limits) -> Self {
        let streams = Streams::default();
        let tracker = streams.0.clone();
        // The routes are made ready here instead of at every request.
        let app = app.with_state(());
        let shared = Shared {
            app: RequestBodyLimit::new(app, limits::BODY),
            http: http(streams),
            readiness,
            crowded: AtomicBool::new(false),
            http2_requests: Arc::new(Semaphore::new(limits::HTTP2_REQUESTS)),
            refusals: Mutex::default(),
        };
        Self {
            limits,
            shared: Arc::new(shared),
            streams: tracker,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            accept_failures: Occasionally::default(),
            evictions: Occasionally::default(),
        }
    }

    pub(crate) async fn run(mut self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut sweep = tokio::time::interval(limits::SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_full = self.is_full();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                _ = sweep.tick() => self.sweep(),
                () = tokio::time::sleep(limits::FULL_PAUSE), if is_full => self.make_room(),
                accepted = listener.accept(), if !is_full => match accepted {
                    Ok((stream, peer)) => {
                        self.admit(stream, peer);
                        self.make_room();
                    }
                    Err(error) => self.not_accepted(&error).await,
                },
            }
        }
        self.drain(listener).await;
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        // An answer is written whole: waiting for more to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let connection = Arc::new(Connection::new(Arc::clone(&self.shared), peer));
        let task = self.tasks.spawn(Arc::clone(&connection).serve(stream));
        self.open.insert(task.id(), Open { connection, task });
        self.count();
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        // An error is a handler's panic, which the panic hook has reported, or a connection that was cut here.
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.open.remove(&id);
        self.count();
    }

    fn count(&self) {
        let crowded = self.tasks.len() >= self.limits.connections - self.limits.connections / 8;
        self.shared.crowded.store(crowded, Ordering::Relaxed);
    }

    /// Closes connections on which nothing happens: no whole request came, or a handler or the client that takes the
    /// answer hangs.
    fn sweep(&mut self) {
        for Open { connection, task } in self.open.values() {
            let quiet = connection.quiet();
            let limit = if connection.is_pending() {
                self.limits.stalled
            } else {
                self.limits.idle
            };
            if quiet >= limit + limits::FAREWELL {
                task.abort();
            } else if quiet >= limit {
                connection.finish();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.tasks.len() >= self.limits.connections
    }

    fn make_room(&mut self) {
        if !self.is_full() {
            return;
        }
        let evicted = self.evict();
        if evicted > 0
            && let Some(evicted) = self.evictions.count(evicted)
        {
            tracing::warn!(
                evicted,
                connections = self.limits.connections,
                "as many connections as there may be: the longest idle ones are closed"
            );
        }
    }

    /// Closes the few connections that have been idle longest, of those whose clients are hardly about to send a
    /// request, and returns how many. A few, because looking through all for each newcomer would cost too much.
    fn evict(&mut self) -> usize {
        let mut idle: Vec<_> = self
            .open
            .iter()
            .filter(|(_, Open { connection, .. })| !connection.is_pending())
            .map(|(id, Open { connection, .. })| {
                let polite = if connection.has_answered() {
                    self.limits.moment
                } else {
                    limits::GREETING
                };
                (connection.quiet(), polite, *id)
            })
            .filter(|(quiet, polite, _)| quiet >= polite)
            .collect();
        idle.sort_unstable_by_key(|(quiet, ..)| Reverse(*quiet));
        idle.truncate(self.limits.connections.div_ceil(limits::EVICTED_PART));
        for (.., id) in &idle {
            if let Some(open) = self.open.remove(id) {
                open.task.abort();
            }
        }
        idle.len()
    }

    async fn not_accepted(&mut self, error: &io::Error) {
        // The client left while it waited.
        if matches!(
            error.kind(),
            ErrorKind::ConnectionAborted
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionRefused
        ) {
            return;
        }
        // Most likely descriptors have run out, and requests need some too.
        let evicted = self.evict();
        self.shared.crowded.store(true, Ordering::Relaxed);
        if let Some(failures) = self.accept_failures.count(1) {
            tracing::warn!(%error, failures, evicted, open = self.open.len(), "connections cannot be accepted");
        }
        tokio::time::sleep(limits::ACCEPT_PAUSE).await;
    }

    async fn drain(mut self, listener: TcpListener) {
        self.shared.readiness.drain();
        for (stream, peer) in backlog::close(listener).await {
            self.admit(stream, peer);
        }

        let mut limit = pin!(tokio::time::sleep(self.limits.drain));
        let mut farewell = tokio::time::interval(limits::FAREWELL_TICK);
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                _ = farewell.tick() => self.say_farewell(),
                () = &mut limit => {
                    tracing::warn!(connections = self.tasks.len(), "cut: not done within {:?} of the stop", self.limits.drain);
                    break;
                }
            }
        }

        // A handler that blocks its thread cannot be cut; it must not hold up the stop either.
        let _ = tokio::time::timeout(limits::CUT, async {
            self.tasks.shutdown().await;
            self.streams.close();
            self.streams.wait().await;
        })
        .await;
    }

    /// Finishes each connection as soon as no request of it can be lost by that.
    ///
    /// GOAWAY loses none. An HTTP/1 connection can only be closed, and a request may just be on its way: a client that
    /// is at work gets a moment, and the answer tells it. For a client that is rarely at work a moment changes nothing.
    fn say_farewell(&self) {
        for Open { connection, .. } in self.open.values() {
            let idle = !connection.is_pending() && connection.quiet() >= self.limits.moment;
            if idle || connection.is_http2() {
                connection.finish();
            }
        }
    }
}

/// How HTTP is spoken.
fn http(streams: Streams) -> Builder<Streams> {
    let mut http = Builder::new(streams);
    http.http1()
        // `Server::sweep` sees to slow heads and to idle connections, without a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(limits::HEADER_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits::HTTP2_HEADER_BYTES)
        .max_concurrent_streams(limits::STREAMS)
        .initial_stream_window_size(limits::WINDOW)
        .initial_connection_window_size(limits::WINDOW)
        .max_send_buf_size(limits::SEND_BUFFER)
        .keep_alive_interval(limits::PING_INTERVAL)
        .keep_alive_timeout(limits::PING_LIMIT);
    http
}

#[cfg(test)]
mod tests;
