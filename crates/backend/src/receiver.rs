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
//! | 413 | the body is larger than 16 MiB, unpacked |
//! | 415 | neither protobuf nor JSON, or packed otherwise than with gzip |
//! | 503 | bodies being received are 64 MiB together; `Retry-After` says when to try again |

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::Response,
    routing::post,
};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
        metrics::v1::{
            ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        },
        trace::v1::{
            ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        },
    },
    metrics::v1::{ResourceMetrics, metric::Data},
};
use prost::Message;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use tower_http::decompression::RequestDecompressionLayer;

use crate::{
    answer::{Encoding, Failure},
    decode::{self, Decoded},
    json,
    store::Store,
};

/// Largest body, unpacked: a few packed kilobytes could otherwise fill the memory.
const BODY: usize = 16 << 20;

/// All bodies being received: many senders of large ones could do the same.
const BODIES: usize = 64 << 20;

/// Longest time that a body may take: bytes of senders that never finish count too.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The receiver's routes, writing to `store`.
pub(crate) fn router(store: Arc<Store>) -> Router {
    let receiver = Arc::new(Receiver {
        store,
        bodies: Semaphore::new(BODIES),
    });
    Router::new()
        .route("/v1/traces", post(export::<ExportTraceServiceRequest>))
        .route("/v1/logs", post(export::<ExportLogsServiceRequest>))
        .route("/v1/metrics", post(export::<ExportMetricsServiceRequest>))
        .method_not_allowed_fallback(async |headers: HeaderMap| {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "OTLP is sent with POST")
                .answer(Encoding::of(&headers))
        })
        .fallback(async |headers: HeaderMap| {
            let message = "OTLP is received on /v1/traces, /v1/logs and /v1/metrics";
            Failure::new(StatusCode::NOT_FOUND, message).answer(Encoding::of(&headers))
        })
        .layer(RequestDecompressionLayer::new())
        .layer(middleware::from_fn(guard))
        .with_state(receiver)
}

struct Receiver {
    store: Arc<Store>,
    bodies: Semaphore, // a permit a byte
}

/// Refuses by the headers alone.
async fn guard(request: Request, next: Next) -> Response {
    match check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.answer(Encoding::of(request.headers())),
    }
}

fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    if let Some(origin) = headers.get(header::ORIGIN)
        && !origin
            .to_str()
            .is_ok_and(|origin| is_same_origin(origin, uri, headers))
    {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "requests of other origins' web pages are not taken",
        ));
    }
    let packing = headers
        .get(header::CONTENT_ENCODING)
        .map_or(b"identity".as_slice(), |packing| packing.as_bytes());
    if packing != b"identity" && packing != b"gzip" {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding is gzip, or absent",
        ));
    }
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY) {
        return Err(too_large());
    }
    Ok(())
}

/// Whether a page of `origin` was itself served from here. A name other than `localhost` does not count: any name can
/// be made to point here after its page was loaded (DNS rebinding).
fn is_same_origin(origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(authority) = uri.authority().map(|authority| authority.as_str()).or(host) else {
        return false;
    };
    let name = authority
        .rsplit_once(':')
        .map_or(authority, |(name, _port)| name);
    let is_local = name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_local
        && origin
            .strip_prefix("http://")
            .is_some_and(|origin| origin == authority)
}

async fn export<R: Export>(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let encoding = Encoding::of(request.headers());
    match receive::<R>(&receiver, encoding, request.into_body()).await {
        Ok(answer) => answer,
        Err(failure) => failure.answer(encoding),
    }
}

async fn receive<R: Export>(
    receiver: &Receiver,
    encoding: Option<Encoding>,
    body: Body,
) -> Result<Response, Failure> {
    let Some(encoding) = encoding else {
        let message = "Content-Type is application/x-protobuf or application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    };
    let read = timeout(BODY_TIME, read(body, &receiver.bodies)).await;
    let (body, _permit) =
        read.map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"))??;
    let request: R = match encoding {
        Encoding::Protobuf => R::decode(body.as_slice()).map_err(|error| undecodable(&error))?,
        Encoding::Json => json::read(&body).map_err(|error| undecodable(&error))?,
    };
    drop(body);
    let rejected = request.keep(&receiver.store);
    Ok(R::answer(encoding, rejected))
}

fn undecodable(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        format!("the body cannot be decoded: {error}"),
    )
}

fn too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body, unpacked, is larger than {BODY} bytes"),
    )
}

/// The whole body, and the permit for it.
async fn read(
    mut body: Body,
    bodies: &Semaphore,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Failure> {
    let mut read = Vec::new();
    let mut permit: Option<SemaphorePermit<'_>> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                format!("the body cannot be read: {error}"),
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if read.len() + data.len() > BODY {
            return Err(too_large());
        }
        let more = u32::try_from(data.len())
            .ok()
            .and_then(|bytes| bodies.try_acquire_many(bytes).ok());
        let Some(more) = more else {
            return Err(Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too much is being received at once",
            ));
        };
        match &mut permit {
            Some(permit) => permit.merge(more),
            None => permit = Some(more),
        }
        read.extend_from_slice(&data);
    }
    Ok((read, permit))
}

/// What was not taken of a request that was.
#[derive(Default)]
struct Rejected {
    count: i64,
    message: String,
}

impl Rejected {
    fn new(count: usize, message: String) -> Option<Self> {
        (count > 0).then(|| Self {
            count: i64::try_from(count).unwrap_or(i64::MAX),
            message,
        })
    }

    fn of<T>(decoded: &Decoded<T>, too_large: usize) -> Option<Self> {
        let invalid = decoded
            .first_fault
            .as_ref()
            .map(|fault| format!("{} invalid, the first: {fault}", decoded.invalid));
        let large = (too_large > 0).then(|| format!("{too_large} larger than the store"));
        let message: Vec<_> = invalid.into_iter().chain(large).collect();
        Self::new(decoded.invalid + too_large, message.join("; "))
    }
}

/// A request of one of the signals.
trait Export: DeserializeOwned + Message + Default + 'static {
    fn keep(self, store: &Store) -> Option<Rejected>;
    fn answer(encoding: Encoding, rejected: Option<Rejected>) -> Response;
}

impl Export for ExportTraceServiceRequest {
    fn keep(self, store: &Store) -> Option<Rejected> {
        let mut decoded = decode::spans(self);
        let too_large = store.insert_spans(std::mem::take(&mut decoded.items));
        Rejected::of(&decoded, too_large)
    }

    fn answer(encoding: Encoding, rejected: Option<Rejected>) -> Response {
        let json = partial_success("rejectedSpans", rejected.as_ref());
        let partial_success =
            rejected.map(|Rejected { count, message }| ExportTracePartialSuccess {
                rejected_spans: count,
                error_message: message,
            });
        encoding.answer(
            StatusCode::OK,
            &ExportTraceServiceResponse { partial_success },
            &json,
        )
    }
}

impl Export for ExportLogsServiceRequest {
    fn keep(self, store: &Store) -> Option<Rejected> {
        let mut decoded = decode::log_records(self);
        let too_large = store.insert_logs(std::mem::take(&mut decoded.items));
        Rejected::of(&decoded, too_large)
    }

    fn answer(encoding: Encoding, rejected: Option<Rejected>) -> Response {
        let json = partial_success("rejectedLogRecords", rejected.as_ref());
        let partial_success =
            rejected.map(|Rejected { count, message }| ExportLogsPartialSuccess {
                rejected_log_records: count,
                error_message: message,
            });
        encoding.answer(
            StatusCode::OK,
            &ExportLogsServiceResponse { partial_success },
            &json,
        )
    }
}

impl Export for ExportMetricsServiceRequest {
    fn keep(self, store: &Store) -> Option<Rejected> {
        let refused = self
            .resource_metrics
            .iter()
            .filter(|metrics| !store.insert_metrics(metrics))
            .map(data_points)
            .sum();
        Rejected::new(refused, format!("{refused} larger than the store"))
    }

    fn answer(encoding: Encoding, rejected: Option<Rejected>) -> Response {
        let json = partial_success("rejectedDataPoints", rejected.as_ref());
        let partial_success =
            rejected.map(|Rejected { count, message }| ExportMetricsPartialSuccess {
                rejected_data_points: count,
                error_message: message,
            });
        encoding.answer(
            StatusCode::OK,
            &ExportMetricsServiceResponse { partial_success },
            &json,
        )
    }
}

/// The answer as JSON. `opentelemetry-proto` would write `null` for what is to be left out, and a number for a 64-bit one.
fn partial_success(count_field: &str, rejected: Option<&Rejected>) -> serde_json::Value {
    match rejected {
        None => json!({}),
        Some(Rejected { count, message }) => {
            json!({ "partialSuccess": { count_field: count.to_string(), "errorMessage": message } })
        }
    }
}

fn data_points(metrics: &ResourceMetrics) -> usize {
    let data = metrics
        .scope_metrics
        .iter()
        .flat_map(|scope| &scope.metrics)
        .filter_map(|metric| metric.data.as_ref());
    data.map(|data| match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    })
    .sum()
}
