//! Stopping under load: whoever got a connection gets an answer to what was sent on it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use service::{Limits, Readiness};
use support::{Client, within};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

const STOPS: u64 = 8;
const KEEP_ALIVE_CLIENTS: usize = 32;
/// Clients with a connection a request. Elsewhere than on Linux one of them can connect in the microseconds before the
/// listener is closed.
const ONE_SHOT_CLIENTS: usize = if cfg!(target_os = "linux") { 8 } else { 0 };
const HTTP2_CLIENTS: usize = 4;

#[derive(Default)]
struct Outcome {
    handled: AtomicUsize,
    answered: AtomicUsize,
    lost: AtomicUsize,
}

impl Outcome {
    fn count(&self, answered: bool) {
        let counter = if answered { &self.answered } else { &self.lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns whether the last answer said that the connection ends, when nobody listens any more.
async fn http1_client(address: SocketAddr, keeps_alive: bool, outcome: Arc<Outcome>) -> bool {
    let mut was_told = false;
    while let Ok(mut client) = Client::connect(address).await {
        loop {
            let answer = client.get("/work").await;
            outcome.count(answer.as_ref().is_ok_and(|answer| answer.status == 200));
            was_told = answer.as_ref().is_ok_and(support::Answer::says_close);
            if was_told || answer.is_err() || !keeps_alive {
                break;
            }
        }
    }
    was_told
}

/// Sends one request after another until GOAWAY, then connects again.
///
/// It is h2's client and not hyper's. hyper's reports a request that it has sent as one that GOAWAY refuses, if GOAWAY
/// arrives just when the request is sent, and resets it.
async fn http2_client(address: SocketAddr, outcome: Arc<Outcome>) {
    while let Ok(stream) = TcpStream::connect(address).await {
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        loop {
            // Without `ready`, or if the request is not sent, the client knows that this connection takes no more.
            let Ok(mut ready) = sender.ready().await else {
                break;
            };
            let request = Request::get("http://test/work").body(()).unwrap();
            let Ok((answer, _)) = ready.send_request(request, true) else {
                break;
            };
            sender = ready;
            match http2_answer(answer).await {
                Ok(status) => outcome.count(status == StatusCode::OK),
                // The last stream that GOAWAY names came before this one, so that it can be sent elsewhere (RFC 9113,
                // 6.8): it has crossed GOAWAY on the way. The count of what was handled shows whether that is true.
                Err(error) if error.is_go_away() && error.is_remote() => break,
                Err(error) => {
                    eprintln!("{error:?}");
                    outcome.count(false);
                    break;
                }
            }
        }
        let _ = connection.await;
    }
}

/// The status, once the whole answer has arrived.
async fn http2_answer(answer: h2::client::ResponseFuture) -> Result<StatusCode, h2::Error> {
    let (head, mut body) = answer.await?.into_parts();
    while let Some(piece) = body.data().await {
        piece?;
    }
    Ok(head.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stop_under_load_loses_no_request_and_tells_every_client() {
    for stop in 0..STOPS {
        let outcome = Arc::new(Outcome::default());
        let seen = Arc::clone(&outcome);
        let app = Router::new().route(
            "/work",
            get(async move || {
                seen.handled.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
                "done"
            }),
        );
        let listener = service::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = oneshot::channel::<()>();
        let server = tokio::spawn(service::serve(
            listener,
            app,
            Readiness::default(),
            Limits::default(),
            async {
                let _ = told.await;
            },
        ));

        let http1 =
            |keeps_alive| tokio::spawn(http1_client(address, keeps_alive, Arc::clone(&outcome)));
        let keep_alive: Vec<_> = (0..KEEP_ALIVE_CLIENTS).map(|_| http1(true)).collect();
        let one_shot: Vec<_> = (0..ONE_SHOT_CLIENTS).map(|_| http1(false)).collect();
        let http2: Vec<_> = (0..HTTP2_CLIENTS)
            .map(|_| tokio::spawn(http2_client(address, Arc::clone(&outcome))))
            .collect();

        // At another moment each time.
        let begin = 300 + stop * 37;
        support::eventually(async || outcome.answered.load(Ordering::Relaxed) as u64 > begin).await;
        tell.send(()).unwrap();

        within(server).await.unwrap();
        for client in keep_alive {
            assert!(within(client).await.unwrap(), "was told by its last answer");
        }
        for client in one_shot {
            within(client).await.unwrap();
        }
        for client in http2 {
            within(client).await.unwrap();
        }
        assert_eq!(outcome.lost.load(Ordering::Relaxed), 0, "stop {stop}");
        let [handled, answered] =
            [&outcome.handled, &outcome.answered].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(handled, answered, "stop {stop}");
    }
}
