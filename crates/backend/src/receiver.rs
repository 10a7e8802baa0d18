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

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::post,
};
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

use crate::{
    answer::{Encoding, Failure},
    body::{Bodies, swallow},
    decode::{self, Decoded},
    json,
    messages::{self, Shape},
    store::Store,
};

/// The receiver's routes, writing to `store`.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/v1/traces", post(export::<ExportTraceServiceRequest>))
        .route("/v1/logs", post(export::<ExportLogsServiceRequest>))
        .route("/v1/metrics", post(export::<ExportMetricsServiceRequest>))
        .method_not_allowed_fallback(async |request: Request| {
            let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "OTLP is sent with POST");
            refuse(request, failure).await
        })
        .fallback(async |request: Request| {
            let message = "OTLP is received on /v1/traces, /v1/logs and /v1/metrics";
            refuse(request, Failure::new(StatusCode::NOT_FOUND, message)).await
        })
        .layer(middleware::from_fn(refuse_other_origins))
        .with_state(Arc::new(Receiver {
            store,
            bodies: Bodies::new(),
        }))
}

struct Receiver {
    store: Arc<Store>,
    bodies: Bodies,
}

async fn refuse(request: Request, failure: Failure) -> Response {
    let (Parts { headers, .. }, body) = request.into_parts();
    swallow(&headers, body).await;
    failure.answer(Encoding::of(&headers))
}

/// Any web page can make a browser send a POST to this machine; the browser then says which page.
async fn refuse_other_origins(request: Request, next: Next) -> Response {
    let headers = request.headers();
    match headers.get(header::ORIGIN) {
        Some(origin)
            if !origin
                .to_str()
                .is_ok_and(|origin| is_own(origin, request.uri(), headers)) =>
        {
            let message = "requests of other origins' web pages are not taken";
            refuse(request, Failure::new(StatusCode::FORBIDDEN, message)).await
        }
        _ => next.run(request).await,
    }
}

/// Whether a page of `origin` was itself served from here. A name other than `localhost` does not count: any name can
/// be made to point here after its page was loaded (DNS rebinding).
fn is_own(origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
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
    is_local && origin.strip_prefix("http://") == Some(authority)
}

async fn export<R: Export>(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (Parts { headers, .. }, mut body) = request.into_parts();
    match receive::<R>(&receiver, &headers, &mut body).await {
        Ok(answer) => answer,
        Err(failure) => {
            swallow(&headers, body).await;
            failure.answer(Encoding::of(&headers))
        }
    }
}

async fn receive<R: Export>(
    receiver: &Receiver,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Response, Failure> {
    let encoding = Encoding::of(headers).ok_or_else(|| {
        let message = "Content-Type is application/x-protobuf or application/json";
        Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    })?;
    let body = receiver.bodies.read(headers, body).await?;
    let too_many = match encoding {
        Encoding::Protobuf => messages::too_many(&body.bytes, R::SHAPE),
        Encoding::Json => messages::too_many_in_json(&body.bytes),
    };
    if too_many {
        let message = format!("the body holds more than {} messages", messages::MOST);
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let request = match encoding {
        Encoding::Protobuf => {
            R::decode(body.bytes.as_slice()).map_err(|error| undecodable(&error))?
        }
        Encoding::Json => json::read::<R>(&body.bytes).map_err(|error| undecodable(&error))?,
    };
    drop(body);
    Ok(R::answer(encoding, request.keep(&receiver.store)))
}

fn undecodable(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        format!("the body cannot be decoded: {error}"),
    )
}

/// What was not taken of a request that was.
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
    const SHAPE: &'static Shape;

    fn keep(self, store: &Store) -> Option<Rejected>;
    fn answer(encoding: Encoding, rejected: Option<Rejected>) -> Response;
}

impl Export for ExportTraceServiceRequest {
    const SHAPE: &'static Shape = &messages::TRACES;

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
    const SHAPE: &'static Shape = &messages::LOGS;

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
    const SHAPE: &'static Shape = &messages::METRICS;

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
