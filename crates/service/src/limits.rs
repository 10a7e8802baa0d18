//! Every limit, with its reason.
//!
//! [`Limits`] has those that a service may have to change; the constants below need no change.

use std::time::Duration;

/// Limits on clients and handlers, which [`serve`](crate::serve) enforces.
///
/// `None` switches a limit off. The defaults suit a service with small requests and quick responses; change the others:
///
/// ```
/// use service::Limits;
///
/// // For server-sent events, which may pause for long, and uploads of up to a megabyte.
/// let limits = Limits {
///     pause: None,
///     body_bytes: Some(1024 * 1024),
///     ..Limits::default()
/// };
/// ```
///
/// A client that is cut by a limit gets the status named below if HTTP allows one. A warning names the field, at most once
/// in ten seconds for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections, including upgraded ones. Default: 1,280.
    ///
    /// Further clients wait in the kernel's backlog until the longest idle connections are closed for them. Without a limit
    /// the number of descriptors is the limit.
    pub connections: Option<usize>,
    /// Descriptors that a request needs beside its connection: calls that its handler makes at the same time, files that
    /// it opens. Default: 0.
    ///
    /// Where the process may have few descriptors (`ulimit -n`), this many are reserved for each connection, and fewer
    /// connections are accepted: clients then wait in the backlog instead of getting an error.
    pub descriptors_per_request: usize,
    /// Time for a whole request head to arrive, from the connection's start or from the last response. Default: 20 s.
    ///
    /// Then 408 if a part of a head has arrived. Otherwise the connection is closed.
    pub idle: Option<Duration>,
    /// Bytes of a request's head. Default: 16 KiB; at least 8 KiB. Then 431; over HTTP/2 without a log line.
    ///
    /// It is also the size of a connection's buffers.
    pub head_bytes: Option<usize>,
    /// Bytes of a request's body. Default: 64 KiB. Then 413.
    ///
    /// It replaces axum's default of 2 MB. A `DefaultBodyLimit` layer of the app applies as well.
    pub body_bytes: Option<usize>,
    /// Time from a request's head to its response's head. Default: 30 s.
    ///
    /// Then the handler is dropped: 408 if it waits for the rest of the request's body, else 503.
    pub answer: Option<Duration>,
    /// Time between two pieces of a response's body: for the handler to make one and the client to read it. Default: 20 s.
    ///
    /// Then the connection is closed, which tells the client that the response is incomplete.
    pub pause: Option<Duration>,
    /// Time in which an HTTP/1 client that has closed its sending half is still sent its response. Default: 10 s.
    ///
    /// Such a client looks like one that has hung up, which is more common. So its handler is dropped after this time, or
    /// as soon as writing to the client fails, without a warning. With `None` the other limits apply.
    pub half_closed: Option<Duration>,
    /// Grace period for an active client's next request before its connection is closed by the drain or for others.
    /// Default: 1 s.
    pub grace: Duration,
    /// Time for the drain. Default: 5 s. Then requests in flight get 503, and their connections are cut.
    pub drain: Option<Duration>,
    /// Concurrent HTTP/2 streams of a connection. Default: 8. Further ones are refused by the protocol.
    pub http2_streams: Option<u32>,
    /// Bytes that an HTTP/2 client may send, on a stream and on a connection, before a handler reads them. Default: 65,535,
    /// the initial value of RFC 9113. A service that takes large bodies needs more, or its clients wait after each piece.
    pub http2_window: u32,
    /// HTTP/2 requests whose responses are not sent yet, across all connections. Default: 1,024. Then 503.
    pub http2_requests: Option<usize>,
    /// Time for an HTTP/2 client to answer a ping, which it gets every ten seconds. Default: 5 s. Then the connection is
    /// closed.
    pub http2_ping: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // 35 MiB at most: a head that never ends takes 28 KiB.
            connections: Some(1280),
            descriptors_per_request: 0,
            // Longer than the usual 15 s between two scrapes, so that Prometheus keeps its connection.
            idle: Some(Duration::from_secs(20)),
            head_bytes: Some(16 * 1024),
            body_bytes: Some(64 * 1024),
            // Handlers here take 5 s at most; one that takes much longer hangs.
            answer: Some(Duration::from_secs(30)),
            pause: Some(Duration::from_secs(20)),
            // Longer than a handler here takes.
            half_closed: Some(Duration::from_secs(10)),
            // A client's turnaround is far below it, also on a busy machine.
            grace: Duration::from_secs(1),
            // Docker kills after 10 s. The other half is for the flush of telemetry.
            drain: Some(Duration::from_secs(5)),
            // RFC 9113 (6.5.2) recommends 100, but a connection keeps 2 KiB for each stream that it ever had at a time:
            // with 100, all connections together take 240 MiB.
            http2_streams: Some(8),
            // As much as a body may have.
            http2_window: 65_535,
            // About as many as HTTP/1 has, with one request at a time on each connection. Without it there could be
            // connections times streams.
            http2_requests: Some(1024),
            http2_ping: Some(Duration::from_secs(5)),
        }
    }
}

/// The limit on connections, lowered to what the process's limit on descriptors allows.
pub(crate) fn most_connections(limits: &Limits) -> usize {
    let spare = spare_descriptors() / limits.descriptors_per_request.saturating_add(1);
    limits.connections.unwrap_or(spare).min(spare).max(1)
}

/// Descriptors that are left for everything but connections and their requests: exporters, scrapes, files.
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

/// Bytes of a response that an HTTP/2 stream holds while its client does not read.
pub(crate) const SEND_BUFFER: usize = 64 * 1024;

/// Interval of HTTP/2 pings, which find clients that have vanished while they wait for a response.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Interval at which connections are held to the limits.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);

/// How long a new connection is safe from eviction, so that its first request can arrive.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(100);

/// Interval at which a connection that can give way is looked for while there is no room.
pub(crate) const FULL_PAUSE: Duration = Duration::from_millis(20);

/// From a graceful end (a response that is still being written, GOAWAY) to the cut.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Interval at which connections that can be closed are looked for during the drain.
pub(crate) const DRAIN_TICK: Duration = Duration::from_millis(20);

/// How long to wait for connections that are being cut.
pub(crate) const CUT: Duration = Duration::from_millis(200);

/// Connections accepted from the backlog when the stop begins: as many as tokio's listeners have there. Further ones only
/// arrive as fast as these are accepted.
pub(crate) const BACKLOG: usize = 1024;

/// Generous time for a TCP handshake's last round trip.
pub(crate) const HANDSHAKE: Duration = Duration::from_millis(50);

/// Pause after a connection could not be accepted.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The fraction of all connections that is closed at once, if idle, when there is no room or no descriptor: one in 64.
pub(crate) const EVICTED_PART: usize = 64;

/// Sent to a client whose head has not arrived in time.
pub(crate) const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Sent to a client that has sent a part of a head when others need its place, and while the clock has no valid date.
pub(crate) const SERVICE_UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
