//! Sends by OTLP, over HTTP or gRPC.
//!
//! The stock exporters read no certificate settings, follow redirects, hide what a receiver says of a failure, and keep a
//! `Retry-After` for all later pauses. So the way out is here: `exporter` encodes, `sender` tries until the time limit,
//! `http` and `grpc` make one attempt, `answer` and `destination` find the words.
//!
//! What the [specification](https://opentelemetry.io/docs/specs/otlp/) lists as passing (429, 502, 503, 504, gRPC's
//! `UNAVAILABLE` and the like, no connection) is tried again with exponential back-off and jitter, later if the receiver
//! asks for it (`Retry-After`, `RetryInfo`), until the export's time limit. At shutdown nobody waits for a receiver that
//! is not there: one failed connection then ends an export. What a receiver rejects out of a batch that it takes (partial
//! success) counts as failed.
//!
//! TLS is rustls: an `https://` endpoint works without OpenSSL.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::watch;

use crate::settings::{Otlp, Protocol};

mod answer;
mod certificates;
mod destination;
mod exporter;
mod grpc;
mod http;
mod sender;

use self::certificates::Files;
pub(crate) use self::destination::Destination;
pub(crate) use self::exporter::{OtlpLogExporter, OtlpMetricExporter, OtlpSpanExporter};
use self::grpc::{GrpcClient, GrpcRuntime};
use self::http::HttpClient;
use self::sender::{Sender, Transport};

/// `User-Agent`, as the specification wants it: what exports, and its version.
const AGENT: &str = concat!("OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));

/// What building an exporter needs besides its settings.
pub(crate) struct Builder<'a> {
    grpc: Option<Arc<GrpcRuntime>>,
    warnings: &'a mut Vec<String>,
    ending: watch::Receiver<bool>,
}

/// An exporter and where it sends to.
type Built<E> = Option<(E, Arc<Destination>)>;

impl<'a> Builder<'a> {
    /// `uses_grpc` is whether any exporter does; `ending` becomes true when the shutdown begins.
    ///
    /// # Errors
    ///
    /// The machine refuses gRPC a thread.
    pub(crate) fn new(
        uses_grpc: bool,
        warnings: &'a mut Vec<String>,
        ending: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let grpc = uses_grpc.then(GrpcRuntime::start).transpose()?;
        Ok(Self {
            grpc: grpc.map(Arc::new),
            warnings,
            ending,
        })
    }

    /// None, with a warning, when it cannot be built: telemetry never keeps a service from starting.
    pub(crate) fn span_exporter(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
    ) -> Built<OtlpSpanExporter> {
        const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let (sender, destination) = self.sender(otlp, limit, METHOD)?;
        Some((OtlpSpanExporter::new(sender), destination))
    }

    /// As [`Builder::span_exporter`].
    pub(crate) fn log_exporter(&mut self, otlp: &Otlp, limit: Duration) -> Built<OtlpLogExporter> {
        const METHOD: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
        let (sender, destination) = self.sender(otlp, limit, METHOD)?;
        Some((OtlpLogExporter::new(sender), destination))
    }

    /// As [`Builder::span_exporter`].
    pub(crate) fn metric_exporter(
        &mut self,
        otlp: &Otlp,
        limit: Duration,
    ) -> Built<OtlpMetricExporter> {
        const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        let (sender, destination) = self.sender(otlp, limit, METHOD)?;
        Some((OtlpMetricExporter::new(sender), destination))
    }

    fn sender(&mut self, otlp: &Otlp, limit: Duration, method: &'static str) -> Built<Sender> {
        let files = Files::read(otlp, self.warnings);
        let destination = Destination::new(otlp, limit);
        let transport = match (otlp.protocol, &self.grpc) {
            (Protocol::Grpc, Some(runtime)) => {
                GrpcClient::new(otlp, method, files, &destination, Arc::clone(runtime))
                    .map(Transport::Grpc)
            }
            _ => HttpClient::new(otlp, &files, &destination).map(Transport::Http),
        };
        let transport = transport
            .map_err(|reason| {
                self.warnings.push(format!(
                    "the exporter for {} cannot be built: {reason}; used instead: none",
                    otlp.endpoint
                ));
            })
            .ok()?;
        let sender = Sender {
            transport,
            destination: Arc::clone(&destination),
            ending: self.ending.clone(),
            away: AtomicBool::new(false),
        };
        Some((sender, destination))
    }
}
