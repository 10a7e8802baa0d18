//! Connections: how many, how long, and how they end.
//!
//! HTTP/1.1 only, on hyper itself: `axum::serve` and hyper-util's protocol detection set no limit to a connection that
//! says nothing.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
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
    router: Router,
    stop: impl Future<Output = ()>,
    limits: Limits,
) {
    let mut stop = pin!(stop);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.silence);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new(); // dropped, it ends them
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, place)) => {
                    let service = TowerToHyperService::new(router.clone());
                    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
                    connections.spawn(async move {
                        let _ = connection.await; // broken off by the client, or silent for too long
                        drop(place);
                    });
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
        let server = tokio::spawn(serve(listener, router, stopped, limits));
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
