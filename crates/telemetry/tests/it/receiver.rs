//! A receiver of OTLP over HTTP and gRPC that keeps every request as it came and answers as it is told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Notify, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::help::eventually;

/// One request, its message decompressed.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Vec<u8>,
    /// Whether the message came compressed.
    pub(crate) compressed: bool,
    pub(crate) at: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Ok,
    Status(u16),
    /// A status with `Retry-After`.
    RetryAfter(u16, &'static str),
    /// gRPC's status alone.
    Grpc(i32),
    /// gRPC's status with a message, percent-encoded.
    GrpcMessage(i32, &'static str),
    /// gRPC's `RESOURCE_EXHAUSTED` or `UNAVAILABLE` with a `RetryInfo` of one second.
    RetryInfo(i32),
    /// Takes the request, but says that this many items were rejected.
    Partial(i64),
    /// A status with a body of that type.
    Body(u16, &'static str, &'static [u8]),
    /// Says that the receiver is at this URL now.
    Moved(&'static str),
    /// Refuses messages that are longer, in bytes, and takes all others.
    AtMost(usize),
    /// Reads the request and says nothing.
    Never,
    /// Reads the request and closes the connection.
    HangUp,
}

type Plan = Arc<dyn Fn(usize) -> Answer + Send + Sync>;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _stop: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Handler {
    requests: Arc<Mutex<Vec<Request>>>,
    count: Arc<AtomicUsize>,
    plan: Plan,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::with(None, |_| Answer::Ok)
    }

    /// On a port that was taken before; `socket` is bound and refuses connections until now.
    pub(crate) fn at(socket: TcpSocket) -> Self {
        let listener = socket.listen(64).unwrap().into_std().unwrap();
        Self::on(listener, None, |_| Answer::Ok)
    }

    /// `plan` says how the nth request is answered.
    pub(crate) fn answering(plan: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(None, plan)
    }

    pub(crate) fn tls(acceptor: TlsAcceptor) -> Self {
        Self::with(Some(acceptor), |_| Answer::Ok)
    }

    fn with(
        tls: Option<TlsAcceptor>,
        plan: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self::on(listener, tls, plan)
    }

    fn on(
        listener: std::net::TcpListener,
        tls: Option<TlsAcceptor>,
        plan: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let handler = Handler {
            requests: Arc::clone(&requests),
            count: Arc::default(),
            plan: Arc::new(plan),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        // A thread and runtime of its own: whatever a test does to its runtime, the receiver goes on.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, tls, handler) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            requests,
            _stop: stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first request, as soon as there is one.
    pub(crate) fn first(&self) -> Request {
        eventually("a request", || self.requests().into_iter().next())
    }

    /// How long each message was, in bytes.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let requests = self.requests();
        requests.iter().map(|it| it.message.len()).collect()
    }

    /// How many spans came with each request.
    pub(crate) fn batch_sizes(&self) -> Vec<usize> {
        let requests = self.requests();
        requests
            .iter()
            .map(|request| request.spans().len())
            .collect()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.requests().iter().flat_map(Request::spans).collect()
    }

    /// The first `count` spans, as soon as there are as many.
    pub(crate) fn wait_for_spans(&self, count: usize) -> Vec<Span> {
        eventually("spans", || {
            Some(self.spans()).filter(|spans| spans.len() >= count)
        })
    }
}

impl Request {
    pub(crate) fn traces(&self) -> ExportTraceServiceRequest {
        Message::decode(self.message.as_slice()).unwrap()
    }

    pub(crate) fn metrics(&self) -> ExportMetricsServiceRequest {
        Message::decode(self.message.as_slice()).unwrap()
    }

    pub(crate) fn logs(&self) -> ExportLogsServiceRequest {
        Message::decode(self.message.as_slice()).unwrap()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.traces().resource_spans;
        let scopes = resources
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            continue;
        };
        let (tls, handler) = (tls.clone(), handler.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(connection, handler).await,
                Some(tls) => {
                    // An error is a client that does not trust us, or that we do not.
                    if let Ok(connection) = tls.accept(connection).await {
                        serve(connection, handler).await;
                    }
                }
            }
        });
    }
}

async fn serve(connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handler: Handler) {
    let hung_up = Arc::new(Notify::new());
    let hang_up = Arc::clone(&hung_up);
    let service = service_fn(move |request| {
        let (handler, hang_up) = (handler.clone(), Arc::clone(&hang_up));
        async move { Ok::<_, Infallible>(handler.handle(request, &hang_up).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // Errors are clients that went away.
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(connection), service) => {}
        () = hung_up.notified() => {}
    }
}

impl Handler {
    async fn handle(
        &self,
        request: hyper::Request<Incoming>,
        hang_up: &Notify,
    ) -> hyper::Response<UnsyncBoxBody<Bytes, Infallible>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let is_grpc = head
            .headers
            .get("content-type")
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let (message, compressed) = if is_grpc {
            // A flag for compression, four bytes of length, the message.
            (&body[5..], body[0] == 1)
        } else {
            (&body[..], head.headers.get("content-encoding").is_some())
        };
        let message = if compressed {
            gunzip(message)
        } else {
            message.to_vec()
        };
        let length = message.len();
        self.requests.lock().unwrap().push(Request {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            message,
            compressed,
            at: Instant::now(),
        });
        match (self.plan)(self.count.fetch_add(1, Ordering::SeqCst)) {
            Answer::Never => {
                std::future::pending::<()>().await;
                unreachable!()
            }
            Answer::HangUp => {
                hang_up.notify_one();
                std::future::pending::<()>().await;
                unreachable!()
            }
            Answer::AtMost(bytes) if length > bytes && is_grpc => grpc_status(8),
            Answer::AtMost(bytes) if length > bytes => http_answer(413, &[]),
            Answer::Ok | Answer::AtMost(_) if is_grpc => grpc_answer(&[]),
            Answer::Ok | Answer::AtMost(_) => http_answer(200, &[]),
            Answer::Status(status) => http_answer(status, &[]),
            Answer::RetryAfter(status, when) => {
                let mut response = http_answer(status, &[]);
                let when = HeaderValue::from_static(when);
                response.headers_mut().insert("retry-after", when);
                response
            }
            Answer::Moved(url) => {
                let mut response = http_answer(307, &[]);
                let url = HeaderValue::from_static(url);
                response.headers_mut().insert("location", url);
                response
            }
            Answer::Body(status, kind, body) => {
                let mut response = http_answer(status, body);
                let kind = HeaderValue::from_static(kind);
                response.headers_mut().insert("content-type", kind);
                response
            }
            Answer::Grpc(code) => grpc_status(code),
            Answer::GrpcMessage(code, message) => {
                let mut response = grpc_status(code);
                let message = HeaderValue::from_static(message);
                response.headers_mut().insert("grpc-message", message);
                response
            }
            Answer::RetryInfo(code) => {
                let mut response = grpc_status(code);
                let details = HeaderValue::from_static(RETRY_INFO);
                response
                    .headers_mut()
                    .insert("grpc-status-details-bin", details);
                response
            }
            Answer::Partial(rejected) => {
                let message = ExportTraceServiceResponse {
                    partial_success: Some(ExportTracePartialSuccess {
                        rejected_spans: rejected,
                        error_message: "too\nold".to_owned(),
                    }),
                }
                .encode_to_vec();
                if is_grpc {
                    grpc_answer(&message)
                } else {
                    http_answer(200, &message)
                }
            }
        }
    }
}

/// A `google.rpc.Status` with one detail, a `google.rpc.RetryInfo` of one second, in base64.
const RETRY_INFO: &str = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAQ";

fn http_answer(status: u16, body: &[u8]) -> hyper::Response<UnsyncBoxBody<Bytes, Infallible>> {
    let body = Full::new(Bytes::copy_from_slice(body));
    let mut response = hyper::Response::new(body.boxed_unsync());
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// No message, but a status.
fn grpc_status(code: i32) -> hyper::Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut response = http_answer(200, &[]);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", code.into());
    response
}

/// A message, which is short, and `grpc-status: 0`.
fn grpc_answer(message: &[u8]) -> hyper::Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let length = u8::try_from(message.len()).unwrap();
    let frame = [&[0, 0, 0, 0, length], message].concat();
    let body = Full::new(Bytes::from(frame)).with_trailers(async { Some(Ok(trailers)) });
    let mut response = hyper::Response::new(body.boxed_unsync());
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn gunzip(compressed: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(compressed)
        .read_to_end(&mut message)
        .unwrap();
    message
}

/// An address at which nothing listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A limit well above what a loaded machine needs, well below [`crate::help::PATIENCE`].
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Attributes by key; values that are no strings as they are written in Rust.
pub(crate) fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|KeyValue { key, value, .. }| (key.clone(), text(value.as_ref())))
        .collect()
}

pub(crate) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(array)) => {
            let items: Vec<_> = array.values.iter().map(|value| text(Some(value))).collect();
            format!("[{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// A time limit, in milliseconds, that no test waits for: the one under test has to come first.
pub(crate) const HOUR: &str = "3600000";
