//! Sends spans by OTLP: over HTTP encoded here (`encoder` says why), over gRPC by the stock exporter.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_http::{Bytes, Request};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, StatusCode};

use crate::encoder::{self, EncodedResource};
use crate::otlp::{HttpClient, LONGEST_PAUSE};
use crate::settings::Otlp;

/// As the specification wants it: what exports, and its version.
const AGENT: &str = concat!("OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));

/// The first pause between two attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Each pause is longer by up to so much, so that services that failed together do not come back together.
const JITTER: Duration = Duration::from_millis(100);

/// An exporter for either protocol.
#[derive(Debug)]
pub(crate) enum OtlpSpanExporter {
    Http(HttpSpanExporter),
    Grpc(opentelemetry_otlp::SpanExporter),
}

impl SpanExporter for OtlpSpanExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self {
            Self::Http(exporter) => exporter.export(batch),
            Self::Grpc(exporter) => exporter.export(batch).await,
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Http(_) => Ok(()),
            Self::Grpc(exporter) => exporter.shutdown_with_timeout(timeout),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        match self {
            Self::Http(exporter) => exporter.resource = EncodedResource::new(resource),
            Self::Grpc(exporter) => exporter.set_resource(resource),
        }
    }
}

/// Encodes, compresses if that is wanted, and sends until the batch is taken or there is no use in trying again.
#[derive(Debug)]
pub(crate) struct HttpSpanExporter {
    client: HttpClient,
    url: String,
    gzip: bool,
    resource: EncodedResource,
    /// That of the last batch: the next one is about as long.
    buffer: Mutex<Vec<u8>>,
}

impl HttpSpanExporter {
    pub(crate) fn new(client: HttpClient, otlp: &Otlp) -> Self {
        Self {
            client,
            url: otlp.endpoint.url().to_owned(),
            gzip: otlp.gzip,
            resource: EncodedResource::default(),
            buffer: Mutex::default(),
        }
    }

    fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut kept = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = encoder::encode(&self.resource, &batch, std::mem::take(&mut *kept));
        drop(batch);
        if self.gzip {
            let compressed = gzip(&encoded).map_err(|error| failure(&error))?;
            *kept = encoded;
            return self.send(&compressed.into());
        }
        let body = Bytes::from(encoded);
        let result = self.send(&body);
        if body.is_unique() {
            *kept = body.into();
        }
        result
    }

    /// One time limit holds for all attempts: that of the client's destination, which also remembers why they failed.
    fn send(&self, body: &Bytes) -> OTelSdkResult {
        let mut next_pause = FIRST_PAUSE;
        loop {
            let request = self
                .request(body.clone())
                .map_err(|error| failure(&error))?;
            let asked = match self.client.send(request) {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if !is_passing(answer.status()) => {
                    return Err(failure(&answer.status()));
                }
                Ok(answer) => pause_asked_for(answer.status(), answer.headers()),
                Err(_) => None,
            };
            // What the receiver asks for holds for this pause alone.
            let pause = next_pause.max(asked.unwrap_or_default())
                + rand::random_range(Duration::ZERO..=JITTER);
            if pause >= self.client.remaining() {
                return Err(failure(&"no attempt was successful in time"));
            }
            thread::sleep(pause);
            next_pause = (2 * next_pause).min(LONGEST_PAUSE);
        }
    }

    fn request(&self, body: Bytes) -> Result<Request<Bytes>, opentelemetry_http::HttpError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/x-protobuf");
        if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        Ok(request.body(body)?)
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}

/// The destination remembers the reason; this is what the SDK is told.
fn failure(reason: &dyn std::fmt::Display) -> OTelSdkError {
    OTelSdkError::InternalFailure(reason.to_string())
}

/// [OTLP/HTTP](https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes): these, and no others.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3), where OTLP gives it a meaning.
fn pause_asked_for(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date that has passed asks for no pause.
    date.duration_since(SystemTime::now()).ok()
}
