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
//! | 413 | the body is larger than 16 MiB, unpacked, or holds more than a million messages |
//! | 415 | neither protobuf nor JSON, or packed otherwise than with gzip |
//! | 503 | bodies being received are 64 MiB together; `Retry-After` says when to try again |

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
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
    body::{Bodies, LARGEST, Read, swallow},
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
    decoding: Arc<Semaphore>, // a permit a byte: decoded, a body can take twenty times its size
}

impl Receiver {
    /// One that writes to `store`.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            bodies: Bodies::new(),
            count: Arc::default(),
            store,
            decoding: Arc::new(Semaphore::new(LARGEST)),
        }
    }

    /// The same, for another protocol: the limits are for both together.
    pub(crate) fn with_own_count(&self) -> Self {
        Self {
            count: Arc::default(),
            ..self.clone()
        }
    }

    /// Decodes an export request, and keeps what is in it.
    ///
    /// # Errors
    ///
    /// 400 it cannot be decoded, 413 it holds too many messages.
    pub(crate) async fn take<R: Signal>(
        &self,
        encoding: Encoding,
        body: Read,
    ) -> Result<Kept, Failure> {
        let length = body.bytes.len();
        let store = self.store.clone();
        let take = move || Ok(decode::<R>(encoding, body)?.keep(&store));
        if length <= SMALL {
            return take();
        }
        let permits = u32::try_from(length).unwrap_or(u32::MAX);
        let turn = self.decoding.clone().acquire_many_owned(permits).await;
        let taken = spawn_blocking(move || {
            let _turn = turn;
            take()
        });
        let failed = |error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}"));
        taken.await.map_err(failed)?
    }
}

fn decode<R: Signal>(encoding: Encoding, body: Read) -> Result<R, Failure> {
    let bytes = body.bytes.as_slice();
    let too_many = match encoding {
        Encoding::Protobuf => messages::too_many(bytes, R::SHAPE),
        Encoding::Json => messages::too_many_in_json(bytes),
    };
    if too_many {
        let message = format!("the body holds more than {} messages", messages::MOST);
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    match encoding {
        Encoding::Protobuf => R::decode(bytes).map_err(|error| undecodable(&error)),
        Encoding::Json => json::read(bytes).map_err(|error| undecodable(&error)),
    }
}

fn undecodable(error: &dyn std::error::Error) -> Failure {
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

async fn refuse_other_origins(
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
    let (Parts { headers, .. }, mut body) = request.into_parts();
    let received = receive::<R>(&receiver, &headers, &mut body).await;
    receiver.count.add(received.as_ref().map(|(_, kept)| kept));
    match received {
        Ok((encoding, kept)) => kept.answer(encoding, R::REJECTED),
        Err(failure) => {
            swallow(&headers, body).await;
            failure.answer(Encoding::of(&headers))
        }
    }
}

async fn receive<R: Signal>(
    receiver: &Receiver,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<(Encoding, Kept), Failure> {
    let encoding = Encoding::of(headers).ok_or_else(|| {
        let message = "Content-Type is application/x-protobuf or application/json";
        Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    })?;
    let body = receiver.bodies.read(headers, body).await?;
    Ok((encoding, receiver.take::<R>(encoding, body).await?))
}
