//! The accept loop: it lets connections in, closes those that do nothing, and drains.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::backlog;
use crate::connection::{Connection, Doing};
use crate::limits;
use crate::log_limit::LogLimit;
use crate::shared::{Shared, Streams, http};
use crate::stream;
use crate::{Limits, Readiness};

/// Serves `app` on `listener` until `stop` completes, then drains and returns.
///
/// `limits` hold, and `app` finds a `ConnectInfo<SocketAddr>` in each request's extensions.
/// No error ends it: a connection that cannot be accepted is tried again and logged once a while.
///
/// Draining: `readiness` is lost; whoever waits in the kernel's backlog is let in, then nobody; HTTP/1 answers say
/// `Connection: close`, HTTP/2 clients get GOAWAY. A connection that was active within the last second gets the rest
/// of that second to send one more request. What is not answered after [`Limits::drain`] is cut, and a warning counts it.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    readiness: Readiness,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    Server::new(app, readiness, limits)
        .run(listener, stop)
        .await;
}

pub(crate) struct Server {
    limits: Limits,
    /// Connections at a time.
    room: usize,
    swept: Instant,
    shared: Arc<Shared>,
    streams: TaskTracker,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    accept_failures: LogLimit,
    evictions: LogLimit,
    clock_refusals: LogLimit,
}

struct Open {
    connection: Arc<Connection>,
    task: AbortHandle,
}

impl Server {
    pub(crate) fn new(app: Router, readiness: Readiness, limits: Limits) -> Self {
        let streams = Streams::default();
        let tracker = streams.0.clone();
        // The limit here is the one that holds, also above axum's own.
        let app = match limits.body_bytes {
            Some(bytes) if bytes <= AXUM_BODY_LIMIT => app,
            _ => app.layer(DefaultBodyLimit::disable()),
        };
        // The routes are made ready here instead of at every request.
        let app = app.with_state(());
        let http2_requests = limits.http2_requests.unwrap_or(usize::MAX);
        let shared = Shared {
            app,
            http: http(streams, &limits),
            limits,
            readiness,
            began: Instant::now(),
            frozen: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
            http2_requests: Arc::new(Semaphore::new(http2_requests.min(Semaphore::MAX_PERMITS))),
            cuts: Mutex::default(),
        };
        Self {
            limits,
            room: limits.most_connections(),
            swept: Instant::now(),
            shared: Arc::new(shared),
            streams: tracker,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            accept_failures: LogLimit::default(),
            evictions: LogLimit::default(),
            clock_refusals: LogLimit::default(),
        }
    }

    pub(crate) async fn run(mut self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut sweep = tokio::time::interval(limits::SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.swept = Instant::now();
        loop {
            let is_full = self.is_full();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                _ = sweep.tick() => {
                    self.forgive_freeze();
                    self.sweep();
                }
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
        let task = if has_http_date(SystemTime::now()) {
            self.tasks.spawn(Arc::clone(&connection).serve(stream))
        } else {
            if let Some(refused) = self.clock_refusals.count(1) {
                tracing::error!(
                    refused,
                    "the clock is before 1970, which HTTP has no date for: clients get 503 until it is set"
                );
            }
            self.tasks.spawn(stream::refuse(stream, limits::NO_CLOCK))
        };
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
        let crowded = self.tasks.len() >= self.room - self.room / 8;
        self.shared.crowded.store(crowded, Ordering::Relaxed);
    }

    /// Takes the time by which a look comes late out of all accounts.
    fn forgive_freeze(&mut self) {
        let late = self.swept.elapsed().saturating_sub(limits::SWEEP);
        self.swept = Instant::now();
        if late >= limits::LATE {
            let millis = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            self.shared.frozen.fetch_add(millis, Ordering::Relaxed);
        }
    }

    /// Closes connections on which nothing happens: no whole request came, or a handler or the client that takes the
    /// answer hangs.
    fn sweep(&mut self) {
        for Open { connection, task } in self.open.values() {
            if let (Some(waited), Some(limit)) = (connection.half_closed(), self.limits.half_closed)
                && waited >= limit
            {
                connection.abandon();
            }
            let doing = connection.doing();
            let (name, limit) = match doing {
                Doing::Pending => ("answer", self.limits.answer),
                Doing::Answering => ("pause", self.limits.pause),
                Doing::Waiting => ("idle", self.limits.idle),
                Doing::Upgraded => continue,
            };
            let Some(limit) = limit else { continue };
            let quiet = connection.quiet();
            if quiet < limit {
                continue;
            }
            // An idle connection is not cut: nobody waits for anything.
            let is_cut = doing != Doing::Waiting || connection.has_partial_head();
            if is_cut && connection.cut() {
                self.shared.cut(name, &limit);
            }
            if doing == Doing::Pending {
                connection.give_up();
            } else {
                connection.finish();
            }
            if connection.has_partial_head() {
                connection.tell(limits::REQUEST_TIMEOUT);
                task.abort();
            } else if quiet >= limit + limits::FAREWELL {
                task.abort();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.tasks.len() >= self.room
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
                connections = self.room,
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
            .filter(|(_, Open { connection, .. })| self.can_give_way(connection))
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
        idle.truncate(self.room.div_ceil(limits::EVICTED_PART));
        for (.., id) in &idle {
            if let Some(open) = self.open.remove(id) {
                open.connection.tell(limits::NO_ROOM);
                open.task.abort();
            }
        }
        idle.len()
    }

    /// Where an answer may pause for ever, its client cannot be told from one that does not read.
    fn can_give_way(&self, connection: &Connection) -> bool {
        match connection.doing() {
            Doing::Pending | Doing::Upgraded => false,
            Doing::Answering => self.limits.pause.is_some(),
            Doing::Waiting => true,
        }
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

        let mut limit = pin!(passed(self.limits.drain));
        let mut farewell = tokio::time::interval(limits::FAREWELL_TICK);
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                _ = farewell.tick() => self.say_farewell(),
                () = &mut limit => {
                    tracing::warn!(connections = self.tasks.len(), "cut: not done within {:?} of the stop", self.limits.drain.unwrap_or_default());
                    break;
                }
            }
        }
        for Open { connection, .. } in self.open.values() {
            connection.give_up();
        }

        // A handler that blocks its thread cannot be cut; it must not hold up the stop either.
        let _ = tokio::time::timeout(limits::CUT, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
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
            let idle = matches!(connection.doing(), Doing::Answering | Doing::Waiting)
                && connection.quiet() >= self.limits.moment;
            if idle || connection.is_http2() {
                connection.finish();
            }
        }
    }
}

/// Whether hyper can write that time as a `Date`. It panics at times before 1970, at each connection, and not only for want
/// of the header: over HTTP/1 it renders the date even if it is told to send none.
fn has_http_date(now: SystemTime) -> bool {
    now >= SystemTime::UNIX_EPOCH
}

/// Completes after that time, or never.
async fn passed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// axum's extractors hold to it unless they are told otherwise.
const AXUM_BODY_LIMIT: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests;
