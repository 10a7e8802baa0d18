//! One connection: it answers requests, and keeps account of when it last did something.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tower_service::Service;

use crate::serve::Shared;

type AnswerBody = tower_http::limit::ResponseBody<axum::body::Body>;

/// What the accept loop knows of a connection. Its counters are only hints to that loop, so they need no ordering.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    accepted: Instant,
    /// Milliseconds from `accepted` to the last progress: a request's head, an answer's head, a piece of its body.
    progress: AtomicU64,
    /// Requests whose handler has not answered yet.
    pending: AtomicU32,
    answered: AtomicBool,
    http2: AtomicBool,
    finish: Notify,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, peer: SocketAddr) -> Self {
        Self {
            shared,
            peer,
            accepted: Instant::now(),
            progress: AtomicU64::new(0),
            pending: AtomicU32::new(0),
            answered: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            finish: Notify::new(),
        }
    }

    /// Answers requests until the client leaves, or until [`Connection::finish`] and the last answer.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(|request| Arc::clone(&self).answer(request));
        let mut connection = pin!(
            self.shared
                .http
                .serve_connection(TokioIo::new(stream), service)
        );
        // The connection first: what has arrived is read before it is judged idle.
        // Its errors are the client's (it hung up, it sent no HTTP): nobody here could do anything about them.
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = self.finish.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    /// Ends the connection after what is being answered: HTTP/2 clients get GOAWAY, an idle connection is closed.
    pub(crate) fn finish(&self) {
        self.finish.notify_one();
    }

    /// Time since the last progress.
    pub(crate) fn quiet(&self) -> Duration {
        let progress = Duration::from_millis(self.progress.load(Ordering::Relaxed));
        self.accepted.elapsed().saturating_sub(progress)
    }

    /// A handler is at work.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) > 0
    }

    /// At least one request was answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// At least one HTTP/2 request was received.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Answer>, Infallible> {
        let is_http2 = request.version() == Version::HTTP_2;
        if is_http2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        let room = is_http2.then(|| self.shared.http2_room());
        if let Some(None) = room {
            return Ok(self.refusal());
        }
        request.extensions_mut().insert(ConnectInfo(self.peer));

        let pending = Pending::new(&self);
        let mut response = self.shared.app.clone().call(request).await?;
        drop(pending);

        self.answered.store(true, Ordering::Relaxed);
        // HTTP/2 has no such header; GOAWAY says it.
        if !is_http2 && self.shared.wants_close() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Answer {
            body: Some(body),
            room: room.flatten().map(Arc::new),
            connection: self,
        }))
    }

    fn refusal(self: Arc<Self>) -> Response<Answer> {
        self.progressed();
        let mut response = Response::new(Answer {
            body: None,
            room: None,
            connection: self,
        });
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }

    fn progressed(&self) {
        let millis = u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.store(millis, Ordering::Relaxed);
    }
}

/// Counts a request until it is answered, or dropped because the client has left.
struct Pending<'a>(&'a Connection);

impl<'a> Pending<'a> {
    fn new(connection: &'a Connection) -> Self {
        connection.pending.fetch_add(1, Ordering::Relaxed);
        connection.progressed();
        Self(connection)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.progressed();
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project_lite::pin_project! {
    /// An answer's body; each piece that is taken counts as progress, so that a long answer is not cut.
    pub(crate) struct Answer {
        #[pin]
        body: Option<AnswerBody>,
        // Of an HTTP/2 request: until its last byte is sent or given up. A client can have a stream wait for ever.
        room: Option<Arc<OwnedSemaphorePermit>>,
        connection: Arc<Connection>,
    }
}

impl Body for Answer {
    type Data = <AnswerBody as Body>::Data;
    type Error = <AnswerBody as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(body.poll_frame(context));
        this.connection.progressed();
        let Some(room) = this.room else {
            return Poll::Ready(frame);
        };
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|data| {
                    Bytes::from_owner(Unsent {
                        data,
                        _room: Arc::clone(room),
                    })
                })
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Body::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

/// A piece of an answer while the protocol holds it, for want of a window to send it.
struct Unsent {
    data: Bytes,
    _room: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
