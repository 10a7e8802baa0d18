//! OTLP over HTTP ([OTLP/HTTP](https://opentelemetry.io/docs/specs/otlp/#otlphttp)), protobuf in the body of a `POST`.
//!
//! The client carries the certificates of the settings and their proxy, follows no redirects, which would hand our headers
//! to strangers, and reads what a receiver says of a failure.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::bytes::Bytes;
use reqwest::blocking::Client;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use reqwest::{StatusCode, Url};
use settings::Otlp;

use crate::AGENT;
use crate::answer;
use crate::attempt::Attempt;
use crate::certificates::Files;
use crate::destination::{Destination, root_cause};

/// How much of an answer is read, in bytes: a message about what was rejected is shorter.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The HTTP client of one exporter.
#[derive(Debug)]
pub(crate) struct HttpClient {
    client: Client,
    url: Url,
    headers: HeaderMap,
    gzip: bool,
    destination: Arc<Destination>,
}

impl HttpClient {
    pub(crate) fn new(
        otlp: &Otlp,
        files: &Files,
        destination: &Arc<Destination>,
    ) -> Result<Self, String> {
        let url = Url::parse(otlp.endpoint.url()).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        if otlp.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.extend(otlp.headers.clone());
        Ok(Self {
            client: blocking_client(otlp, files, destination.connect_timeout())?,
            url,
            headers,
            gzip: otlp.gzip,
            destination: Arc::clone(destination),
        })
    }

    /// The body for `message`, compressed if that is wanted.
    pub(crate) fn body(&self, message: &Bytes) -> io::Result<Bytes> {
        if !self.gzip {
            return Ok(message.clone());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(message)?;
        Ok(encoder.finish()?.into())
    }

    pub(crate) fn attempt(&self, body: &Bytes, limit: Duration) -> Attempt {
        let deadline = Instant::now() + limit;
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .timeout(limit)
            .body(body.clone());
        let mut answer = match request.send() {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => {
                return Attempt::Passing(self.destination.no_answer(!error.is_connect()), None);
            }
            Err(error) if error.is_connect() => {
                return Attempt::Away(self.destination.not_connected(&error));
            }
            Err(error) => return Attempt::Passing(self.destination.broken(&error, true), None),
        };
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let body = read(answer, deadline);
        if status.is_success() {
            return Attempt::Taken(answer::rejected(&self.destination, &body));
        }
        let failure = answer::http_failure(&self.destination, status, &headers, &body);
        match is_passing(status) {
            true => Attempt::Passing(failure, pause_asked_for(status, &headers)),
            false => Attempt::Refused(failure),
        }
    }
}

/// The body as far as it comes in time. The status has decided already; were a broken body an error, what has arrived
/// would be sent again.
fn read(mut answer: reqwest::blocking::Response, deadline: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    let mut chunk = [0; 8 * 1024];
    while body.len() < LONGEST_ANSWER && Instant::now() < deadline {
        match answer.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => body.extend_from_slice(&chunk[..count]),
        }
    }
    body
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

/// A client for blocking threads. It is built on a plain one: inside a runtime it would panic.
fn blocking_client(
    otlp: &Otlp,
    files: &Files,
    connect_timeout: Duration,
) -> Result<Client, String> {
    let mut builder = Client::builder()
        // What the process's environment says is in the settings already.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout);
    if let Some(proxy) = &otlp.proxy {
        let mut through = reqwest::Proxy::all(&proxy.url).map_err(|error| root_cause(&error))?;
        if let Some(value) = &proxy.authorization {
            through = through.custom_http_auth(value.clone());
        }
        builder = builder.proxy(through);
    }
    if let Some(pem) = &files.authorities {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|error| root_cause(&error))?;
        builder = builder.tls_certs_only(certificates);
    } else if otlp.endpoint.url().starts_with("http://")
        && otlp
            .proxy
            .as_ref()
            .is_none_or(|proxy| proxy.url.starts_with("http://"))
    {
        // The platform's authorities are not needed, and a machine without them could not build the client at all.
        builder = builder.tls_certs_only([]);
    }
    if let Some((certificate, key)) = &files.identity {
        let both = [certificate.as_slice(), b"\n", key.as_slice()].concat();
        let identity = reqwest::Identity::from_pem(&both).map_err(|error| root_cause(&error))?;
        builder = builder.identity(identity);
    }
    std::thread::Builder::new()
        .name("otlp-client".to_owned())
        .spawn(move || builder.build().map_err(|error| root_cause(&error)))
        .map_err(|error| error.to_string())?
        .join()
        .unwrap_or_else(|_| Err("the HTTP client panicked".to_owned()))
}
