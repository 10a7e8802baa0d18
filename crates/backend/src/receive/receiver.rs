//! OTLP over HTTP: `POST /v1/traces`, `/v1/logs` and `/v1/metrics`, protobuf or JSON; plain, gzip, deflate or zstd.
//!
//! Answers as the OTLP specification has them:
//!
//! | status | when |
//! | --- | --- |
//! | 200 | taken; `partial_success` counts what was not, and says why: items that cannot be decoded, have invalid ids, or are larger than the store |
//! | 400 | the body, or a message around its items, cannot be decoded |
//! | 403 | a web page of another origin asks |
//! | 404, 405 | any other path or method |
//! | 408 | the body took longer than 10 s |
//! | 413 | the body is larger than 16 MiB, unpacked, or holds more than half a million messages (half of that in JSON) |
//! | 415 | neither protobuf nor JSON, or another packing |
//! | 503 | bodies being received are 64 MiB together, or the store cannot be written to; `Retry-After` says when to try again |

use std::{error::Error, io, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::post,
};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

use crate::{
    model::json,
    receive::{
        access::Access,
        answer::{Encoding, Failure, Kept, shortened},
        body::{Bodies, Read, swallow},
        messages::{self, Shape},
        received::Count,
        salvage::{self, Faults},
        signal::Signal,
        worker::Worker,
    },
    store::Store,
};

/// Largest body that is decoded where it was read, in bytes and in messages: an exporter's usual batch. A larger one
/// would hold up other connections of the same thread.
const SMALL: usize = 1 << 20;
const FEW: usize = 20_000;

/// What takes requests, whatever they come by.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) bodies: Bodies,
    pub(crate) count: Arc<Count>,
    pub(crate) access: Access,
    store: Arc<Store>,
    worker: Worker,
}

impl Receiver {
    /// One for each of `counts`, writing to `store`. Their limits are for all together.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(crate) fn several<const N: usize>(
        store: &Arc<Store>,
        access: &Access,
        counts: [&Arc<Count>; N],
    ) -> io::Result<[Self; N]> {
        let bodies = Bodies::new();
        let worker = Worker::start()?;
        Ok(counts.map(|count| Self {
            bodies: bodies.clone(),
            count: count.clone(),
            access: access.clone(),
            store: store.clone(),
            worker: worker.clone(),
        }))
    }

    /// Receives a request over HTTP, and answers it by `answer` if it is taken. `default` is the encoding of a request whose
    /// `Content-Type` is another one or absent; `shape` is that of the message in protobuf.
    pub(crate) async fn answer<R: Signal>(
        &self,
        request: Request,
        default: Option<Encoding>,
        shape: &'static Shape,
        decode: impl FnOnce(Encoding, &[u8]) -> Result<(R, Faults), Failure> + Send + 'static,
        answer: impl FnOnce(Encoding, Kept) -> Response,
    ) -> Response {
        let (Parts { headers, .. }, mut body) = request.into_parts();
        let received = async {
            let encoding = Encoding::of(&headers).or(default).ok_or_else(|| {
                let message = "Content-Type is application/x-protobuf or application/json";
                Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
            })?;
            let body = self.bodies.read(&headers, &mut body).await?;
            Ok((encoding, self.take(encoding, body, shape, decode).await?))
        };
        let received = received.await;
        self.count.add(received.as_ref().map(|(_, kept)| kept));
        match received {
            Ok((encoding, kept)) => answer(encoding, kept),
            Err(failure) => {
                swallow(&headers, body).await;
                failure.answer(Encoding::of(&headers))
            }
        }
    }

    /// Decodes the body of a request, and keeps what is in it. `shape` is that of the message in protobuf.
    ///
    /// # Errors
    ///
    /// 413 it holds too many messages, 503 the store cannot be written to, and those of `decode`.
    pub(crate) async fn take<R: Signal>(
        &self,
        encoding: Encoding,
        body: Read,
        shape: &'static Shape,
        decode: impl FnOnce(Encoding, &[u8]) -> Result<(R, Faults), Failure> + Send + 'static,
    ) -> Result<Kept, Failure> {
        let count = move |body: &[u8]| messages::count(body, encoding, shape);
        let is_small =
            body.bytes.len() <= SMALL && count(&body.bytes).is_some_and(|messages| messages <= FEW);
        let store = self.store.clone();
        let keep = move || {
            if count(&body.bytes).is_none() {
                let message = format!("the body holds more than {} messages", messages::MOST);
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            let (request, faults) = decode(encoding, &body.bytes)?;
            drop(body);
            let kept = request.keep(faults, &store);
            kept.map_err(|error| Failure::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        };
        if is_small {
            return keep();
        }
        let failed = || Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "decoding failed");
        self.worker.run(keep).await.ok_or_else(failed)?
    }
}

/// An export request, without the items that cannot be decoded.
///
/// # Errors
///
/// 400
pub(crate) fn decode<R: Signal>(encoding: Encoding, body: &[u8]) -> Result<(R, Faults), Failure> {
    match encoding {
        Encoding::Protobuf => salvage::protobuf(body).map_err(undecodable),
        Encoding::Json => json::parse(body)
            .and_then(salvage::json)
            .map_err(undecodable),
    }
}

pub(crate) fn undecodable(error: impl Error) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        shortened(&format!("the body cannot be decoded: {error}")),
    )
}

/// The routes of OTLP/HTTP.
pub(crate) fn router(receiver: Receiver) -> Router {
    let router = Router::new()
        .route("/v1/traces", post(export::<ExportTraceServiceRequest>))
        .route("/v1/logs", post(export::<ExportLogsServiceRequest>))
        .route("/v1/metrics", post(export::<ExportMetricsServiceRequest>))
        .method_not_allowed_fallback(async |State(receiver): State<Receiver>, request: Request| {
            let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "OTLP is sent with POST");
            refuse(&receiver, request, failure).await
        })
        .fallback(async |State(receiver): State<Receiver>, request: Request| {
            let message = "OTLP is received on /v1/traces, /v1/logs and /v1/metrics";
            refuse(
                &receiver,
                request,
                Failure::new(StatusCode::NOT_FOUND, message),
            )
            .await
        })
        .with_state(receiver.clone());
    guarded(router, receiver)
}

/// `router` behind the access control for browsers.
pub(crate) fn guarded(mut router: Router, receiver: Receiver) -> Router {
    if let Some(cors) = receiver.access.cors() {
        router = router.layer(cors);
    }
    router.layer(middleware::from_fn_with_state(receiver, check))
}

async fn check(State(receiver): State<Receiver>, request: Request, next: Next) -> Response {
    match receiver.access.may_send(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            let failure = Failure::new(StatusCode::FORBIDDEN, why);
            refuse(&receiver, request, failure).await
        }
    }
}

pub(crate) async fn refuse(receiver: &Receiver, request: Request, failure: Failure) -> Response {
    receiver.count.add(Err(&failure));
    let (Parts { headers, .. }, body) = request.into_parts();
    swallow(&headers, body).await;
    failure.answer(Encoding::of(&headers))
}

async fn export<R: Signal>(State(receiver): State<Receiver>, request: Request) -> Response {
    let answer = |encoding, kept: Kept| kept.answer(encoding, R::REJECTED);
    let decode = decode::<R>;
    receiver
        .answer(request, None, R::SHAPE, decode, answer)
        .await
}
