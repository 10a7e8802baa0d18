//! Connections: how many, how long, and how they end.
//!
//! HTTP/1.1 only, on hyper itself: `axum::serve` and hyper-util's protocol detection set no limit to a connection that
//! says nothing.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Connections at once; more wait to be accepted. Half of what macOS lets a process open.
const CONNECTIONS: usize = 128;

/// How long a connection may be silent, before its first request or between two, and how long the head of a request may take.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// Requests in flight have this long at the stop.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Pause after a failed accept: the usual reason is that no descriptor is free, and trying on would be a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves until `stop` is sent or dropped. Then idle connections are closed at once, others when their request is
/// answered, whatever is left after [`STOP_LIMIT`].
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: oneshot::Receiver<()>,
    silence: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(silence);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new(); // dropped, it ends them
    loop {
        tokio::select! {
            _ = &mut stop => break,
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
    let _ = timeout(STOP_LIMIT, graceful.shutdown()).await;
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
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn connections_that_say_nothing_give_way_to_those_that_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = oneshot::channel();
        let router = Router::new().route("/", get(async || "served"));
        tokio::spawn(serve(listener, router, stopped, Duration::from_millis(200)));

        let mut silent = Vec::new();
        for said in ["", "GET / HTTP/1.1\r\nhost: a\r\n"]
            .iter()
            .cycle()
            .take(CONNECTIONS)
        {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(said.as_bytes()).await.unwrap();
            silent.push(connection);
        }
        let served = async {
            let mut connection = TcpStream::connect(address).await.unwrap();
            let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = timeout(Duration::from_secs(30), served).await.unwrap();
        assert!(answer.ends_with("served"), "{answer}");
    }
}
