//! One connection: what it speaks, whether something happens on it, and its end.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, sync::Notify};
use tokio_util::io::{InspectReader, InspectWriter};

/// Buffer of an HTTP/1.1 connection, and so the largest head of a request, in bytes.
const BUFFER: usize = 64 << 10;

/// Streams of an HTTP/2 connection at once; gRPC's clients wait when there are more.
const STREAMS: u32 = 32;

/// What an HTTP/2 connection may hold of its streams' bodies before they are read, in bytes.
const WINDOW: u32 = 256 << 10;

/// Largest head of an HTTP/2 request, in bytes.
const HEADERS: u32 = 16 << 10;

/// What a port speaks: one version only, since hyper-util's detection sets no limit to a connection that says nothing.
pub(crate) enum Http {
    One(http1::Builder),
    Two(http2::Builder<TokioExecutor>),
}

impl Http {
    /// HTTP/1.1; a head that is not whole after `silence` ends its connection.
    pub(crate) fn one(silence: Duration) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(silence)
            .max_buf_size(BUFFER);
        Self::One(http)
    }

    /// HTTP/2 without TLS, known to the client beforehand.
    pub(crate) fn two() -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        Self::Two(http)
    }
}

/// What is known of a connection while it is served.
pub(crate) struct Connection {
    moved: Mutex<Instant>,  // bytes, either way
    handled: AtomicUsize,   // requests that are not answered yet
    in_flight: AtomicUsize, // those, and answers that are being taken
    end: Notify,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            moved: Mutex::new(Instant::now()),
            handled: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            end: Notify::new(),
        }
    }

    fn touch(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long no byte has come or gone, although nothing was to be waited for but the client.
    pub(crate) fn silence(&self) -> Duration {
        if self.handled.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.elapsed()
    }

    /// Whether nobody waits for an answer on it.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Ends it: at once if it is idle, else when the requests in flight are answered.
    pub(crate) fn end(&self) {
        self.end.notify_one();
    }

    /// Serves until it ends.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, http: &Http, router: Router) {
        let connection = self.clone();
        let moved = move |_: &[u8]| connection.touch();
        let stream = InspectReader::new(InspectWriter::new(stream, moved.clone()), moved);
        let stream = TokioIo::new(Box::pin(stream));
        // An answer over HTTP/2 is whole and small, and a client that opens no window for it must not hold its place.
        let until_taken = matches!(http, Http::One(_));
        let router = TowerToHyperService::new(router);
        let answer = service_fn(|request: hyper::Request<Incoming>| {
            let in_flight = Counted::new(&self, |connection| &connection.in_flight);
            let handled = Counted::new(&self, |connection| &connection.handled);
            let answer = router.call(request);
            async move {
                let answer: Response = answer.await?;
                drop(handled);
                let in_flight = until_taken.then_some(in_flight);
                Ok::<_, Infallible>(answer.map(|body| Taken {
                    body,
                    _in_flight: in_flight,
                }))
            }
        });
        match http {
            Http::One(http) => self.until_end(http.serve_connection(stream, answer)).await,
            Http::Two(http) => self.until_end(http.serve_connection(stream, answer)).await,
        }
    }

    async fn until_end(&self, connection: impl GracefulConnection) {
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return, // broken off by the client, or a head took too long
            () = self.end.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// A request, counted until it is dropped.
struct Counted(Arc<Connection>, fn(&Connection) -> &AtomicUsize);

impl Counted {
    fn new(connection: &Arc<Connection>, counter: fn(&Connection) -> &AtomicUsize) -> Self {
        counter(connection).fetch_add(1, Ordering::Relaxed);
        Self(connection.clone(), counter)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Self(connection, counter) = self;
        connection.touch();
        counter(connection).fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body, while it is taken.
struct Taken {
    body: Body,
    _in_flight: Option<Counted>,
}

impl hyper::body::Body for Taken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
