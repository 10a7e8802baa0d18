//! Every limit, with its reason.

use std::time::Duration;

/// The limits that [`serve`](crate::serve) holds clients and handlers to.
///
/// `None` switches a limit off. The defaults suit a service with small requests and quick answers; change what yours
/// needs:
///
/// ```
/// use service::Limits;
///
/// // Server-sent events, which may be silent for long, and uploads of up to a megabyte.
/// let limits = Limits {
///     pause: None,
///     body_bytes: Some(1024 * 1024),
///     ..Limits::default()
/// };
/// ```
///
/// A client that is cut by a limit gets the answer named below if HTTP allows one. A warning names the limit, by its
/// name here, at most once every ten seconds for each limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, upgraded ones included. Default: 1,280.
    ///
    /// Clients beyond it wait in the kernel's backlog; the longest idle connections are closed to let them in. Without a
    /// limit the process takes as many as its descriptors allow.
    pub connections: Option<usize>,
    /// Descriptors that a request takes beside its connection, at most: the calls that its handler makes at the same time,
    /// the files that it opens. Default: 0.
    ///
    /// Where the process may have few descriptors (`ulimit -n`), so many are left to each connection's request, and fewer
    /// connections are let in: a client then waits in the backlog instead of getting an answer that its call failed.
    pub descriptors_per_request: usize,
    /// The time for a whole request head to arrive: the first, the rest of one, or the next one. Default: 20 s.
    ///
    /// Then 408 if a part of a head has arrived; an idle connection is closed.
    pub idle: Option<Duration>,
    /// Bytes of a request's head. Default: 16 KiB. Then 431, which for HTTP/2 the protocol answers without a log line.
    ///
    /// 8 KiB is the least. It is also the size of a connection's buffers, and so of its memory.
    pub head_bytes: Option<usize>,
    /// Bytes of a request's body. Default: 64 KiB. Then 413.
    ///
    /// It replaces axum's own default of 2 MB; an app's `DefaultBodyLimit` layer holds as well.
    pub body_bytes: Option<usize>,
    /// The time from a request's head to the head of its answer. Default: 30 s.
    ///
    /// Then the handler is dropped: 408 if it is waiting for the rest of the request's body, else 503.
    pub answer: Option<Duration>,
    /// The time between two pieces of an answer's body: for the handler to make one and the client to take it.
    /// Default: 20 s.
    ///
    /// Then the connection is closed, which tells a client that the answer is not whole.
    pub pause: Option<Duration>,
    /// The time that an HTTP/1 client which has closed its sending half gets for its answer. Default: 10 s.
    ///
    /// Such a client cannot be told from one that has hung up, as most of them have. So their handlers are dropped only
    /// then, unless writing to the client fails before, and no warning comes. `None` leaves it to the other limits.
    pub half_closed: Option<Duration>,
    /// The time that an active client gets for its next request, when it is about to be told to leave. Default: 1 s.
    pub moment: Duration,
    /// The time for draining. Default: 5 s. Then 503, and what is left is cut.
    pub drain: Option<Duration>,
    /// HTTP/2 streams of a connection at a time. Default: 8. More are refused by the protocol.
    pub http2_streams: Option<u32>,
    /// HTTP/2 requests whose answers are not sent yet, of all connections. Default: 1,024. Then 503.
    pub http2_requests: Option<usize>,
    /// The time for an HTTP/2 client to answer a ping, which it gets every ten seconds. Default: 5 s. Then the
    /// connection is closed.
    pub http2_ping: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // At up to 28 KiB each (a head that never ends) they take 35 MiB.
            connections: Some(1280),
            descriptors_per_request: 0,
            // Longer than the usual 15 s between two scrapes; short enough that slow heads bind little.
            idle: Some(Duration::from_secs(20)),
            head_bytes: Some(16 * 1024),
            body_bytes: Some(64 * 1024),
            // Ping gives pong 5 s; whatever takes much longer hangs.
            answer: Some(Duration::from_secs(30)),
            pause: Some(Duration::from_secs(20)),
            // Longer than ping gives pong.
            half_closed: Some(Duration::from_secs(10)),
            // Also on a busy machine a client's turnaround is far below it.
            moment: Duration::from_secs(1),
            // Leaves as much again for telemetry's flush before Docker kills at 10 s.
            drain: Some(Duration::from_secs(5)),
            // RFC 9113 (6.5.2) recommends 100, but a connection keeps room for as many as it ever had, 2 KiB each: with
            // 100, all connections together take 240 MiB.
            http2_streams: Some(8),
            // About as many as HTTP/1 has, which sends one request at a time on each connection. Without it,
            // connections times streams.
            http2_requests: Some(1024),
            http2_ping: Some(Duration::from_secs(5)),
        }
    }
}

impl Limits {
    /// Connections at a time, as far as this process may have descriptors.
    pub(crate) fn most_connections(&self) -> usize {
        let spare = spare_descriptors() / self.descriptors_per_request.saturating_add(1);
        self.connections
            .map_or(spare, |limit| limit.min(spare))
            .max(1)
    }
}

/// Descriptors that connections and their requests leave to everything else: exporters, scrapes, files.
#[cfg(unix)]
const RESERVED_DESCRIPTORS: u64 = 128;

#[cfg(unix)]
fn spare_descriptors() -> usize {
    let soft = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let spare = soft.saturating_sub(RESERVED_DESCRIPTORS).max(soft / 2);
    usize::try_from(spare).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn spare_descriptors() -> usize {
    usize::MAX
}

/// HTTP/2 flow control, a stream's and a connection's: what a client may send before a handler reads it. RFC 9113's
/// own initial value, and as much as a body may have.
pub(crate) const WINDOW: u32 = 65_535;

/// What an HTTP/2 stream holds of an answer that its client does not take.
pub(crate) const SEND_BUFFER: usize = 64 * 1024;

/// Finds an HTTP/2 client that has vanished while it waits for an answer.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Between two looks for connections on which nothing happens.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);

/// By which a look or a timer comes late if this process did not run; less is a busy machine.
pub(crate) const LATE: Duration = Duration::from_secs(1);

/// For the first bytes of a request to follow its connection, before the connection gives way to others.
pub(crate) const GREETING: Duration = Duration::from_millis(100);

/// Until the next look for a connection that can give way, when there is no room.
pub(crate) const FULL_PAUSE: Duration = Duration::from_millis(20);

/// From a friendly end (an answer that is still being written, GOAWAY) to the cut.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// Between two looks, while draining, for connections that can be finished.
pub(crate) const FAREWELL_TICK: Duration = Duration::from_millis(20);

/// For cut connections to go away.
pub(crate) const CUT: Duration = Duration::from_millis(200);

/// Connections let in from the backlog as the stop begins: as many as tokio's listeners have there. More come only
/// as fast as they are let in.
pub(crate) const BACKLOG: usize = 1024;

/// From the kernel's answer to a newcomer to a connection: a round trip, generously.
pub(crate) const HANDSHAKE: Duration = Duration::from_millis(50);

/// Until the next try after a connection could not be accepted; without it the loop would spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The part of all connections that is closed at once, if idle, when there is no room or no descriptor.
pub(crate) const EVICTED_PART: usize = 64;

/// To a client whose head has not come in time.
pub(crate) const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// To a client that connects while there is no date to answer it with.
pub(crate) const NO_CLOCK: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// To a client that has sent a part of a head when others need its place.
pub(crate) const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
