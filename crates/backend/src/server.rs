//! Connections of a port: how many, how long, and how they end.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::connection::{Connection, Http};

/// Connections at once, and one more until another has gone for it. Those of four ports are as many as macOS lets a
/// process open by default.
const CONNECTIONS: usize = 64;

/// How long connections may take for what.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// For a byte to come or go, and for the head of an HTTP/1.1 request.
    pub(crate) silence: Duration,
    /// For a byte of an answer to be taken.
    pub(crate) untaken: Duration,
    /// To finish requests in flight at the stop.
    pub(crate) stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            untaken: Duration::from_secs(120),
            stop: Duration::from_secs(3),
        }
    }
}

/// Between two looks for connections that are silent for too long.
const SWEEP: Duration = Duration::from_secs(1);

/// From the friendly end of a silent connection to the cut.
const FAREWELL: Duration = Duration::from_secs(2);

/// For the first bytes to follow a connection, before it gives way to others.
const GREETING: Duration = Duration::from_millis(50);

/// Until the next look for connections that can give way, or after a failed accept: the usual reason is that no
/// descriptor is free, and trying on would be a busy loop.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves until `stop` ends. Then idle connections are closed at once, others when their request is
/// answered, whatever is left after [`Limits::stop`].
pub(crate) async fn serve(
    listener: TcpListener,
    version: Version,
    router: Router,
    stop: impl Future<Output = ()>,
    limits: Limits,
) {
    let mut stop = pin!(stop);
    let mut sweep = interval(SWEEP.min(limits.silence));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connections = Connections::new(match version {
        Version::Http1 => Http::one(limits.silence),
        Version::Http2 => Http::two(),
    });
    loop {
        let is_over = connections.open.len() > CONNECTIONS;
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.tasks.join_next_with_id() => connections.forget(ended),
            _ = sweep.tick() => connections.sweep(limits),
            () = sleep(PAUSE), if is_over => connections.cut_idle(),
            accepted = listener.accept(), if !is_over => match accepted {
                Ok((stream, _)) => connections.admit(stream, router.clone()),
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    connections.cut_idle();
                    sleep(PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    connections.end_all(limits.stop).await;
}

/// What a port speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Http1,
    Http2,
}

struct Connections {
    http: Arc<Http>,
    tasks: JoinSet<()>, // dropped, it cuts them
    open: HashMap<Id, Open>,
}

struct Open {
    connection: Arc<Connection>,
    task: AbortHandle,
}

impl Connections {
    fn new(http: Http) -> Self {
        Self {
            http: Arc::new(http),
            tasks: JoinSet::new(),
            open: HashMap::new(),
        }
    }

    fn admit(&mut self, stream: TcpStream, router: Router) {
        let _ = stream.set_nodelay(true); // fails if the client has gone already
        let connection = Arc::new(Connection::new());
        let served = connection.clone();
        let http = self.http.clone();
        let task = self
            .tasks
            .spawn(async move { served.serve(stream, &http, router).await });
        self.open.insert(task.id(), Open { connection, task });
        if self.open.len() > CONNECTIONS {
            self.cut_idle();
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id); // an error: it was cut
        self.open.remove(&id);
    }

    /// Ends connections on which nothing moves: nothing is said, or an answer is not taken.
    fn sweep(&self, limits: Limits) {
        for Open { connection, task } in self.open.values() {
            let silence = connection.silence();
            let limit = if connection.is_idle() {
                limits.silence
            } else {
                limits.untaken
            };
            if silence >= limit + FAREWELL {
                task.abort();
            } else if silence >= limit {
                connection.end();
            }
        }
    }

    /// Cuts the idle connection that has been silent longest: another one wants its place.
    fn cut_idle(&self) {
        let idle = self.open.values().filter(|open| open.connection.is_idle());
        let silent = idle.map(|open| (open.connection.silence(), &open.task));
        if let Some((silence, task)) = silent.max_by_key(|(silence, _)| *silence)
            && silence >= GREETING
        {
            task.abort();
        }
    }

    async fn end_all(mut self, limit: Duration) {
        for open in self.open.values() {
            open.connection.end();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(limit, all).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, iter::repeat, net::SocketAddr};

    use axum::{body::Body, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
        task::JoinHandle,
    };
    use tokio_stream::iter;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const NEVER: Limits = Limits {
        silence: Duration::from_secs(3600),
        untaken: Duration::from_secs(3600),
        stop: Duration::from_secs(3600),
    };

    const SHORT: Limits = Limits {
        silence: Duration::from_millis(200),
        untaken: Duration::from_millis(200),
        ..NEVER
    };

    async fn start(
        version: Version,
        limits: Limits,
    ) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let router = Router::new()
            .route("/", get(async || "served"))
            .route("/hang", get(pending::<()>))
            .route(
                "/open",
                get(
                    async || Body::from_stream(tokio_stream::pending::<Result<&str, Infallible>>()),
                ),
            )
            .route(
                "/endless",
                get(async || Body::from_stream(iter(repeat(Ok::<_, Infallible>("x"))))),
            )
            .route(
                "/slow",
                get(async || {
                    sleep(SHORT.silence + FAREWELL + 2 * SWEEP).await;
                    "served"
                }),
            );
        let stopped = async { drop(stopped.await) };
        let server = tokio::spawn(serve(listener, version, router, stopped, limits));
        (address, stop, server)
    }

    /// Connects and says something.
    async fn connect(address: SocketAddr, said: &str) -> TcpStream {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(said.as_bytes()).await.unwrap();
        connection
    }

    /// Is served.
    async fn ask(address: SocketAddr) {
        let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let mut connection = connect(address, request).await;
        let mut answer = String::new();
        timeout(PATIENCE, connection.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.ends_with("served"), "{answer}");
    }

    const HALF: &str = "GET / HTTP/1.1\r\nhost: a\r\n";

    #[tokio::test]
    async fn connections_that_say_nothing_give_way_to_those_that_do() {
        let (address, _stop, _server) = start(Version::Http1, NEVER).await;
        let mut silent = Vec::new();
        for said in ["", HALF].iter().cycle().take(CONNECTIONS + 1) {
            silent.push(connect(address, said).await);
        }
        for _ in 0..CONNECTIONS {
            ask(address).await;
        }
    }

    #[tokio::test]
    async fn connections_that_say_nothing_are_closed() {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let cases = [
            (Version::Http1, ["", HALF]),
            (Version::Http2, [&preface[..20], preface]),
        ];
        for (version, sayings) in cases {
            let (address, _stop, _server) = start(version, SHORT).await;
            for said in sayings {
                let mut connection = connect(address, said).await;
                let mut answer = Vec::new();
                let closed = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
                assert!(closed.is_ok(), "{version:?} {said:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_is_cut_off() {
        let (address, _stop, _server) = start(Version::Http1, SHORT).await;
        let connection = connect(address, "GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let broken = async {
            // What was sent when it was cut stays readable; writing says that nobody is there.
            while connection.try_write(b" ").is_ok() {
                sleep(SWEEP).await;
            }
        };
        timeout(PATIENCE, broken).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_takes_longer_than_silence_may_last_is_given() {
        let (address, _stop, _server) = start(Version::Http1, SHORT).await;
        let request = "GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let mut connection = connect(address, request).await;
        let mut answer = String::new();
        let read = timeout(PATIENCE, connection.read_to_string(&mut answer)).await;
        assert!(read.is_ok() && answer.ends_with("served"), "{answer}");
    }

    #[tokio::test]
    async fn connections_with_a_request_in_flight_keep_their_place() {
        let (address, _stop, _server) = start(Version::Http1, NEVER).await;
        // Some wait for an answer, some for the rest of one.
        let mut busy = Vec::new();
        for path in ["/hang", "/open"].iter().cycle().take(CONNECTIONS) {
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
            busy.push((connect(address, &request).await, path));
        }
        let silent = connect(address, "").await; // the last place
        for _ in 0..2 {
            ask(address).await;
        }
        drop(silent);
        for (mut connection, path) in busy {
            let mut answer = Vec::new();
            while *path == "/open" && !answer.ends_with(b"\r\n\r\n") {
                assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "closed");
            }
            let waiting = timeout(Duration::from_millis(10), connection.read(&mut [0])).await;
            assert!(waiting.is_err(), "closed");
        }
    }

    #[tokio::test]
    async fn idle_and_silent_connections_do_not_delay_the_stop() {
        let (address, stop, server) = start(Version::Http1, NEVER).await;
        let mut idle = connect(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"served") {
            idle.read_buf(&mut answer).await.unwrap();
        }
        let mut silent = connect(address, "").await;
        drop(stop);
        timeout(PATIENCE, server).await.unwrap().unwrap();
        for connection in [&mut idle, &mut silent] {
            let read = timeout(PATIENCE, connection.read(&mut [0])).await.unwrap();
            assert_eq!(read.unwrap_or(0), 0, "closed");
        }
    }
}
