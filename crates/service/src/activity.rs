//! What one connection is doing, and since when.
//!
//! The parts of a connection write it, the accept loop reads it to find connections that hang or can be closed. Without it
//! a connection could only be judged by its age. The fields are hints to that loop and need no ordering.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::flag::Flag;
use crate::limits;
use crate::shared::Shared;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A handler is at work.
    Handling,
    /// The body of a response is being sent.
    Responding,
    /// No request is in flight.
    Idle,
    /// It speaks another protocol, which only its handler knows.
    Upgraded,
}

pub(crate) struct Activity {
    pub(crate) shared: Arc<Shared>,
    pub(crate) flags: Flags,
    /// When a request's head, a response's head or a piece of its body was last transferred.
    progress: AtomicU64,
    /// When the client closed its sending half while it waited for a response.
    half_closed: OnceLock<u64>,
    /// Wakes the reader of a half-closed connection, to look again whether it waits for a response.
    reader: AtomicWaker,
    final_response: OnceLock<&'static [u8]>,
    pub(crate) shutdown: Notify,
    /// Handlers have used up their time.
    pub(crate) timed_out: CancellationToken,
    /// The connection's task has ended. If it was upgraded, its handler must end.
    pub(crate) cut: CancellationToken,
}

#[derive(Default)]
pub(crate) struct Flags {
    /// Requests whose handlers have not returned.
    handling: AtomicU32,
    /// Responses whose bodies have not ended.
    responding: AtomicU32,
    /// At least one request was answered.
    pub(crate) answered: Flag,
    /// At least one HTTP/2 request was received.
    pub(crate) http2: Flag,
    pub(crate) upgraded: Flag,
    /// A part of an HTTP/1 head, or of a body, has arrived.
    pub(crate) partial: Flag,
    /// A handler waits for more of a request's body.
    pub(crate) uploading: Flag,
    /// The client still sends what will not be read.
    pub(crate) unread: Flag,
    /// A warning was logged that a limit has cut it.
    logged: Flag,
}

impl Activity {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            progress: AtomicU64::new(shared.clock.now()),
            shared,
            flags: Flags::default(),
            half_closed: OnceLock::new(),
            reader: AtomicWaker::new(),
            final_response: OnceLock::new(),
            shutdown: Notify::new(),
            timed_out: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        if self.flags.upgraded.get() {
            Phase::Upgraded
        } else if self.flags.handling.load(Relaxed) > 0 {
            Phase::Handling
        } else if self.flags.responding.load(Relaxed) > 0 {
            Phase::Responding
        } else {
            Phase::Idle
        }
    }

    pub(crate) fn progressed(&self) {
        self.progress.store(self.shared.clock.now(), Relaxed);
    }

    pub(crate) fn since_progress(&self) -> Duration {
        self.shared.clock.since(self.progress.load(Relaxed))
    }

    /// Whether no handler is at work, and the last progress was `grace` ago. A client whose HTTP/1 connection is closed
    /// earlier may just be sending a request, which would be lost.
    pub(crate) fn is_past(&self, grace: Duration) -> bool {
        matches!(self.phase(), Phase::Responding | Phase::Idle) && self.since_progress() >= grace
    }

    /// For how long the connection has been idle, if it can be closed for others that wait.
    pub(crate) fn can_give_way_since(&self) -> Option<Duration> {
        let limits = &self.shared.limits;
        let grace = if self.flags.answered.get() {
            limits.grace
        } else {
            limits::FIRST_REQUEST_GRACE
        };
        // A response that may pause for ever looks like one whose client does not read.
        let may_pause = limits.pause.is_none() && self.phase() == Phase::Responding;
        (self.is_past(grace) && !may_pause).then(|| self.since_progress())
    }

    /// Takes note of what the client has sent.
    pub(crate) fn received(&self, bytes: &[u8]) {
        // HTTP/2 begins with a preface (RFC 9113, section 3.4), which is not a head.
        let is_http1 = !bytes.starts_with(b"PRI ") && !self.flags.http2.get();
        self.flags.partial.set(!bytes.is_empty() && is_http1);
    }

    /// Whether a part of an HTTP/1 head has arrived and no request is in flight.
    pub(crate) fn has_partial_head(&self) -> bool {
        self.phase() == Phase::Idle && self.flags.partial.get()
    }

    /// Sets what a client that has sent a part of a head gets when the connection is dropped.
    pub(crate) fn set_final_response(&self, response: &'static [u8]) {
        let _ = self.final_response.set(response);
    }

    pub(crate) fn final_response(&self) -> Option<&'static [u8]> {
        let response = self.final_response.get().copied();
        response.filter(|_| self.has_partial_head())
    }

    /// Closes the connection after the requests in flight. HTTP/2 clients get GOAWAY.
    pub(crate) fn shut_down(&self) {
        self.shutdown.notify_one();
    }

    /// Drops the handlers, so that their clients get a response, and closes the connection.
    pub(crate) fn time_out(&self) {
        self.timed_out.cancel();
        self.shut_down();
    }

    /// Logs that the field `limit` of [`Limits`](crate::Limits) has cut the client: once for each connection.
    pub(crate) fn log_cut(&self, limit: &'static str, value: Duration) {
        if self.flags.logged.set_first() {
            self.shared.log_cut(limit, &value);
        }
    }

    /// A request's body is larger than it may be.
    pub(crate) fn body_too_large(&self) {
        self.flags.unread.set(true);
        self.shared
            .log_cut("body_bytes", &self.shared.limits.body_bytes);
    }

    /// Whether a client that has closed its sending half waits for a response. If so, the reader is woken when it
    /// may wait no longer.
    pub(crate) fn awaits_response(&self, context: &Context<'_>) -> bool {
        let awaits = matches!(self.phase(), Phase::Handling | Phase::Responding)
            && !self.flags.http2.get()
            // The rest of the request will not come.
            && !self.flags.uploading.get();
        if awaits {
            self.reader.register(context.waker());
            self.half_closed.get_or_init(|| self.shared.clock.now());
        }
        awaits && !self.is_half_closed_too_long()
    }

    fn is_half_closed_too_long(&self) -> bool {
        let since = self.half_closed.get();
        since.is_some_and(|since| {
            let limit = self.shared.limits.half_closed.unwrap_or(Duration::MAX);
            self.shared.clock.since(*since) >= limit
        })
    }

    /// Treats a client that has closed its sending half as gone once its limit has passed.
    pub(crate) fn end_half_closed(&self) {
        if self.is_half_closed_too_long() {
            self.shut_down();
            self.reader.wake();
        }
    }

    /// Counts a request until its handler returns, or is dropped because the client has left.
    pub(crate) fn handling(self: &Arc<Self>) -> InFlight {
        self.flags.partial.set(false);
        InFlight::new(self, |flags| &flags.handling)
    }

    /// Counts a response until its body has ended or is dropped.
    pub(crate) fn responding(self: &Arc<Self>) -> InFlight {
        InFlight::new(self, |flags| &flags.responding)
    }
}

/// One in a count of what a connection has in flight.
pub(crate) struct InFlight {
    pub(crate) activity: Arc<Activity>,
    count: fn(&Flags) -> &AtomicU32,
}

impl InFlight {
    fn new(activity: &Arc<Activity>, count: fn(&Flags) -> &AtomicU32) -> Self {
        count(&activity.flags).fetch_add(1, Relaxed);
        activity.progressed();
        Self {
            activity: Arc::clone(activity),
            count,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.progressed();
        (self.count)(&self.activity.flags).fetch_sub(1, Relaxed);
        // hyper then sees that a client that has closed its sending half sends no more.
        if self.activity.half_closed.get().is_some() {
            self.activity.reader.wake();
        }
    }
}
