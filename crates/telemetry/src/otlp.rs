//! Sends by OTLP: over HTTP with a blocking client of our own, over gRPC on a runtime of its own.
//!
//! The exporters' own HTTP client reads no certificate settings, follows proxies and redirects, and hides why a request
//! failed. The client here carries `OTEL_EXPORTER_OTLP_*CERTIFICATE` and `…CLIENT_*`, keeps one time limit over all
//! retries of an export, and remembers the reason in words.
//!
//! What the [specification](https://opentelemetry.io/docs/specs/otlp/) lists as passing (429, 502, 503, 504, gRPC's
//! `UNAVAILABLE` and the like, no connection) is tried again with exponential back-off and jitter, later if the receiver
//! asks for it (`Retry-After`, `RetryInfo`), until the export's time limit. At shutdown nobody waits for a receiver that
//! is not there: one failed connection then ends an export.
//!
//! What a receiver rejects out of a batch that it takes (partial success) counts as failed, over HTTP. Over gRPC the
//! exporter keeps the answer to itself; there it is logged only.
//!
//! TLS is rustls: an `https://` endpoint works without OpenSSL.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::Temporality;
use prost::Message;
use reqwest::blocking::Client;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT};
use reqwest::{StatusCode, Url};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic_types::Status;

use crate::health::{Failure, LastWords};
use crate::settings::{Otlp, PemFile, Protocol};
use crate::span_exporter::{HttpSpanExporter, OtlpSpanExporter};

/// How much of an answer is read, in bytes: a message about what was rejected is shorter.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How much of a receiver's own words is repeated, in characters.
const LONGEST_MESSAGE: usize = 200;

/// The longest pause between two attempts that a receiver has not asked for. Over HTTP a shutdown waits for its end.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where a pipeline sends to, and what is known about the export under way.
#[derive(Debug)]
pub(crate) struct Destination {
    /// `server.address` and `server.port`.
    pub(crate) server: (String, u16),
    protocol: Protocol,
    timeout: Duration,
    /// The runtime that gRPC's connection lives on.
    runtime: Option<tokio::runtime::Handle>,
    /// Whether the shutdown has begun.
    ending: watch::Sender<bool>,
    state: Mutex<State>,
    /// Of the failure in the state; it stays until the next attempt fails or an export succeeds.
    pub(crate) last_words: LastWords,
}

#[derive(Debug)]
struct State {
    deadline: Instant,
    failure: Option<Failure>,
    /// Whether the last attempt found no connection. Known over HTTP only.
    away: bool,
}

impl Destination {
    fn new(
        otlp: &Otlp,
        limit: Duration,
        runtime: Option<tokio::runtime::Handle>,
        ending: watch::Sender<bool>,
    ) -> Arc<Self> {
        let url = Url::parse(otlp.endpoint.url()).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let port = url
            .as_ref()
            .and_then(Url::port_or_known_default)
            .unwrap_or_default();
        Arc::new(Self {
            // The conventions write IPv6 without brackets.
            server: (host.trim_matches(['[', ']']).to_owned(), port),
            protocol: otlp.protocol,
            timeout: otlp.timeout.min(limit),
            runtime,
            ending,
            state: Mutex::new(State {
                deadline: Instant::now(),
                failure: None,
                away: false,
            }),
            last_words: LastWords::default(),
        })
    }

    /// Runs one export, retries included, within the time limit.
    pub(crate) async fn bounded(
        &self,
        export: impl Future<Output = Result<(), OTelSdkError>>,
    ) -> Result<(), Failure> {
        {
            let mut state = self.state();
            state.deadline = Instant::now() + self.timeout;
            state.failure = None;
        }
        let result = match &self.runtime {
            // Over HTTP the client keeps the deadline; a thread that blocks cannot be interrupted from here.
            None => export.await,
            Some(runtime) => {
                let bounded = async {
                    tokio::select! {
                        result = export => result,
                        () = tokio::time::sleep(self.timeout) => {
                            self.state().failure = Some(self.no_answer());
                            Err(OTelSdkError::Timeout(self.timeout))
                        }
                        failure = self.nobody_at_the_end() => {
                            self.state().failure = Some(failure);
                            Err(OTelSdkError::Timeout(Duration::ZERO))
                        }
                    }
                };
                // Inside, or the exporter's pauses would block the thread, and with it the limit.
                let mut bounded = pin!(bounded);
                poll_fn(|context| {
                    let _inside = runtime.enter();
                    bounded.as_mut().poll(context)
                })
                .await
            }
        };
        if result.is_ok() {
            self.say(None);
            // What was rejected by a receiver that took the rest, or what it warns of.
            return self.state().failure.take().map_or(Ok(()), Err);
        }
        result.map_err(|error| {
            let remembered = self.state().failure.take();
            // A connection that runs into the limit by itself says so in words of its own.
            let no_answer = || self.remaining().is_zero().then(|| self.no_answer());
            remembered
                .or_else(no_answer)
                .unwrap_or_else(|| self.sdk_failure(&error))
        })
    }

    /// Ends once the shutdown has begun and no connection can be made. gRPC's exporter does not tell why it tries again.
    async fn nobody_at_the_end(&self) -> Failure {
        // An error is impossible: the sender is here.
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
        let (host, port) = &self.server;
        match TcpStream::connect((host.as_str(), *port)).await {
            Ok(_) => std::future::pending().await,
            Err(error) if is_refused(&error) => self.refused(),
            Err(error) => self.not_connected(&error),
        }
    }

    fn remaining(&self) -> Duration {
        self.state()
            .deadline
            .saturating_duration_since(Instant::now())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the last attempt failed, for whoever ends while an export is under way.
    fn say(&self, failure: Option<&Failure>) {
        let mut last = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = failure.map(|failure| failure.words.clone());
    }

    fn address(&self) -> String {
        let (host, port) = &self.server;
        match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    }

    fn refused(&self) -> Failure {
        Failure {
            kind: Cow::Borrowed("connection_refused"),
            words: format!(
                "nothing listens at {}; start a receiver there, such as Jaeger, or set OTEL_EXPORTER_OTLP_ENDPOINT",
                self.address()
            ),
            items: None,
        }
    }

    fn no_answer(&self) -> Failure {
        Failure {
            kind: Cow::Borrowed("timeout"),
            words: format!(
                "{} did not answer within {:?}",
                self.address(),
                self.timeout
            ),
            items: None,
        }
    }

    /// Words for what goes wrong before there is an answer.
    fn http_failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return self.no_answer();
        }
        if is_refused(error) {
            return self.refused();
        }
        if error.is_connect() {
            return self.not_connected(error);
        }
        Failure {
            kind: Cow::Borrowed("_OTHER"),
            words: format!("{}: {}", self.address(), root_cause(error)),
            items: None,
        }
    }

    fn not_connected(&self, error: &(dyn StdError + 'static)) -> Failure {
        Failure {
            kind: Cow::Borrowed("connection_failed"),
            words: format!("{}: {}", self.address(), root_cause(error)),
            items: None,
        }
    }

    /// What the answer to a request that succeeded says about items that were rejected all the same.
    fn rejected(&self, body: &[u8]) -> Option<Failure> {
        // The three signals' answers are the same on the wire but for the names.
        let answer = ExportTraceServiceResponse::decode(body).ok()?;
        let partial = answer.partial_success?;
        let items = u64::try_from(partial.rejected_spans).unwrap_or(0);
        let message = shortened(&partial.error_message);
        let words = match items {
            0 if message.is_empty() => return None,
            // "Servers MAY also use the partial_success field to convey warnings/suggestions to clients even when the
            // server fully accepts the request": OTLP specification, *Partial Success*.
            0 => format!("{} warns: {message:?}", self.address()),
            _ => format!("{} rejected some: {message:?}", self.address()),
        };
        Some(Failure {
            kind: Cow::Borrowed("rejected"),
            words,
            items: Some(items),
        })
    }

    /// Words for an answer that is not a success, and for what its body says.
    fn status_failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        let address = self.address();
        let words = match message(headers, body) {
            Some(message) => format!("{address} answered {status}: {message:?}"),
            None => format!("{address} answered {status}"),
        };
        Failure {
            kind: Cow::Owned(status.as_u16().to_string()),
            words,
            items: None,
        }
    }

    /// Words for what the exporter itself says; over gRPC that is all there is.
    fn sdk_failure(&self, error: &OTelSdkError) -> Failure {
        let text = error.to_string();
        let address = self.address();
        if text.contains("Connection refused") || text.contains("connection refused") {
            return self.refused();
        }
        let code = text.split_once("gRPC code: ").map(|(_, rest)| {
            rest.split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default()
        });
        Failure {
            kind: code.map_or(Cow::Borrowed("_OTHER"), grpc_code),
            words: format!("{address}: {text}"),
            items: None,
        }
    }

    /// `otel.component.type` of the exporter of `item`: `span`, `log` or `metric`.
    pub(crate) fn component(&self, item: &str) -> &'static str {
        match (self.protocol, item) {
            (Protocol::HttpProtobuf, "span") => "otlp_http_span_exporter",
            (Protocol::HttpProtobuf, "log") => "otlp_http_log_exporter",
            (Protocol::HttpProtobuf, _) => "otlp_http_metric_exporter",
            (Protocol::Grpc, "span") => "otlp_grpc_span_exporter",
            (Protocol::Grpc, "log") => "otlp_grpc_log_exporter",
            (Protocol::Grpc, _) => "otlp_grpc_metric_exporter",
        }
    }
}

/// A receiver's own words: the message of the `google.rpc.Status` that OTLP has it send, in protobuf or JSON, or the text
/// that a proxy sends instead. None if it says nothing that can be read.
fn message(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    let message = if content_type.is_some_and(|kind| kind.starts_with(b"application/x-protobuf")) {
        Status::decode(body).ok()?.message
    } else {
        let text = std::str::from_utf8(body).ok()?;
        let of_json = serde_json::from_str::<serde_json::Value>(text).ok();
        let of_json = of_json.and_then(|json| {
            let member = ["message", "error"]
                .into_iter()
                .find_map(|name| json.get(name)?.as_str());
            member.map(str::to_owned)
        });
        of_json.unwrap_or_else(|| text.trim().to_owned())
    };
    let message = shortened(&message);
    (!message.is_empty()).then_some(message)
}

/// The beginning of a receiver's own words.
fn shortened(words: &str) -> String {
    words.chars().take(LONGEST_MESSAGE).collect()
}

/// The conventions' word for a gRPC status code, `DEADLINE_EXCEEDED`, from Rust's, `DeadlineExceeded`.
fn grpc_code(name: &str) -> Cow<'static, str> {
    if name == "Ok" || name.is_empty() {
        return Cow::Borrowed("_OTHER");
    }
    let mut code = String::with_capacity(name.len() + 2);
    for letter in name.chars() {
        if letter.is_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
    }
    Cow::Owned(code)
}

fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// The HTTP client of one exporter.
#[derive(Debug)]
pub(crate) struct HttpClient {
    client: Client,
    headers: HeaderMap,
    destination: Arc<Destination>,
}

impl HttpClient {
    /// What remains of the time that the export under way may take.
    pub(crate) fn remaining(&self) -> Duration {
        self.destination.remaining()
    }

    pub(crate) fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        // The exporter adds headers from the process's environment by itself. Ours are the whole truth.
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        for name in [CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT] {
            if let Some(value) = parts.headers.remove(&name) {
                headers.insert(name, value);
            }
        }
        headers.extend(self.headers.clone());
        parts.headers = headers;

        let mut request = reqwest::blocking::Request::try_from(Request::from_parts(parts, body))?;
        *request.timeout_mut() = Some(self.destination.remaining());
        let mut answer = match self.client.execute(request) {
            Ok(answer) => answer,
            Err(error) => {
                let words = self.remember(&error);
                if !error.is_connect() {
                    return Err(words);
                }
                if *self.destination.ending.borrow() {
                    // An error would be tried again, a status like this one is not.
                    return Ok(Response::builder()
                        .status(StatusCode::NOT_IMPLEMENTED)
                        .body(Bytes::new())?);
                }
                let was_away = std::mem::replace(&mut self.destination.state().away, true);
                if !was_away {
                    // The loss, if there is one, is said when the time limit is over; nobody should wait for that.
                    let limit = self.destination.timeout;
                    tracing::warn!("{words}; trying again for {limit:?}");
                }
                return Err(words);
            }
        };
        let status = answer.status();
        let headers = std::mem::take(answer.headers_mut());
        let mut body = self.body(answer);
        let failure = if status.is_success() {
            self.destination.rejected(&body)
        } else {
            Some(self.destination.status_failure(status, &headers, &body))
        };
        if status.is_success() && failure.is_some() {
            // Said by us, and counted; the exporter need not say it again.
            body = Bytes::new();
        }
        if !status.is_success() {
            self.destination.say(failure.as_ref());
        }
        {
            let mut state = self.destination.state();
            state.failure = failure;
            state.away = false;
        }
        let mut response = Response::builder().status(status).body(body)?;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// The body as far as it comes in time. The status has decided already; were a broken body an error, what has
    /// arrived would be sent again.
    fn body(&self, mut answer: reqwest::blocking::Response) -> Bytes {
        let mut body = Vec::new();
        let mut chunk = [0; 8 * 1024];
        while body.len() < LONGEST_ANSWER && !self.destination.remaining().is_zero() {
            match answer.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(count) => body.extend_from_slice(&chunk[..count]),
            }
        }
        body.into()
    }

    fn remember(&self, error: &reqwest::Error) -> HttpError {
        let failure = self.destination.http_failure(error);
        self.destination.say(Some(&failure));
        let words = failure.words.clone();
        let mut state = self.destination.state();
        // The last try may be cut short by the limit: why those before it failed says more.
        if state.failure.is_none() || !error.is_timeout() {
            state.failure = Some(failure);
        }
        drop(state);
        words.into()
    }
}

impl opentelemetry_http::HttpClient for HttpClient {
    // Spelt out: the trait's author has `async_trait` write this.
    fn send_bytes<'this, 'future>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        Box::pin(async move { self.send(request) })
    }
}

/// Where gRPC's connections live: a runtime of one thread, so that neither the service's runtime nor its only worker is
/// needed for a flush, and nothing that runs there makes telemetry.
#[derive(Debug)]
pub(crate) struct GrpcRuntime(Option<tokio::runtime::Runtime>);

impl GrpcRuntime {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp-grpc")
            .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Option<tokio::runtime::Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for GrpcRuntime {
    fn drop(&mut self) {
        // The plain drop waits, which panics on an async thread.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What building an exporter needs besides its settings.
pub(crate) struct Builder<'a> {
    pub(crate) grpc: Option<&'a GrpcRuntime>,
    pub(crate) warnings: &'a mut Vec<String>,
    pub(crate) ending: watch::Sender<bool>,
}

/// An exporter and where it sends to.
type Built<E> = Option<(E, Arc<Destination>)>;

impl Builder<'_> {
    /// None, with a warning, when it cannot be built: telemetry never keeps a service from starting.
    pub(crate) fn span_exporter(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
    ) -> Built<OtlpSpanExporter> {
        self.exporter(
            otlp,
            limit,
            |client| Ok(OtlpSpanExporter::Http(HttpSpanExporter::new(client, otlp))),
            |tls, limit| {
                let stock = grpc(SpanExporter::builder().with_tonic(), otlp, limit, tls);
                stock.build().map(OtlpSpanExporter::Grpc)
            },
        )
    }

    pub(crate) fn log_exporter(&mut self, otlp: &Otlp, limit: Duration) -> Built<LogExporter> {
        self.exporter(
            otlp,
            limit,
            |client| http(LogExporter::builder().with_http(), otlp, client).build(),
            |tls, limit| grpc(LogExporter::builder().with_tonic(), otlp, limit, tls).build(),
        )
    }

    pub(crate) fn metric_exporter(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
    ) -> Built<MetricExporter> {
        let builder = || MetricExporter::builder().with_temporality(Temporality::Cumulative);
        self.exporter(
            otlp,
            limit,
            |client| http(builder().with_http(), otlp, client).build(),
            |tls, limit| grpc(builder().with_tonic(), otlp, limit, tls).build(),
        )
    }

    fn exporter<E, B: std::fmt::Display>(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
        http: impl FnOnce(HttpClient) -> Result<E, B>,
        grpc: impl FnOnce(Option<ClientTlsConfig>, Duration) -> Result<E, B>,
    ) -> Built<E> {
        let files = Files::read(otlp, self.warnings);
        let runtime = match otlp.protocol {
            Protocol::HttpProtobuf => None,
            Protocol::Grpc => self.grpc.and_then(GrpcRuntime::handle),
        };
        let destination = Destination::new(otlp, limit, runtime, self.ending.clone());
        let built = match &destination.runtime {
            None => blocking_client(otlp, &files).and_then(|client| {
                let client = HttpClient {
                    client,
                    headers: otlp.headers.clone(),
                    destination: Arc::clone(&destination),
                };
                http(client).map_err(|error| error.to_string())
            }),
            Some(runtime) => {
                // The connection's task is spawned on the runtime that is entered here.
                let _inside = runtime.enter();
                grpc(files.tonic(otlp), destination.timeout).map_err(|error| error.to_string())
            }
        };
        match built {
            Ok(exporter) => Some((exporter, destination)),
            Err(reason) => {
                self.warnings.push(format!(
                    "the exporter for {} cannot be built: {reason}; used instead: none",
                    otlp.endpoint
                ));
                None
            }
        }
    }
}

/// As many as fit into the time limit: 100 ms, 200 ms and so on up to [`LONGEST_PAUSE`], each with up to 100 ms more.
fn retries() -> RetryPolicy {
    RetryPolicy::recommended()
        .with_max_retries(usize::MAX)
        .with_max_delay(LONGEST_PAUSE)
}

fn http<B: WithExportConfig + WithHttpConfig>(builder: B, otlp: &Otlp, client: HttpClient) -> B {
    let timeout = client.destination.timeout;
    let builder = builder
        .with_endpoint(otlp.endpoint.url())
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_timeout(timeout)
        .with_retry_policy(retries())
        .with_http_client(client);
    if otlp.gzip {
        builder.with_compression(Compression::Gzip)
    } else {
        builder
    }
}

fn grpc<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    otlp: &Otlp,
    limit: Duration,
    tls: Option<ClientTlsConfig>,
) -> B {
    let mut builder = builder
        .with_endpoint(otlp.endpoint.url())
        .with_timeout(limit)
        .with_retry_policy(retries())
        .with_metadata(MetadataMap::from_headers(otlp.headers.clone()));
    if let Some(tls) = tls {
        builder = builder.with_tls_config(tls);
    }
    if otlp.gzip {
        builder.with_compression(Compression::Gzip)
    } else {
        builder
    }
}

/// The certificate files of an exporter, in memory.
#[derive(Default)]
struct Files {
    authorities: Option<Vec<u8>>,
    /// Certificate and key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Files {
    fn read(otlp: &Otlp, warnings: &mut Vec<String>) -> Self {
        let mut read = |file: &Option<PemFile>| {
            let PemFile { variable, path } = file.as_ref()?;
            let content = std::fs::read(path).and_then(|content| {
                // Tells a wrong file at the start, not at the first export.
                if content.windows(11).any(|window| window == b"-----BEGIN ") {
                    Ok(content)
                } else {
                    Err(io::Error::other("no PEM in this file"))
                }
            });
            content
                .map_err(|error| {
                    // It may be the key itself, put there by mistake.
                    let shown = match variable.ends_with("CLIENT_KEY") {
                        true => "not shown".to_owned(),
                        false => format!("{path:?}"),
                    };
                    let warning = format!(
                        "{variable} is {shown}; wanted: a readable PEM file ({error}); used instead: none"
                    );
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                })
                .ok()
        };
        let authorities = read(&otlp.certificate);
        let (certificate, key) = (read(&otlp.client_certificate), read(&otlp.client_key));
        if certificate.is_some() != key.is_some() {
            warnings.push(format!(
                "a client certificate for {} needs both CLIENT_CERTIFICATE and CLIENT_KEY; used instead: none",
                otlp.endpoint
            ));
        }
        Self {
            authorities,
            identity: certificate.zip(key),
        }
    }

    fn tonic(self, otlp: &Otlp) -> Option<ClientTlsConfig> {
        if !otlp.endpoint.url().starts_with("https://") {
            return None;
        }
        let mut tls = ClientTlsConfig::new();
        tls = match self.authorities {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        Some(tls)
    }
}

/// A client for blocking threads. It is built on a plain one: inside a runtime it would panic.
fn blocking_client(otlp: &Otlp, files: &Files) -> Result<Client, String> {
    let mut builder = Client::builder()
        // What the process's environment says is in the settings already. Redirects would hand our headers to strangers.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(otlp.timeout);
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

#[cfg(test)]
mod tests {
    use super::grpc_code;

    #[test]
    fn grpc_status_codes_have_the_names_of_the_conventions() {
        for (rust, conventions) in [
            ("Unavailable", "UNAVAILABLE"),
            ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
            ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
            ("InvalidArgument", "INVALID_ARGUMENT"),
            ("Ok", "_OTHER"),
            ("", "_OTHER"),
        ] {
            assert_eq!(grpc_code(rust), conventions);
        }
    }
}
