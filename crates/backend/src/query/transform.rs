//! `POST /api/transform`: Jaeger's page sends a file of OTLP's JSON that its user opens, and shows what is answered.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde::{Serialize, Serializer};
use tokio::task::spawn_blocking;

use super::{Envelope, Fault, Refusal, answer, parameters::Parameters, trace::JaegerTrace};
use crate::{
    model::{decode, id::TraceId, trace::Trace},
    receive::{
        answer::{Encoding, Failure},
        body::Read,
        messages, receiver,
        signal::Signal,
        upload::{Turn, Uploads},
    },
    store::Store,
};

/// Most reasons why spans are left out, in one answer.
const FAULTS: usize = 100;

/// The route.
pub(crate) fn router(uploads: Uploads) -> Router<Arc<Store>> {
    Router::new()
        .route("/api/transform", post(transform))
        .with_state(uploads)
}

impl From<Failure> for Refusal {
    fn from(Failure { status, message }: Failure) -> Self {
        Self(status, message)
    }
}

/// The traces of the body. What is wrong with a span that is left out is among the errors of the answer.
///
/// # Errors
///
/// 400 the body is not OTLP's JSON; 408, 413, 415 as for OTLP over HTTP; 503 other uploads take too long.
async fn transform(
    State(uploads): State<Uploads>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Refusal> {
    let (body, turn) = uploads.read(request).await?;
    let decoded = spawn_blocking(move || traces(body)).await;
    let (traces, faults) = decoded
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    let envelope = Envelope {
        errors: (!faults.is_empty()).then_some(faults),
        ..Envelope::new(
            Uploaded {
                traces,
                _turn: turn,
            },
            0,
        )
    };
    Ok(answer(&parameters, envelope))
}

/// The traces of the body, by id, and why spans are left out.
fn traces(body: Read) -> Result<(Vec<JaegerTrace<Trace>>, Vec<Fault>), Failure> {
    let shape = ExportTraceServiceRequest::SHAPE;
    if messages::count(&body.bytes, Encoding::Json, shape).is_none() {
        let message = "the body holds too many spans";
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let (request, undecodable) =
        receiver::decode::<ExportTraceServiceRequest>(Encoding::Json, &body.bytes)?;
    drop(body);
    let mut traces: BTreeMap<TraceId, Vec<_>> = BTreeMap::new();
    let fault = |msg| Fault {
        code: None,
        msg,
        trace_id: None,
    };
    let mut faults = Vec::from_iter(undecodable.first.map(fault));
    for span in decode::spans(request) {
        match span {
            Ok(span) => traces
                .entry(span.trace_id)
                .or_default()
                .push(Arc::new(span)),
            Err(msg) if faults.len() < FAULTS => faults.push(fault(msg)),
            Err(_) => {}
        }
    }
    let traces = traces.into_iter();
    let traces = traces.map(|(id, spans)| JaegerTrace(Trace::new(id, spans)));
    Ok((traces.collect(), faults))
}

/// Traces, and the turn that ends when they have been written.
struct Uploaded {
    traces: Vec<JaegerTrace<Trace>>,
    _turn: Turn,
}

impl Serialize for Uploaded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.traces)
    }
}
