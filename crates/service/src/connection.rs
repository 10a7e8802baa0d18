//! One connection: it answers requests, and keeps account of when it last did something.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode, Version};
use axum::response::IntoResponse;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tower_service::Service;

use crate::host::names_one_host;
use crate::shared::Shared;
use crate::stream::{self, Stream};
use crate::upload::Upload;

type AnswerBody = axum::body::Body;

/// What the accept loop knows of a connection. Its counters are only hints to that loop, so they need no ordering.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    /// When there was progress last, by [`Shared::now`]: a request's head, an answer's head, a piece of its body.
    progress: AtomicU64,
    /// Requests whose handler has not answered yet.
    pending: AtomicU32,
    /// Answers whose body is not at its end.
    answering: AtomicU32,
    answered: AtomicBool,
    http2: AtomicBool,
    /// A part of an HTTP/1 head has come, or a body.
    partial: AtomicBool,
    /// A handler waits for the rest of a request's body.
    uploading: AtomicBool,
    /// When the client ended what it sends while it waits for an answer, by the same clock; or [`NEVER`].
    half_closed: AtomicU64,
    /// Nobody is believed to wait for an answer.
    abandoned: AtomicBool,
    /// The client still sends what nobody reads.
    unread: AtomicBool,
    /// A limit has cut it, and the log knows.
    cut: AtomicBool,
    /// Handlers have had their time.
    overdue: AtomicBool,
    /// The same for HTTP/2, whose streams are tasks of their own.
    overdue_streams: Notify,
    last_words: OnceLock<&'static [u8]>,
    finish: Notify,
    /// It speaks another protocol now.
    upgraded: AtomicBool,
    /// What was upgraded must end.
    ended: AtomicBool,
    /// Woken at that, and at the end of an answer if the client sends no more.
    reader: AtomicWaker,
    writer: AtomicWaker,
}

const NEVER: u64 = u64::MAX;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// A handler is at work.
    Pending,
    /// An answer's body is on its way.
    Answering,
    /// It waits for a request.
    Waiting,
    /// It speaks another protocol, of which only its handler knows.
    Upgraded,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, peer: SocketAddr) -> Self {
        let progress = AtomicU64::new(shared.now());
        Self {
            shared,
            peer,
            progress,
            pending: AtomicU32::new(0),
            answering: AtomicU32::new(0),
            answered: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            partial: AtomicBool::new(false),
            uploading: AtomicBool::new(false),
            half_closed: AtomicU64::new(NEVER),
            abandoned: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            overdue_streams: Notify::new(),
            last_words: OnceLock::new(),
            finish: Notify::new(),
            upgraded: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    /// Answers requests until the client leaves, or until [`Connection::finish`] and the last answer.
    pub(crate) async fn serve(self: Arc<Self>, tcp: TcpStream) {
        let (stream, released) = Stream::new(tcp, Arc::clone(&self));
        self.speak(stream).await;
        // After an upgrade a handler has the stream. The task lasts as long, so that it counts as a connection.
        let _ends = Ends(&self);
        if let Ok(tcp) = released.await
            && self.unread.load(Ordering::Relaxed)
        {
            Box::pin(stream::linger(tcp)).await;
        }
    }

    async fn speak(self: &Arc<Self>, stream: Stream) {
        let service = service_fn(|request| {
            // Here and not in the future, which is polled only after hyper has looked for the end of what comes.
            let pending = Pending::new(Arc::clone(self));
            Arc::clone(self).answer(request, pending)
        });
        let mut connection = pin!(
            self.shared
                .http
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
        );
        let mut is_finishing = false;
        let ended = loop {
            // The connection first: what has arrived is read before it is judged idle. Later notices only have the
            // connection look again at what it waits for.
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                () = self.finish.notified() => {
                    if !std::mem::replace(&mut is_finishing, true) {
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        };
        // Other errors are the client's (it hung up, it sent no HTTP): nobody here could do anything about them.
        if let Err(error) = ended
            && error
                .downcast_ref()
                .is_some_and(hyper::Error::is_parse_too_large)
        {
            self.unread.store(true, Ordering::Relaxed);
            self.shared
                .cut("head_bytes", &self.shared.limits.head_bytes);
        }
    }

    /// Ends the connection after what is being answered: HTTP/2 clients get GOAWAY, an idle connection is closed.
    pub(crate) fn finish(&self) {
        self.finish.notify_one();
    }

    /// Has handlers that have not answered give up, so that their clients get an answer, and ends the connection.
    pub(crate) fn give_up(&self) {
        self.overdue.store(true, Ordering::Relaxed);
        self.overdue_streams.notify_waiters();
        self.finish();
    }

    /// Whether a client that sends no more waits for the answer to what it has sent.
    ///
    /// If it does, the reader is woken at the end of the answer.
    pub(crate) fn awaits_answer(&self, context: &Context<'_>) -> bool {
        let awaits = matches!(self.doing(), Doing::Pending | Doing::Answering)
            && !self.is_http2()
            // The rest of the request will not come.
            && !self.uploading.load(Ordering::Relaxed)
            && !self.abandoned.load(Ordering::Relaxed);
        if awaits {
            self.reader.register(context.waker());
            let _ = self.half_closed.compare_exchange(
                NEVER,
                self.shared.now(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        awaits
    }

    /// How long a client that sends no more has waited for its answer.
    pub(crate) fn half_closed(&self) -> Option<Duration> {
        let since = self.half_closed.load(Ordering::Relaxed);
        (since != NEVER).then(|| Duration::from_millis(self.shared.now().saturating_sub(since)))
    }

    /// Takes a client that sends no more for one that has hung up: its handler is dropped.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.finish();
    }

    /// True the first time: a connection is cut once.
    pub(crate) fn cut(&self) -> bool {
        !self.cut.swap(true, Ordering::Relaxed)
    }

    /// Registers a handler that reads from an upgraded connection. True if the connection must end.
    pub(crate) fn ends_reader(&self, context: &Context<'_>) -> bool {
        self.ends(&self.reader, context)
    }

    /// The same for one that writes.
    pub(crate) fn ends_writer(&self, context: &Context<'_>) -> bool {
        self.ends(&self.writer, context)
    }

    fn ends(&self, waker: &AtomicWaker, context: &Context<'_>) -> bool {
        if !self.upgraded.load(Ordering::Relaxed) {
            return false;
        }
        waker.register(context.waker());
        self.ended.load(Ordering::Acquire)
    }

    /// Sets what a client that has sent a part of a head is told when the connection is dropped.
    pub(crate) fn tell(&self, words: &'static [u8]) {
        let _ = self.last_words.set(words);
    }

    /// What is still to be said when nothing more is read.
    pub(crate) fn last_words(&self) -> Option<&'static [u8]> {
        let words = self.last_words.get().copied();
        words.filter(|_| self.has_partial_head())
    }

    /// A part of an HTTP/1 head has arrived, and nothing else is going on.
    pub(crate) fn has_partial_head(&self) -> bool {
        self.doing() == Doing::Waiting && self.partial.load(Ordering::Relaxed)
    }

    /// The client has sent these bytes.
    pub(crate) fn received(&self, bytes: &[u8]) {
        // The first bytes of HTTP/2 (RFC 9113, section 3.4) are no head.
        let is_head = !bytes.is_empty() && !bytes.starts_with(b"PRI ") && !self.is_http2();
        self.partial.store(is_head, Ordering::Relaxed);
    }

    /// A handler waits for the rest of a request's body, or it does not any more.
    pub(crate) fn uploading(&self, is_uploading: bool) {
        self.uploading.store(is_uploading, Ordering::Relaxed);
    }

    /// A request's body is larger than it may be.
    pub(crate) fn too_large(&self) {
        self.unread.store(true, Ordering::Relaxed);
        self.shared
            .cut("body_bytes", &self.shared.limits.body_bytes);
    }

    pub(crate) fn doing(&self) -> Doing {
        if self.upgraded.load(Ordering::Relaxed) {
            Doing::Upgraded
        } else if self.pending.load(Ordering::Relaxed) > 0 {
            Doing::Pending
        } else if self.answering.load(Ordering::Relaxed) > 0 {
            Doing::Answering
        } else {
            Doing::Waiting
        }
    }

    /// Time since the last progress.
    pub(crate) fn quiet(&self) -> Duration {
        let progress = self.progress.load(Ordering::Relaxed);
        Duration::from_millis(self.shared.now().saturating_sub(progress))
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
        request: Request<Incoming>,
        pending: Pending,
    ) -> Result<Response<Answer>, Infallible> {
        let is_http2 = request.version() == Version::HTTP_2;
        if is_http2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        let room = is_http2.then(|| self.shared.http2_room());
        if let Some(None) = room {
            return Ok(self.refusal());
        }

        if !names_one_host(&request) {
            drop(pending);
            let text = "a request needs one valid Host header\n";
            let mut response = (StatusCode::BAD_REQUEST, text).into_response();
            let headers = response.headers_mut();
            // What follows on such a connection may be meant for another host, too.
            if !is_http2 {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            return Ok(response.map(|body| Answer::new(body, room.flatten(), self)));
        }
        let is_connect = request.method() == Method::CONNECT;
        let limit = self.shared.limits.body_bytes.unwrap_or(usize::MAX);
        let mut response = if usize::try_from(request.body().size_hint().lower())
            .is_ok_and(|announced| announced <= limit)
        {
            let mut request = Upload::new(request, limit, &self);
            request.extensions_mut().insert(ConnectInfo(self.peer));
            self.handle(request, is_http2).await
        } else {
            self.too_large();
            (StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded\n").into_response()
        };
        drop(pending);

        // What came in the meantime was its body.
        self.partial.store(false, Ordering::Relaxed);
        self.answered.store(true, Ordering::Relaxed);
        if !is_http2 && is_upgrade(is_connect, response.status()) {
            // Before the handler gets the stream. `Connection` has its own meaning in this answer.
            self.upgraded.store(true, Ordering::Relaxed);
            return Ok(response.map(|body| Answer::new(body, None, self)));
        }
        // HTTP/2 has no such header; GOAWAY says it.
        if !is_http2 && (self.shared.wants_close() || self.overdue.load(Ordering::Relaxed)) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Answer::new(body, room.flatten(), self)))
    }

    /// The handler's answer, or what the client is told if there is none in time.
    ///
    /// It takes no timer: the accept loop says when, and wakes the connection, or its streams.
    async fn handle(&self, request: Request<Upload>, is_http2: bool) -> Response<AnswerBody> {
        let mut call = pin!(self.shared.app.clone().call(request));
        let mut overdue = pin!(is_http2.then(|| self.overdue_streams.notified()));
        poll_fn(|context| {
            if let Poll::Ready(answered) = call.as_mut().poll(context) {
                let Ok(response) = answered;
                return Poll::Ready(response);
            }
            let told = overdue
                .as_mut()
                .as_pin_mut()
                .is_some_and(|overdue| overdue.poll(context).is_ready());
            if told || self.overdue.load(Ordering::Relaxed) {
                Poll::Ready(self.apology(is_http2))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn apology(&self, is_http2: bool) -> Response<AnswerBody> {
        // Of HTTP/2 it is not known which stream's body it is.
        let is_client_late = !is_http2 && self.uploading.load(Ordering::Relaxed);
        let (status, text) = if is_client_late {
            self.unread.store(true, Ordering::Relaxed);
            (
                StatusCode::REQUEST_TIMEOUT,
                "the request did not arrive in time\n",
            )
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not answered in time\n")
        };
        (status, text).into_response()
    }

    fn refusal(self: Arc<Self>) -> Response<Answer> {
        self.progressed();
        let mut response = Response::new(Answer {
            body: None,
            room: None,
            answering: Answering::new(self),
        });
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }

    fn progressed(&self) {
        self.progress.store(self.shared.now(), Ordering::Relaxed);
    }
}

/// RFC 9110, sections 15.2.2 and 9.3.6.
fn is_upgrade(is_connect: bool, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || is_connect && status.is_success()
}

/// Ends an upgraded connection, whose stream its handler has, together with the connection's task.
struct Ends<'a>(&'a Connection);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        if self.0.half_closed.load(Ordering::Relaxed) != NEVER {
            self.0.reader.wake();
        }
        self.0.writer.wake();
    }
}

/// Counts a request until it is answered, or dropped because the client has left.
struct Pending(Arc<Connection>);

impl Pending {
    fn new(connection: Arc<Connection>) -> Self {
        connection.partial.store(false, Ordering::Relaxed);
        connection.pending.fetch_add(1, Ordering::Relaxed);
        connection.progressed();
        Self(connection)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.progressed();
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts an answer until its last piece is taken, or it is given up.
struct Answering(Arc<Connection>);

impl Answering {
    fn new(connection: Arc<Connection>) -> Self {
        connection.answering.fetch_add(1, Ordering::Relaxed);
        Self(connection)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
        // A client that sends no more has its answer: hyper looks for the end again.
        if self.0.half_closed.load(Ordering::Relaxed) != NEVER {
            self.0.reader.wake();
        }
    }
}

pin_project_lite::pin_project! {
    /// An answer's body; each piece that is taken counts as progress, so that a long answer is not cut.
    pub(crate) struct Answer {
        #[pin]
        body: Option<AnswerBody>,
        // Of an HTTP/2 request: until its last byte is sent or given up. A client can have a stream wait for ever.
        room: Option<Arc<OwnedSemaphorePermit>>,
        answering: Answering,
    }
}

impl Answer {
    fn new(
        body: AnswerBody,
        room: Option<OwnedSemaphorePermit>,
        connection: Arc<Connection>,
    ) -> Self {
        Self {
            body: Some(body),
            room: room.map(Arc::new),
            answering: Answering::new(connection),
        }
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
        this.answering.0.progressed();
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
