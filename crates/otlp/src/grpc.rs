//! OTLP over gRPC ([OTLP/gRPC](https://opentelemetry.io/docs/specs/otlp/#otlpgrpc)): one unary call a request.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use opentelemetry::Context;
use prost::bytes::{Buf, BufMut, Bytes};
use settings::Otlp;
use tokio::runtime::{Handle, Runtime};
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::AGENT;
use crate::answer;
use crate::attempt::{Attempt, Extent, Failure};
use crate::certificates::Files;
use crate::destination::{Destination, root_cause};

/// Where gRPC's connections live: a runtime of one thread, so that neither the service's runtime nor its only worker is
/// needed for a flush, and nothing that runs there makes telemetry. Whoever sends holds it, so that it outlives an export
/// that the end of the service does not wait for.
#[derive(Debug)]
pub(crate) struct GrpcRuntime {
    handle: Handle,
    /// None once it is dropped.
    runtime: Option<Runtime>,
}

impl GrpcRuntime {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp-grpc")
            .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for GrpcRuntime {
    fn drop(&mut self) {
        // The plain drop waits, which panics on an async thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The gRPC client of one exporter.
#[derive(Debug)]
pub(crate) struct GrpcClient {
    client: Grpc<Channel>,
    method: PathAndQuery,
    metadata: MetadataMap,
    destination: Arc<Destination>,
    runtime: Arc<GrpcRuntime>,
}

impl GrpcClient {
    /// `method` is the path of an `Export` method.
    pub(crate) fn new(
        otlp: &Otlp,
        method: &'static str,
        files: Files,
        destination: &Arc<Destination>,
        runtime: Arc<GrpcRuntime>,
    ) -> Result<Self, String> {
        let mut client = {
            // The connection's task is spawned on the runtime that is entered.
            let _inside = runtime.handle.enter();
            Grpc::new(channel(otlp, files, destination.connect_timeout())?)
        };
        if otlp.gzip {
            client = client
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        Ok(Self {
            client,
            method: PathAndQuery::from_static(method),
            metadata: MetadataMap::from_headers(otlp.headers.clone()),
            destination: Arc::clone(destination),
            runtime,
        })
    }

    /// Blocks; must not be called on a thread of an async runtime.
    ///
    /// The call is a task of the runtime, and this thread keeps the time: a future with a timer that is polled here would
    /// panic once the runtime ends.
    pub(crate) fn attempt(&self, message: &Bytes, limit: Duration) -> Attempt {
        let (done, answer) = mpsc::sync_channel(1);
        let is_sent = Arc::new(AtomicBool::new(false));
        let call = call(
            self.client.clone(),
            self.method.clone(),
            self.metadata.clone(),
            message.clone(),
            Arc::clone(&is_sent),
        );
        let task = self.runtime.handle.spawn(async move {
            // An error is an attempt whose time was over.
            let _ = done.send(call.await);
        });
        let answer = answer.recv_timeout(limit);
        task.abort();
        let is_sent = is_sent.load(Ordering::Relaxed);
        match answer {
            Ok(Ok(answer)) => Attempt::Taken(answer::rejected(&self.destination, &answer)),
            Ok(Err(status)) => self.failed(&status, is_sent),
            Err(_) => Attempt::Passing(self.destination.no_answer(is_sent), None),
        }
    }

    /// OTLP/gRPC, [*Failures*](https://opentelemetry.io/docs/specs/otlp/#failures): these codes may pass,
    /// `RESOURCE_EXHAUSTED` only if the receiver says when.
    fn failed(&self, status: &Status, is_sent: bool) -> Attempt {
        if let Some(error) = std::error::Error::source(status) {
            // It is our side's: there was no answer.
            return match is_connect(error) {
                true => Attempt::Away(self.destination.not_connected(error)),
                false => Attempt::Passing(self.destination.broken(error, is_sent), None),
            };
        }
        let failure = answer::grpc_failure(&self.destination, status);
        let asked = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        match status.code() {
            code if is_too_long(code, status.message(), asked) => {
                let extent = Extent::TooLong;
                Attempt::Refused(Failure { extent, ..failure })
            }
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted => Attempt::Passing(failure, asked),
            _ => Attempt::Refused(failure),
        }
    }
}

/// Whether a shorter request may be taken. A receiver that is busy gives the usual code, too, and says when to come back.
/// Those that are written with tonic give another one.
fn is_too_long(code: Code, message: &str, asked: Option<Duration>) -> bool {
    match code {
        Code::ResourceExhausted => asked.is_none(),
        Code::OutOfRange => message.contains("message length too large"),
        _ => false,
    }
}

async fn call(
    mut client: Grpc<Channel>,
    method: PathAndQuery,
    metadata: MetadataMap,
    message: Bytes,
    is_sent: Arc<AtomicBool>,
) -> Result<Bytes, Status> {
    let ready = client.ready().await;
    ready.map_err(|error| Status::from_error(error.into()))?;
    is_sent.store(true, Ordering::Relaxed);
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = metadata;
    let answer = client.unary(request, method, Raw).await;
    answer.map(tonic::Response::into_inner)
}

fn is_connect(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(|error| error.is::<tonic::ConnectError>())
}

/// A connection that is made when it is first needed, through a tunnel if there is a proxy.
fn channel(otlp: &Otlp, files: Files, connect_timeout: Duration) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(otlp.endpoint.url().to_owned());
    let endpoint = endpoint.and_then(|endpoint| endpoint.user_agent(AGENT));
    let endpoint = match files.tonic(otlp) {
        Some(tls) => endpoint.and_then(|endpoint| endpoint.tls_config(tls)),
        None => endpoint,
    };
    let endpoint = endpoint.map_err(|error| root_cause(&error))?;
    let Some(proxy) = &otlp.proxy else {
        return Ok(endpoint.connect_timeout(connect_timeout).connect_lazy());
    };
    let url = proxy.url.parse();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    let mut tunnel = Tunnel::new(
        url.map_err(|error: http::uri::InvalidUri| error.to_string())?,
        connector,
    );
    if let Some(value) = &proxy.authorization {
        tunnel = tunnel.with_auth(value.clone());
    }
    Ok(endpoint.connect_with_connector_lazy(tunnel))
}

/// Messages that are encoded already.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
