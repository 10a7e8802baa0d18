//! Each promise with limits that a test can wait for; `tests/stop.rs` has the real ones under load.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use http_body::Frame;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::support::{Client, eventually, within};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(3600);

/// None of them is reached unless a test makes it smaller.
const LIMITS: Limits = Limits {
    connections: Some(100),
    descriptors_per_request: 0,
    idle: Some(LONG),
    head_bytes: Some(16 * 1024),
    body_bytes: Some(64 * 1024),
    answer: Some(LONG),
    pause: Some(LONG),
    half_closed: Some(SHORT),
    grace: Duration::from_secs(1),
    drain: Some(LONG),
    http2_streams: Some(8),
    http2_window: 65_535,
    http2_requests: Some(HTTP2_REQUESTS),
    http2_ping: Some(LONG),
};
const HEAD_BYTES: usize = 16 * 1024;
const BODY_BYTES: usize = 64 * 1024;
const HTTP2_STREAMS: usize = 8;
const HTTP2_REQUESTS: usize = 1024;

struct Running {
    address: SocketAddr,
    readiness: Readiness,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn start(app: Router, limits: Limits) -> Running {
    start_with(app, limits, Readiness::default()).await
}

async fn start_with(app: Router, limits: Limits, readiness: Readiness) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = serve(listener, app, readiness.clone(), limits, async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server);
    Running {
        address,
        readiness,
        stop,
        server,
    }
}

impl Running {
    async fn client(&self) -> Client {
        Client::connect(self.address).await.unwrap()
    }

    async fn http2(
        &self,
    ) -> (
        http2::SendRequest<Full<Bytes>>,
        JoinHandle<hyper::Result<()>>,
    ) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        (sender, tokio::spawn(connection))
    }
}

fn request(path: &str) -> axum::http::Request<Full<Bytes>> {
    axum::http::Request::get(format!("http://test{path}"))
        .body(Full::default())
        .unwrap()
}

fn hello() -> Router {
    Router::new().route("/hello", get(async || "hello"))
}

/// `/gate` answers as often as it is opened, and counts who waits.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    fn app() -> (Self, Router) {
        let gate = Self {
            open: Arc::new(Semaphore::new(0)),
            waiting: Arc::default(),
        };
        let app = hello().route(
            "/gate",
            get({
                let gate = gate.clone();
                async move || gate.pass().await
            }),
        );
        (gate, app)
    }

    async fn pass(&self) -> &'static str {
        struct Leaves<'a>(&'a AtomicUsize);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _leaves = Leaves(&self.waiting);
        self.open.acquire().await.unwrap().forget();
        "passed"
    }

    async fn until(&self, waiting: usize) {
        eventually(async || self.waiting.load(Ordering::SeqCst) == waiting).await;
    }
}

#[tokio::test]
async fn handler_finds_the_peer_in_the_extensions() {
    let whoami = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let running = start(Router::new().route("/", get(whoami)), LIMITS).await;
    let mut client = running.client().await;
    let answer = within(client.get("/")).await.unwrap();
    assert_eq!(answer.text(), client.address().to_string());
}

#[tokio::test]
async fn head_that_comes_slowly_is_cut_off_while_others_are_served() {
    let limits = Limits {
        idle: Some(SHORT),
        ..LIMITS
    };
    let running = start(hello(), limits).await;

    let mut slow = running.client().await;
    let sending = tokio::spawn(async move {
        // A byte now and then is no progress.
        for byte in b"GET /hello HTTP/1.1\r\nX: "
            .iter()
            .chain(std::iter::repeat(&b'x'))
        {
            if slow.send([*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    });

    within(async {
        while !sending.is_finished() {
            let mut other = running.client().await;
            assert_eq!(other.get("/hello").await.unwrap().status, 200);
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
}

#[tokio::test]
async fn connection_that_says_nothing_is_closed() {
    let running = start(
        hello(),
        Limits {
            idle: Some(SHORT),
            ..LIMITS
        },
    )
    .await;
    let mut silent = running.client().await;
    assert_eq!(within(silent.rest()).await, b"");
}

#[tokio::test]
async fn idle_keep_alive_connection_is_closed() {
    let running = start(
        hello(),
        Limits {
            idle: Some(SHORT),
            ..LIMITS
        },
    )
    .await;
    let mut client = running.client().await;
    assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
    assert_eq!(within(client.rest()).await, b"");
}

#[tokio::test]
async fn idle_http2_connection_is_closed_without_an_error() {
    let running = start(
        hello(),
        Limits {
            idle: Some(SHORT),
            ..LIMITS
        },
    )
    .await;
    let (mut sender, connection) = running.http2().await;
    assert_eq!(
        within(sender.send_request(request("/hello")))
            .await
            .unwrap()
            .status(),
        200
    );
    within(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn handler_that_hangs_is_dropped_and_its_client_told_503() {
    let (gate, app) = Gate::app();
    let running = start(
        app,
        Limits {
            answer: Some(SHORT),
            ..LIMITS
        },
    )
    .await;
    let mut client = running.client().await;
    let answer = within(client.get("/gate")).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (503, true));
    assert_eq!(within(client.rest()).await, b"");
    gate.until(0).await;
}

#[tokio::test]
async fn client_that_hangs_up_ends_its_handler() {
    let (gate, app) = Gate::app();
    let running = start(app, LIMITS).await;
    let mut client = running.client().await;
    client
        .send("GET /gate HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    gate.until(1).await;
    drop(client);
    gate.until(0).await;
}

/// A body of `left` pieces, one each `pace`.
struct Drip {
    pace: tokio::time::Interval,
    left: u32,
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.pace.poll_tick(context).map(|_| {
            self.left -= 1;
            Some(Ok(Frame::data(Bytes::from_static(b"drop"))))
        })
    }
}

#[tokio::test]
async fn answer_that_takes_long_is_not_cut_while_it_is_taken() {
    const PAUSE: Duration = Duration::from_secs(2);
    let limits = Limits {
        idle: Some(PAUSE),
        pause: Some(PAUSE),
        ..LIMITS
    };
    let drip = async || {
        Body::new(Drip {
            pace: tokio::time::interval(Duration::from_millis(500)),
            left: 13,
        })
    };
    let running = start(Router::new().route("/drip", get(drip)), limits).await;
    let mut client = running.client().await;
    let began = Instant::now();
    client
        .send("GET /drip HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let received = String::from_utf8(within(client.rest()).await).unwrap();
    assert_eq!(received.matches("drop").count(), 13);
    // Both limits together, else it proves nothing.
    assert!(began.elapsed() > PAUSE + limits::CLOSE_GRACE);
}

#[tokio::test]
async fn head_that_is_too_large_is_answered_431() {
    let running = start(hello(), LIMITS).await;
    let large = format!("X: {}\r\n", "x".repeat(HEAD_BYTES));
    let many = "X: x\r\n".repeat(101);
    for headers in [large, many] {
        let mut client = running.client().await;
        let answer = within(client.request("GET", "/hello", &headers))
            .await
            .unwrap();
        assert_eq!(answer.status, 431);
    }

    let fits = format!(
        "X: {}\r\n{}",
        "x".repeat(HEAD_BYTES / 2),
        "X: x\r\n".repeat(90)
    );
    let mut client = running.client().await;
    assert_eq!(
        within(client.request("GET", "/hello", &fits))
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn http2_head_that_is_too_large_is_answered_431() {
    let running = start(hello(), LIMITS).await;
    let (mut sender, _connection) = running.http2().await;
    let mut large = request("/hello");
    let value = "x".repeat(HEAD_BYTES);
    large.headers_mut().insert("x", value.parse().unwrap());
    assert_eq!(
        within(sender.send_request(large)).await.unwrap().status(),
        431
    );
    assert_eq!(
        within(sender.send_request(request("/hello")))
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn body_that_is_too_large_is_answered_413() {
    let echo = async |body: Bytes| body.len().to_string();
    let running = start(Router::new().route("/", post(echo)), LIMITS).await;

    let fits = "x".repeat(BODY_BYTES);
    let mut client = running.client().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{fits}",
            fits.len()
        ))
        .await
        .unwrap();
    let answer = within(client.answer()).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "65536"));

    let announced = format!("Content-Length: {}\r\n", BODY_BYTES + 1);
    let mut client = running.client().await;
    assert_eq!(
        within(client.request("POST", "/", &announced))
            .await
            .unwrap()
            .status,
        413
    );

    let mut client = running.client().await;
    let chunk = format!("{:x}\r\n{fits}\r\n1\r\nx\r\n0\r\n\r\n", fits.len());
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"
        ))
        .await
        .unwrap();
    assert_eq!(within(client.answer()).await.unwrap().status, 413);
}

#[tokio::test]
async fn longest_silent_connection_gives_way_to_the_next() {
    let running = start(
        hello(),
        Limits {
            connections: Some(4),
            ..LIMITS
        },
    )
    .await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(running.client().await);
    }
    let mut client = running.client().await;
    assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
    // In the order in which they came: all but the latest few are closed.
    for silent in &mut silent[..16] {
        assert_eq!(within(silent.rest()).await, b"");
    }
}

#[tokio::test]
async fn request_that_is_being_answered_is_not_given_up_for_another() {
    let (gate, app) = Gate::app();
    let running = start(
        app,
        Limits {
            connections: Some(2),
            ..LIMITS
        },
    )
    .await;
    let ask = async |mut client: Client, path: &'static str| {
        client.get(path).await.map(|answer| answer.status)
    };
    let first = tokio::spawn(ask(running.client().await, "/gate"));
    let second = tokio::spawn(ask(running.client().await, "/gate"));
    gate.until(2).await;

    // It waits in the backlog, however long those two take.
    let third = tokio::spawn(ask(running.client().await, "/gate"));
    tokio::time::sleep(3 * limits::FIRST_REQUEST_GRACE).await;
    assert_eq!(gate.waiting.load(Ordering::SeqCst), 2);
    gate.open.add_permits(1);
    eventually(async || first.is_finished() || second.is_finished()).await;
    gate.until(2).await;
    assert!(!third.is_finished());

    gate.open.add_permits(2);
    for task in [first, second, third] {
        assert_eq!(within(task).await.unwrap().unwrap(), 200);
    }
}

#[tokio::test]
async fn clients_take_turns_when_there_is_hardly_room() {
    let running = start(
        hello(),
        Limits {
            connections: Some(8),
            ..LIMITS
        },
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = running.client().await;
        assert!(!within(client.get("/hello")).await.unwrap().says_close());
        clients.push(client);
    }
    let mut seventh = running.client().await;
    assert!(within(seventh.get("/hello")).await.unwrap().says_close());
    assert_eq!(within(seventh.rest()).await, b"");
}

#[tokio::test]
async fn without_descriptors_the_longest_idle_connections_are_closed_and_accepting_goes_on() {
    let shared = Shared::new(hello(), Readiness::default(), LIMITS);
    let mut connections = Connections::new(Arc::clone(&shared));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(Client::connect(address).await.unwrap());
        let (stream, peer) = listener.accept().await.unwrap();
        connections.add(stream, peer);
        tokio::time::sleep(limits::FIRST_REQUEST_GRACE).await;
    }

    let error = io::Error::other("too many open files");
    not_accepted(&shared, &mut connections, &error).await;
    for silent in &mut silent[..2] {
        assert_eq!(within(silent.rest()).await, b"");
    }
    assert_eq!(connections.len(), 1);

    let serving = tokio::spawn(async move {
        let never = std::future::pending();
        accept(&shared, &listener, &mut connections, never).await;
    });
    assert_eq!(within(silent[2].get("/hello")).await.unwrap().status, 200);
    let mut client = Client::connect(address).await.unwrap();
    assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);
    serving.abort();
}

#[tokio::test]
async fn client_that_leaves_while_it_waits_costs_nobody_a_connection() {
    let shared = Shared::new(hello(), Readiness::default(), LIMITS);
    let mut connections = Connections::new(Arc::clone(&shared));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = Client::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    connections.add(stream, peer);
    tokio::time::sleep(limits::FIRST_REQUEST_GRACE).await;
    let error = ErrorKind::ConnectionAborted.into();
    not_accepted(&shared, &mut connections, &error).await;
    assert_eq!(connections.len(), 1);
}

#[tokio::test]
async fn whoever_waits_in_the_backlog_as_the_stop_begins_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Client::connect(address).await.unwrap();
        client
            .send("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n")
            .await
            .unwrap();
        clients.push(client);
    }
    // Told to stop before it has begun.
    let stop = async {};
    within(serve(listener, hello(), Readiness::default(), LIMITS, stop)).await;
    for client in &mut clients {
        let answer = within(client.answer()).await.unwrap();
        assert_eq!((answer.status, answer.says_close()), (200, true));
    }
    assert!(Client::connect(address).await.is_err());
}

#[tokio::test]
async fn request_in_flight_is_answered_and_the_client_told_to_close() {
    let (gate, app) = Gate::app();
    let running = start(app, LIMITS).await;
    let mut client = running.client().await;
    client
        .send("GET /gate HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    gate.until(1).await;

    running.stop.send(()).unwrap();
    eventually(async || !running.readiness.is_ready()).await;
    gate.open.add_permits(1);
    let answer = within(client.answer()).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (200, true));
    assert_eq!(within(client.rest()).await, b"");
    within(running.server).await.unwrap();
}

#[tokio::test]
async fn client_at_work_gets_one_more_request_answered() {
    // It does not end.
    let running = start(
        hello(),
        Limits {
            grace: LONG,
            ..LIMITS
        },
    )
    .await;
    let mut client = running.client().await;
    assert!(!within(client.get("/hello")).await.unwrap().says_close());
    let (mut sender, connection) = running.http2().await;
    within(sender.send_request(request("/hello")))
        .await
        .unwrap();

    running.stop.send(()).unwrap();
    // Connections are being finished once this one is.
    within(connection).await.unwrap().unwrap();
    assert!(within(client.get("/hello")).await.unwrap().says_close());
    within(running.server).await.unwrap();
}

#[tokio::test]
async fn readyz_is_503_while_it_drains() {
    const ABOUT: crate::About = crate::About {
        name: "test",
        version: "0",
        summary: "",
        telemetry: false,
        settings: &[],
        endpoints: &[],
    };
    let readiness = Readiness::default();
    let app = crate::operations(Router::new(), &ABOUT, None, readiness.clone());
    let limits = Limits {
        grace: LONG,
        ..LIMITS
    };
    let running = start_with(app, limits, readiness).await;
    let mut probe = running.client().await;
    assert_eq!(within(probe.get("/readyz")).await.unwrap().status, 200);
    running.stop.send(()).unwrap();
    eventually(async || !running.readiness.is_ready()).await;
    assert_eq!(within(probe.get("/readyz")).await.unwrap().status, 503);
    within(running.server).await.unwrap();
}

#[tokio::test]
async fn head_of_which_a_part_has_come_is_waited_for() {
    let running = start(
        hello(),
        Limits {
            grace: Duration::ZERO,
            ..LIMITS
        },
    )
    .await;
    let mut client = running.client().await;
    client.send("GET /hello HTTP/1.1\r\n").await.unwrap();
    let mut other = running.client().await;
    // Once this is answered, the part has been read: there is one thread.
    assert_eq!(within(other.get("/hello")).await.unwrap().status, 200);

    running.stop.send(()).unwrap();
    assert_eq!(within(other.rest()).await, b"");
    client.send("Host: test\r\n\r\n").await.unwrap();
    let answer = within(client.answer()).await.unwrap();
    assert_eq!((answer.status, answer.says_close()), (200, true));
    within(running.server).await.unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_stop() {
    let running = start(
        hello(),
        Limits {
            grace: SHORT,
            ..LIMITS
        },
    )
    .await;
    let mut silent = running.client().await;
    let mut idle = running.client().await;
    assert_eq!(within(idle.get("/hello")).await.unwrap().status, 200);
    running.stop.send(()).unwrap();
    within(running.server).await.unwrap();
    assert_eq!(within(silent.rest()).await, b"");
    assert_eq!(within(idle.rest()).await, b"");
}

#[tokio::test]
async fn what_hangs_is_cut_when_the_drain_has_lasted_its_limit() {
    let (gate, app) = Gate::app();
    let running = start(
        app,
        Limits {
            drain: Some(SHORT),
            ..LIMITS
        },
    )
    .await;
    let mut client = running.client().await;
    client
        .send("GET /gate HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let (mut sender, _connection) = running.http2().await;
    let second = tokio::spawn(sender.send_request(request("/gate")));
    gate.until(2).await;

    running.stop.send(()).unwrap();
    within(running.server).await.unwrap();
    assert_eq!(
        gate.waiting.load(Ordering::SeqCst),
        0,
        "both handlers were dropped before it returned"
    );
    assert_eq!(within(client.answer()).await.unwrap().status, 503);
    assert_eq!(within(second).await.unwrap().unwrap().status(), 503);
}

#[tokio::test]
async fn http2_client_gets_goaway_and_then_the_answer_to_what_is_in_flight() {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    let (gate, app) = Gate::app();
    let running = start(app, LIMITS).await;
    let mut client = running.client().await;
    // GET and http from HPACK's static table, path and authority as literals; the stream and the headers end.
    let get_gate = frame(HEADERS, 0b101, 1, b"\x82\x86\x04\x05/gate\x01\x04test");
    client
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    client
        .send([frame(SETTINGS, 0, 0, b""), get_gate].concat())
        .await
        .unwrap();
    gate.until(1).await;
    running.stop.send(()).unwrap();

    let mut goaways = Vec::new();
    let mut data = Vec::new();
    // Pings come in between, so the whole is bounded.
    within(async {
        while let Ok(head) = client.take(9).await {
            let payload = client.take(usize::from(head[2])).await.unwrap();
            match (head[3], head[4]) {
                (PING, 0) => client.send(frame(PING, 1, 0, &payload)).await.unwrap(),
                (GOAWAY, _) => {
                    gate.open.add_permits(1);
                    let (last, error) = payload.split_at(4);
                    goaways.push((last.to_vec(), error.to_vec(), data.len()));
                }
                (DATA, _) => data.extend(payload),
                _ => {}
            }
        }
    })
    .await;
    let no_error = vec![0; 4];
    assert_eq!(
        goaways[0],
        (vec![0x7f, 0xff, 0xff, 0xff], no_error.clone(), 0),
        "first: no stream is refused yet"
    );
    assert_eq!(
        goaways[1].0,
        [0, 0, 0, 1],
        "then: which stream was the last"
    );
    assert_eq!(goaways[1].1, no_error);
    assert_eq!(data, b"passed");
    within(running.server).await.unwrap();
}

#[tokio::test]
async fn handler_that_panics_costs_only_its_own_connection() {
    async fn panics() -> &'static str {
        panic!("as the test wants");
    }
    let running = start(hello().route("/panic", get(panics)), LIMITS).await;
    let mut other = running.client().await;
    assert_eq!(within(other.get("/hello")).await.unwrap().status, 200);
    let mut client = running.client().await;
    assert!(within(client.get("/panic")).await.is_err());
    assert_eq!(within(other.get("/hello")).await.unwrap().status, 200);
    running.stop.send(()).unwrap();
    within(running.server).await.unwrap();
}

#[tokio::test]
async fn http2_requests_have_a_limit_that_all_connections_share_and_http1_is_served_beyond_it() {
    let (gate, app) = Gate::app();
    let limits = Limits {
        connections: Some(1000),
        ..LIMITS
    };
    let running = start(app, limits).await;
    let mut clients = Vec::new();
    let mut asked = Vec::new();
    while asked.len() < HTTP2_REQUESTS {
        let (mut sender, connection) = running.http2().await;
        // Less than the streams of a connection: one more is sent, not held back by the client.
        for _ in 0..(HTTP2_STREAMS / 2).min(HTTP2_REQUESTS - asked.len()) {
            asked.push(tokio::spawn(sender.send_request(request("/gate"))));
        }
        clients.push((sender, connection));
    }
    gate.until(HTTP2_REQUESTS).await;

    for (sender, _) in &mut clients {
        let refused = within(sender.send_request(request("/gate"))).await.unwrap();
        assert_eq!(refused.status(), 503);
    }
    let mut client = running.client().await;
    assert_eq!(within(client.get("/hello")).await.unwrap().status, 200);

    gate.open.add_permits(HTTP2_REQUESTS);
    for answer in asked {
        assert_eq!(within(answer).await.unwrap().unwrap().status(), 200);
    }
    let again = clients[0].0.send_request(request("/hello"));
    assert_eq!(within(again).await.unwrap().status(), 200);
}
