//! Every limit, with its reason.

use std::time::Duration;

/// Those that tests make smaller; all others are constants beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// For a whole request to arrive: the first, the rest of a head, the next.
    pub(crate) idle: Duration,
    /// For a handler to answer.
    pub(crate) stalled: Duration,
    /// In which a client that is at work sends its next request.
    pub(crate) moment: Duration,
    /// For draining.
    pub(crate) drain: Duration,
}

impl Limits {
    pub(crate) fn of_this_process() -> Self {
        Self {
            connections: connections(),
            // Longer than the usual 15 s between two scrapes; short enough that slow heads bind little.
            idle: Duration::from_secs(20),
            // Ping gives pong 5 s; whatever takes much longer hangs.
            stalled: Duration::from_secs(30),
            // Also on a busy machine a client's turnaround is far below it.
            moment: Duration::from_secs(1),
            // Leaves as much again for telemetry's flush before Docker kills at 10 s.
            drain: Duration::from_secs(5),
        }
    }
}

/// At up to 28 KiB each (a head that never ends) they take 35 MiB. Clients take turns from seven eighths on.
const CONNECTIONS: usize = 1280;

/// Descriptors that connections leave to everything else: exporters, calls to other services, files.
#[cfg(unix)]
const RESERVED_DESCRIPTORS: u64 = 128;

#[cfg(unix)]
fn connections() -> usize {
    let soft = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let spare = soft.saturating_sub(RESERVED_DESCRIPTORS).max(soft / 2);
    usize::try_from(spare)
        .unwrap_or(CONNECTIONS)
        .clamp(1, CONNECTIONS)
}

#[cfg(not(unix))]
fn connections() -> usize {
    CONNECTIONS
}

/// Of a request's body; no service here takes a large one.
pub(crate) const BODY: usize = 64 * 1024;

/// Of an HTTP/1 request's head. It is also the size of a connection's buffers, and so of its memory.
/// (The number of its headers is hyper's own limit, 100; naming it would cost an allocation at every request.)
pub(crate) const HEADER_BYTES: usize = 16 * 1024;

/// The same for HTTP/2, where each stream has its own.
pub(crate) const HTTP2_HEADER_BYTES: u32 = 16 * 1024;

/// HTTP/2 streams of a connection at a time. RFC 9113 (6.5.2) recommends 100, but a connection keeps room for as many as
/// it ever had, 2 KiB each: with 100, all connections together take 240 MiB.
pub(crate) const STREAMS: u32 = 8;

/// HTTP/2 requests whose answers are not sent yet, of all connections together: without it, connections times streams.
/// About as many as HTTP/1 has, which sends one request at a time on each connection.
pub(crate) const HTTP2_REQUESTS: usize = 1024;

/// Expositions in memory, of each version of HTTP: more than the four kinds that there are, so that one that is wanted is
/// there; few enough to take 16 MiB in all, since all but one are a megabyte at most.
pub(crate) const COPIES: usize = 8;

/// Expositions above this are large: with one of 15 MiB, as 4,000 series of histograms make, and all others below this,
/// they take no more than before.
pub(crate) const LARGE_COPY: usize = 1024 * 1024;

/// HTTP/2 flow control, a stream's and a connection's: what a client may send before a handler reads it. RFC 9113's
/// own initial value, and as much as a body may have.
pub(crate) const WINDOW: u32 = 65_535;

/// What an HTTP/2 stream holds of an answer that its client does not take.
pub(crate) const SEND_BUFFER: usize = 64 * 1024;

/// Finds an HTTP/2 client that has vanished while it waits for an answer.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// For the answer to that ping.
pub(crate) const PING_LIMIT: Duration = Duration::from_secs(5);

/// Between two looks for connections on which nothing happens.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);

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
