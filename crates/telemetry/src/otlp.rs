//! Sends by OTLP: over HTTP with a blocking client of our own, over gRPC on a runtime of its own.
//!
//! The exporters' own HTTP client reads no certificate settings, follows proxies and redirects, and hides why a request
//! failed. The client here carries `OTEL_EXPORTER_OTLP_*CERTIFICATE` and `…CLIENT_*`, keeps one time limit over all
//! retries of an export, and remembers the reason in words.
//!
//! TLS is rustls: an `https://` endpoint works without OpenSSL.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::Temporality;
use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT};

use crate::health::Failure;
use crate::settings::{Otlp, PemFile, Protocol};

/// How much of an answer is read, in bytes: a message about what was rejected is shorter.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where a pipeline sends to, and what is known about the export under way.
#[derive(Debug)]
pub(crate) struct Destination {
    /// `server.address` and `server.port`.
    pub(crate) server: (String, u16),
    protocol: Protocol,
    timeout: Duration,
    /// The runtime that gRPC's connection lives on.
    runtime: Option<tokio::runtime::Handle>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    deadline: Instant,
    failure: Option<Failure>,
}

impl Destination {
    fn new(otlp: &Otlp, limit: Duration, runtime: Option<tokio::runtime::Handle>) -> Arc<Self> {
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
            state: Mutex::new(State {
                deadline: Instant::now(),
                failure: None,
            }),
        })
    }

    /// Runs one export, retries included, within the time limit.
    pub(crate) async fn bounded(
        &self,
        export: impl Future<Output = Result<(), OTelSdkError>>,
    ) -> Result<(), Failure> {
        *self.state() = State {
            deadline: Instant::now() + self.timeout,
            failure: None,
        };
        let result = match &self.runtime {
            // Over HTTP the client keeps the deadline; a thread that blocks cannot be interrupted from here.
            None => export.await,
            Some(runtime) => {
                let timeout = {
                    let _inside = runtime.enter();
                    tokio::time::timeout(self.timeout, export)
                };
                timeout.await.unwrap_or_else(|_| {
                    self.state().failure = Some(self.no_answer());
                    Err(OTelSdkError::Timeout(self.timeout))
                })
            }
        };
        result.map_err(|error| {
            let remembered = self.state().failure.take();
            // A connection that runs into the limit by itself says so in words of its own.
            let no_answer = || self.remaining().is_zero().then(|| self.no_answer());
            remembered
                .or_else(no_answer)
                .unwrap_or_else(|| self.sdk_failure(&error))
        })
    }

    fn remaining(&self) -> Duration {
        self.state()
            .deadline
            .saturating_duration_since(Instant::now())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        }
    }

    /// Words for what goes wrong before there is an answer.
    fn http_failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return self.no_answer();
        }
        let address = self.address();
        if is_refused(error) {
            return self.refused();
        }
        let kind = if error.is_connect() {
            "connection_failed"
        } else {
            "_OTHER"
        };
        Failure {
            kind: Cow::Borrowed(kind),
            words: format!("{address}: {}", root_cause(error)),
        }
    }

    /// Words for an answer that is not a success.
    fn status_failure(&self, status: reqwest::StatusCode) -> Failure {
        Failure {
            kind: Cow::Owned(status.as_u16().to_string()),
            words: format!("{} answered {status}", self.address()),
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
                .to_owned()
        });
        Failure {
            kind: code.map_or(Cow::Borrowed("_OTHER"), Cow::Owned),
            words: format!("{address}: {text}"),
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
struct HttpClient {
    client: Client,
    headers: HeaderMap,
    destination: Arc<Destination>,
}

impl HttpClient {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
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
        let mut answer = self
            .client
            .execute(request)
            .map_err(|error| self.remember(&error))?;
        let status = answer.status();
        if !status.is_success() {
            self.destination.state().failure = Some(self.destination.status_failure(status));
        }
        let headers = std::mem::take(answer.headers_mut());
        let mut response = Response::builder().status(status).body(self.body(answer))?;
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
        let words = failure.words.clone();
        self.destination.state().failure = Some(failure);
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
}

/// An exporter and where it sends to.
type Built<E> = Option<(E, Arc<Destination>)>;

impl Builder<'_> {
    /// None, with a warning, when it cannot be built: telemetry never keeps a service from starting.
    pub(crate) fn span_exporter(&mut self, otlp: &Otlp, limit: Duration) -> Built<SpanExporter> {
        self.exporter(
            otlp,
            limit,
            |client| http(SpanExporter::builder().with_http(), otlp, client).build(),
            |tls| grpc(SpanExporter::builder().with_tonic(), otlp, tls).build(),
        )
    }

    pub(crate) fn log_exporter(&mut self, otlp: &Otlp, limit: Duration) -> Built<LogExporter> {
        self.exporter(
            otlp,
            limit,
            |client| http(LogExporter::builder().with_http(), otlp, client).build(),
            |tls| grpc(LogExporter::builder().with_tonic(), otlp, tls).build(),
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
            |tls| grpc(builder().with_tonic(), otlp, tls).build(),
        )
    }

    fn exporter<E, B: std::fmt::Display>(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
        http: impl FnOnce(HttpClient) -> Result<E, B>,
        grpc: impl FnOnce(Option<ClientTlsConfig>) -> Result<E, B>,
    ) -> Built<E> {
        let files = Files::read(otlp, self.warnings);
        let runtime = match otlp.protocol {
            Protocol::HttpProtobuf => None,
            Protocol::Grpc => self.grpc.and_then(GrpcRuntime::handle),
        };
        let destination = Destination::new(otlp, limit, runtime);
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
                grpc(files.tonic(otlp)).map_err(|error| error.to_string())
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

fn http<B: WithExportConfig + WithHttpConfig>(builder: B, otlp: &Otlp, client: HttpClient) -> B {
    let timeout = client.destination.timeout;
    let builder = builder
        .with_endpoint(otlp.endpoint.url())
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_timeout(timeout)
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
    tls: Option<ClientTlsConfig>,
) -> B {
    let mut builder = builder
        .with_endpoint(otlp.endpoint.url())
        .with_timeout(otlp.timeout)
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
                    let warning = format!(
                        "{variable} is {path:?}; wanted: a readable PEM file ({error}); used instead: none"
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
        // A proxy from the environment would see spans, and redirects would hand our headers to strangers.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(otlp.timeout);
    if let Some(pem) = &files.authorities {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|error| root_cause(&error))?;
        builder = builder.tls_certs_only(certificates);
    } else if otlp.endpoint.url().starts_with("http://") {
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
