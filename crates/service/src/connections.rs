//! The open connections: each is a task.
//!
//! Without a limit on them, and a way to close those that hang, a few clients could take all descriptors and memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpStream;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::timeout;

use crate::activity::{Activity, Phase};
use crate::shared::Shared;
use crate::{connection, limits, stream};

pub(crate) struct Connections {
    shared: Arc<Shared>,
    limit: usize,
    tasks: JoinSet<()>,
    open: HashMap<Id, Connection>,
}

struct Connection {
    activity: Arc<Activity>,
    task: AbortHandle,
}

impl Connections {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            limit: limits::most_connections(&shared.limits),
            shared,
            tasks: JoinSet::new(),
            open: HashMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.tasks.len() >= self.limit
    }

    /// Serves a new connection.
    pub(crate) fn add(&mut self, tcp: TcpStream, peer: SocketAddr) {
        // A response is written whole: waiting for more to fill a packet would only delay it.
        let _ = tcp.set_nodelay(true);
        let activity = Arc::new(Activity::new(Arc::clone(&self.shared)));
        // Before 1970 hyper panics at each connection, also if it is told to send no `Date`.
        let task = if SystemTime::now() >= SystemTime::UNIX_EPOCH {
            self.tasks
                .spawn(connection::serve(Arc::clone(&activity), tcp, peer))
        } else {
            if let Some(refused) = self.shared.log_limit.add("clock", 1) {
                tracing::error!(
                    refused,
                    "the clock is before 1970, which HTTP has no date for: clients get 503 until it is set"
                );
            }
            self.tasks.spawn(stream::refuse(tcp))
        };
        self.open.insert(task.id(), Connection { activity, task });
        self.mark_crowded();
    }

    /// Waits until a connection has ended. `None` if there is none.
    pub(crate) async fn next_ended(&mut self) -> Option<()> {
        // An error is a handler's panic, which the panic hook has reported, or an abort.
        let id = match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        self.open.remove(&id);
        self.mark_crowded();
        Some(())
    }

    fn mark_crowded(&self) {
        let is_crowded = self.tasks.len() >= self.limit - self.limit / 8;
        self.shared.crowded.set(is_crowded);
    }

    /// Closes the connections whose client or handler has exceeded a limit.
    pub(crate) fn close_overdue(&self) {
        let limits = &self.shared.limits;
        for Connection { activity, task } in self.open.values() {
            activity.end_half_closed();
            let phase = activity.phase();
            let (name, limit) = match phase {
                Phase::Handling => ("answer", limits.answer),
                Phase::Responding => ("pause", limits.pause),
                Phase::Idle => ("idle", limits.idle),
                Phase::Upgraded => continue,
            };
            let waited = activity.since_progress();
            let Some(limit) = limit.filter(|limit| waited >= *limit) else {
                continue;
            };
            let has_partial_head = activity.has_partial_head();
            // Nobody waits for anything on an idle connection: closing it is nothing to warn of.
            if phase != Phase::Idle || has_partial_head {
                activity.log_cut(name, limit);
            }
            if phase == Phase::Handling {
                activity.time_out();
            }
            activity.shut_down();
            if has_partial_head {
                activity.set_final_response(limits::REQUEST_TIMEOUT);
            }
            if has_partial_head || waited >= limit + limits::CLOSE_GRACE {
                task.abort();
            }
        }
    }

    /// Closes the longest idle connections if there is no room for another.
    pub(crate) fn make_room(&mut self) {
        if !self.is_full() {
            return;
        }
        let evicted = self.evict();
        if evicted > 0
            && let Some(evicted) = self.shared.log_limit.add("full", evicted)
        {
            tracing::warn!(
                evicted,
                connections = self.limit,
                "as many connections as there may be: the longest idle ones are closed"
            );
        }
    }

    /// Closes the longest idle of the connections that can give way, and returns how many. Several at once, because looking
    /// through all of them for each new connection would cost too much.
    pub(crate) fn evict(&mut self) -> usize {
        let idle = self.open.iter();
        let mut idle: Vec<_> = idle
            .filter_map(|(id, open)| Some((open.activity.can_give_way_since()?, *id)))
            .collect();
        idle.sort_unstable_by_key(|(since, _)| Reverse(*since));
        idle.truncate(self.limit.div_ceil(limits::EVICTED_PART));
        for (_, id) in &idle {
            if let Some(open) = self.open.remove(id) {
                let activity = open.activity;
                activity.set_final_response(limits::SERVICE_UNAVAILABLE);
                open.task.abort();
            }
        }
        idle.len()
    }

    /// Closes each connection as soon as that loses no request. GOAWAY loses none. An HTTP/1 connection can only be closed,
    /// while a request may be on its way: an active client gets a grace period for it, and the response tells it.
    pub(crate) fn shut_down_idle(&self) {
        for Connection { activity, .. } in self.open.values() {
            if activity.flags.http2.get() || activity.is_past(self.shared.limits.grace) {
                activity.shut_down();
            }
        }
    }

    /// Ends what is left: handlers are dropped and their clients get 503, then the connections are cut.
    pub(crate) async fn end(mut self) {
        for Connection { activity, .. } in self.open.values() {
            activity.time_out();
        }
        // A handler that blocks its thread cannot be cut, and must not hold up the stop.
        let all_ended = async { while self.next_ended().await.is_some() {} };
        let _ = timeout(limits::CUT, all_ended).await;
        let _ = timeout(limits::CUT, async {
            self.tasks.shutdown().await;
            self.shared.streams.close();
            self.shared.streams.wait().await;
        })
        .await;
    }
}
