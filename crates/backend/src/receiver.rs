//! OTLP over HTTP: `POST /v1/traces`, `/v1/logs` and `/v1/metrics`, protobuf or JSON, gzip or not.
//!
//! Answers as the OTLP specification has them:
//!
//! | status | when |
//! | --- | --- |
//! | 200 | taken; `partial_success` counts what was not: items with invalid ids, or larger than the store |
//! | 400 | the body cannot be decoded |
//! | 403 | a web page of another origin asks |
//! | 404, 405 | any other path or method |
//! | 408 | the body took longer than 10 s |
//! | 413 | the body is larger than 16 MiB, unpacked, or holds more than a million messages (a quarter of that in JSON) |
//! | 415 | neither protobuf nor JSON, or packed otherwise than with gzip |
//! | 503 | bodies being received are 64 MiB together; `Retry-After` says when to try again |

use std::{error::Error, sync::Arc};

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
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    answer::{Encoding, Failure, Kept},
    body::{Bodies, Read, swallow},
    json, messages, origin,
    received::Count,
    signal::Signal,
    store::Store,
};

/// Largest body that is decoded where it was read. A larger one would hold up other connections of the same thread.
const SMALL: usize = 64 << 10;

/// What takes requests, whatever they come by.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) bodies: Bodies,
    pub(crate) count: Arc<Count>,
    store: Arc<Store>,
    decoding: Arc<Semaphore>, // a permit a message: a few bytes can be hundreds when they are decoded
}

impl Receiver {
    /// One for each of `counts`, writing to `store`. Their limits are for all together.
    pub(crate) fn several<const N: usize>(
        store: &Arc<Store>,
        counts: [&Arc<Count>; N],
    ) -> [Self; N] {
        let bodies = Bodies::new();
        let decoding = Arc::new(Semaphore::new(messages::MOST));
        counts.map(|count| Self {
            bodies: bodies.clone(),
            count: count.clone(),
            store: store.clone(),
            decoding: decoding.clone(),
        })
    }

    /// Receives a request over HTTP, and answers it by `answer` if it is taken.
    pub(crate) async fn answer<R: Signal>(
        &self,
        request: Request,
        decode: impl FnOnce(Encoding, &[u8]) -> Result<R, Failure> + Send + 'static,
        answer: impl FnOnce(Encoding, Kept) -> Response,
    ) -> Response {
        let (Parts { headers, .. }, mut body) = request.into_parts();
        let received = async {
            let encoding = Encoding::of(&headers).ok_or_else(|| {
                let message = "Content-Type is application/x-protobuf or application/json";
                Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
            })?;
            let body = self.bodies.read(&headers, &mut body).await?;
            Ok((encoding, self.take(encoding, body, decode).await?))
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

    /// Decodes the body of a request, and keeps what is in it.
    ///
    /// # Errors
    ///
    /// 413 it holds too many messages, and those of `decode`.
    pub(crate) async fn take<R: Signal>(
        &self,
        encoding: Encoding,
        body: Read,
        decode: impl FnOnce(Encoding, &[u8]) -> Result<R, Failure> + Send + 'static,
    ) -> Result<Kept, Failure> {
        let count = move |body: Read| {
            let messages = messages::count(&body.bytes, encoding, R::SHAPE);
            let messages = messages.and_then(|messages| u32::try_from(messages).ok());
            let message = format!("the body holds more than {} messages", messages::MOST);
            let too_many = Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message);
            messages.map(|messages| (messages, body)).ok_or(too_many)
        };
        let store = self.store.clone();
        let keep = move |body: Read| {
            let request = decode(encoding, &body.bytes)?;
            drop(body);
            Ok(request.keep(&store))
        };
        if body.bytes.len() <= SMALL {
            return keep(count(body)?.1);
        }
        let (messages, body) = aside(move || count(body)).await?;
        let turn = self.decoding.clone().acquire_many_owned(messages).await;
        aside(move || {
            let _turn = turn;
            keep(body)
        })
        .await
    }
}

/// Works where nobody is held up.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let failed = |error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}"));
    spawn_blocking(work).await.map_err(failed)?
}

/// An export request.
///
/// # Errors
///
/// 400
pub(crate) fn decode<R: Signal>(encoding: Encoding, body: &[u8]) -> Result<R, Failure> {
    match encoding {
        Encoding::Protobuf => R::decode(body).map_err(undecodable),
        Encoding::Json => json::read(body).map_err(undecodable),
    }
}

pub(crate) fn undecodable(error: impl Error) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        format!("the body cannot be decoded: {error}"),
    )
}

/// The routes of OTLP/HTTP.
pub(crate) fn router(receiver: Receiver) -> Router {
    Router::new()
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
        .layer(middleware::from_fn_with_state(
            receiver.clone(),
            refuse_other_origins,
        ))
        .with_state(receiver)
}

/// A layer that keeps other origins' pages out.
pub(crate) async fn refuse_other_origins(
    State(receiver): State<Receiver>,
    request: Request,
    next: Next,
) -> Response {
    if origin::is_foreign(request.uri(), request.headers()) {
        let failure = Failure::new(StatusCode::FORBIDDEN, origin::REFUSAL);
        refuse(&receiver, request, failure).await
    } else {
        next.run(request).await
    }
}

async fn refuse(receiver: &Receiver, request: Request, failure: Failure) -> Response {
    receiver.count.add(Err(&failure));
    let (Parts { headers, .. }, body) = request.into_parts();
    swallow(&headers, body).await;
    failure.answer(Encoding::of(&headers))
}

async fn export<R: Signal>(State(receiver): State<Receiver>, request: Request) -> Response {
    let answer = |encoding, kept: Kept| kept.answer(encoding, R::REJECTED);
    receiver.answer(request, decode::<R>, answer).await
}
