//! OTLP over gRPC: `Export` of the trace, logs and metrics services, plain, gzip, deflate or zstd.
//!
//! Answers as the OTLP specification has them:
//!
//! | status | when |
//! | --- | --- |
//! | `OK` | taken; `partial_success` counts what was not, and says why: items that cannot be decoded, have invalid ids, or are larger than the store |
//! | `INVALID_ARGUMENT` | the message, or one around its items, cannot be decoded |
//! | `DEADLINE_EXCEEDED` | the message took longer than 10 s |
//! | `PERMISSION_DENIED` | a web page of another origin asks |
//! | `RESOURCE_EXHAUSTED` | the message is larger than 16 MiB, unpacked, or holds more than half a million messages; not to be sent again |
//! | `UNIMPLEMENTED` | any other service or method, or another packing |
//! | `UNAVAILABLE` | messages being received are 64 MiB together, or the store cannot be written to; `RetryInfo` says when to try again |
//!
//! A unary call is a POST whose body is one length-prefixed message ("gRPC over HTTP2"). The body is read as one of
//! OTLP/HTTP is, within the same limits: a generated server would unpack and decode it before anybody could look.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::receive::{
    answer::{Encoding, Failure, Kept},
    body::PACKINGS,
    receiver::{Receiver, decode},
    signal::Signal,
};

/// For people whose exporter speaks another protocol.
const NOT_GRPC: &str =
    "this port takes OTLP over gRPC; OTLP over HTTP has a port of its own, usually 4318";

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The services.
pub(crate) fn router(receiver: Receiver) -> Router {
    let method = |signal: &str| {
        let (package, service) = (signal.to_lowercase(), signal);
        format!("/opentelemetry.proto.collector.{package}.v1.{service}Service/Export")
    };
    Router::new()
        .route(&method("Trace"), post(export::<ExportTraceServiceRequest>))
        .route(&method("Logs"), post(export::<ExportLogsServiceRequest>))
        .route(
            &method("Metrics"),
            post(export::<ExportMetricsServiceRequest>),
        )
        .fallback(async |State(receiver): State<Receiver>| {
            let message = "OTLP's services for traces, logs and metrics are here";
            refuse(&receiver, Failure::new(StatusCode::NOT_FOUND, message))
        })
        .layer(middleware::from_fn_with_state(receiver.clone(), check))
        .with_state(receiver)
}

/// Lets pass what is gRPC, and not of another origin.
async fn check(State(receiver): State<Receiver>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if let Err(why) = receiver.access.may_send(request.uri(), headers) {
        refuse(&receiver, Failure::new(StatusCode::FORBIDDEN, why))
    } else if matches!(
        content_type,
        Some(b"application/grpc" | b"application/grpc+proto")
    ) {
        next.run(request).await
    } else {
        // A client that does not speak gRPC does not read its status.
        let failure = Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_GRPC);
        receiver.count.add(Err(&failure));
        (failure.status, failure.message).into_response()
    }
}

async fn export<R: Signal>(State(receiver): State<Receiver>, request: Request) -> Response {
    let (Parts { headers, .. }, mut body) = request.into_parts();
    match receive::<R>(&receiver, &headers, &mut body).await {
        Ok(kept) => {
            receiver.count.add(Ok(&kept));
            answer(kept)
        }
        Err(failure) => refuse(&receiver, failure),
    }
}

async fn receive<R: Signal>(
    receiver: &Receiver,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Kept, Failure> {
    let body = receiver.bodies.read_message(headers, body).await?;
    let encoding = Encoding::Protobuf;
    receiver.take(encoding, body, R::SHAPE, decode::<R>).await
}

fn answer(kept: Kept) -> Response {
    let message = kept.into_message().encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX); // a sentence
    let framed = [&[0], length.to_be_bytes().as_slice(), &message].concat();
    let status = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body =
        Full::new(Bytes::from(framed)).with_trailers(async { Some(Ok::<_, Infallible>(status)) });
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::new(body)).into_response()
}

fn refuse(receiver: &Receiver, failure: Failure) -> Response {
    receiver.count.add(Err(&failure));
    let code = match failure.status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::Unimplemented,
        _ => Code::from(failure.code()),
    };
    let mut details = ErrorDetails::new();
    if code == Code::Unavailable {
        details.set_retry_info(Some(Duration::from_secs(1)));
    }
    let mut response = Status::with_error_details(code, failure.message, details).into_http();
    let packings = HeaderValue::from_static(PACKINGS);
    response.headers_mut().insert(ACCEPT_ENCODING, packings);
    response
}

/// Which packing is understood.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
