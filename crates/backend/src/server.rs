//! Connections: how many, how long, and how they end.
//!
//! HTTP/1.1 only, or HTTP/2 only, on hyper itself: `axum::serve` and hyper-util's protocol detection set no limit to a connection that
//! says nothing.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Connections at once; more wait to be accepted. Half of what macOS lets a process open.
const CONNECTIONS: usize = 128;

/// Streams of an HTTP/2 connection at once; gRPC's clients wait when there are more.
const STREAMS: u32 = 32;

/// What an HTTP/2 connection may hold of its streams' bodies before they are read, in bytes.
const WINDOW: u32 = 1 << 18;

/// Largest head of an HTTP/2 request, in bytes.
const HEADERS: u32 = 16 << 10;

/// What a port speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// How long connections may take for what.
pub(crate) struct Limits {
    /// To say something: before the first request, between two, and for the head of one.
    pub(crate) silence: Duration,
    /// To finish requests in flight at the stop.
    pub(crate) stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            stop: Duration::from_secs(3),
        }
    }
}

/// Pause after a failed accept: the usual reason is that no descriptor is free, and trying on would be a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

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
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(limits.silence);
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.silence)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new(); // dropped, it ends them
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, place)) => {
                    let stream = TokioIo::new(stream);
                    let service = TowerToHyperService::new(router.clone());
                    match version {
                        Version::Http1 => {
                            let connection = graceful.watch(http1.serve_connection(stream, service));
                            connections.spawn(end(connection, place))
                        }
                        Version::Http2 => {
                            let connection = graceful.watch(http2.serve_connection(stream, service));
                            connections.spawn(end(connection, place))
                        }
                    };
                }
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    let _ = timeout(limits.stop, graceful.shutdown()).await;
}

async fn end(connection: impl Future, place: Option<OwnedSemaphorePermit>) {
    connection.await; // broken off by the client, or silent for too long
    drop(place);
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    let place = places.clone().acquire_owned().await.ok(); // none only if closed, which nobody does
    let (stream, _) = listener.accept().await?;
    let _ = stream.set_nodelay(true); // fails if the client has gone already
    Ok((stream, place))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
        task::JoinHandle,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const NEVER: Duration = Duration::from_secs(3600);

    async fn start(limits: Limits) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().route("/", get(async || "served"));
        let stopped = async { drop(stopped.await) };
        let server = tokio::spawn(serve(listener, Version::Http1, router, stopped, limits));
        (address, stop, server)
    }

    /// Connects and says something.
    async fn connect(address: SocketAddr, said: &str) -> TcpStream {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(said.as_bytes()).await.unwrap();
        connection
    }

    #[tokio::test]
    async fn connections_that_say_nothing_give_way_to_those_that_do() {
        let limits = Limits {
            silence: Duration::from_millis(200),
            ..Limits::default()
        };
        let (address, _stop, _server) = start(limits).await;
        let mut silent = Vec::new();
        for said in ["", "GET / HTTP/1.1\r\nhost: a\r\n"]
            .iter()
            .cycle()
            .take(CONNECTIONS)
        {
            silent.push(connect(address, said).await);
        }
        let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let mut connection = connect(address, request).await;
        let mut answer = String::new();
        timeout(PATIENCE, connection.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.ends_with("served"), "{answer}");
    }

    #[tokio::test]
    async fn idle_and_silent_connections_do_not_delay_the_stop() {
        let (address, stop, server) = start(Limits {
            silence: NEVER,
            stop: NEVER,
        })
        .await;
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
