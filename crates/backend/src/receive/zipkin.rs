//! Zipkin's version 2 API, as far as it is for sending: `POST /api/v2/spans`.
//!
//! 202: all is taken. 400: it cannot be decoded; or some spans are invalid, while the others are kept. Else as
//! [`receiver`](crate::receiver). A body is JSON unless `Content-Type` is `application/x-protobuf`. As in Zipkin's own
//! reader, a field that is `null` counts as absent, also where others have no such field: in tags and annotations.
//!
//! Spans become OTLP's: tags are attributes, annotations are events, µs become ns. The resource has the local endpoint's
//! name; the attributes `service.peer.name` and `network.peer.*` describe the remote endpoint.
//!
//! A server's span that shares its client's id becomes a child of the client's, with the first bit of its id flipped: both
//! are kept, and what the server calls stands beside its span, below the client's.

mod protobuf;
mod sent;
mod tags;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde::{Deserialize, de::Error as _};
use serde_json::{Error, Value};

use self::sent::Sent;
use crate::{
    model::json,
    receive::{
        answer::{Encoding, Failure, Kept},
        messages,
        receiver::{Receiver, guarded, refuse, undecodable},
        salvage::Faults,
    },
};

/// The route.
pub(crate) fn router(receiver: Receiver) -> Router {
    let spans = async |State(receiver): State<Receiver>, request: Request| {
        let (default, shape) = (Some(Encoding::Json), &messages::ZIPKIN);
        receiver
            .answer(request, default, shape, decode, answer)
            .await
    };
    let other = async |State(receiver): State<Receiver>, request: Request| {
        let message = "Zipkin's spans are received on /api/v2/spans, in version 2";
        refuse(
            &receiver,
            request,
            Failure::new(StatusCode::NOT_FOUND, message),
        )
        .await
    };
    let router = Router::new()
        .route("/api/v2/spans", post(spans))
        .fallback(other)
        .with_state(receiver.clone());
    guarded(router, receiver)
}

fn answer(_: Encoding, kept: Kept) -> Response {
    match kept.rejected {
        0 => StatusCode::ACCEPTED.into_response(),
        _ => Failure::new(StatusCode::BAD_REQUEST, kept.reason).answer(None),
    }
}

fn decode(encoding: Encoding, body: &[u8]) -> Result<(ExportTraceServiceRequest, Faults), Failure> {
    match encoding {
        Encoding::Protobuf => {
            let spans = protobuf::spans(body).map_err(undecodable)?;
            Ok(request(spans.iter().map(|span| protobuf::span(span))))
        }
        Encoding::Json => {
            let spans = json::parse(body).and_then(list).map_err(undecodable)?;
            Ok(request(spans.into_iter().map(|mut span| {
                json::drop_nulls(&mut span);
                Sent::deserialize(span)
            })))
        }
    }
}

/// The spans that could be read.
fn request<E: ToString>(
    spans: impl Iterator<Item = Result<Sent, E>>,
) -> (ExportTraceServiceRequest, Faults) {
    let mut faults = Faults::default();
    let resource_spans = spans
        .filter_map(|span| span.map_err(|fault| faults.add(1, fault)).ok())
        .map(Sent::into_otlp)
        .collect();
    (ExportTraceServiceRequest { resource_spans }, faults)
}

fn list(value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(spans) => Ok(spans),
        _ => Err(Error::custom("it is no list of spans")),
    }
}
