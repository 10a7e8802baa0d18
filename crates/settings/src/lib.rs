//! Settings: environment variables, read once through a look-up, as typed values.
//!
//! The SDK and its exporters read part of the environment themselves, each in its own way. Here everything is read in one
//! place and then passed to them explicitly, so that wrong values are told in one voice, several `Telemetry`s
//! can live in one process, and tests need no environment.
//!
//! Rules of the [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/):
//! an empty value counts as unset; a value that is not understood makes one warning and counts as unset; enumerations
//! and booleans ignore case; a timeout of 0 means none.

use std::ffi::OsString;
use std::time::Duration;

use tracing_core::LevelFilter;

mod batch;
mod error;
mod exporters;
mod filter;
mod known_methods;
mod limits;
mod otlp;
mod propagators;
mod proxy;
mod reader;
mod resource;
mod sampler;
mod unsupported;

pub use batch::Batch;
pub use error::SettingError;
pub use exporters::{LogsExporter, MetricsExporter, TracesExporter};
pub use filter::Filter;
pub use limits::Limits;
pub use otlp::{Endpoint, Otlp, PemFile, Protocol};
pub use propagators::Propagator;
pub use proxy::Proxy;
pub use sampler::{Root, Sampler};

use reader::Reader;

/// The environment as a function: name in, value out; in a service `|name: &str| std::env::var_os(name)`. An empty value
/// counts as unset. `OsString`, so that a value that is not UTF-8 is told apart from one that is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Everything that can be set, read once.
///
/// `Debug` shows no header values.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `OTEL_SDK_DISABLED`: nothing is recorded or exported; propagators work.
    pub disabled: bool,
    /// `OTEL_SERVICE_NAME`, which wins over the name in the code.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`, decoded; they win over those in the code.
    pub resource_attributes: Vec<(String, String)>,
    /// `OTEL_PROPAGATORS`.
    pub propagators: Vec<Propagator>,
    /// Spans.
    pub traces: Traces,
    /// Metrics.
    pub metrics: Metrics,
    /// The printed log, and the exported one.
    pub logs: Logs,
    /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`: the HTTP methods that are labels of their own, for whoever makes the
    /// instrumentation. None: the default of the conventions.
    pub known_methods: Option<Vec<String>>,
    warnings: Vec<String>,
}

/// What holds when nothing is set.
impl Default for Settings {
    fn default() -> Self {
        // Only a value can be wrong.
        Self::from_env(&|_| None).unwrap_or_else(|error| unreachable!("{error}"))
    }
}

/// Where spans go, which, and how much of them.
#[derive(Clone, Debug)]
pub struct Traces {
    /// `OTEL_TRACES_EXPORTER`; each has a queue of its own.
    pub exporters: Vec<TracesExporter>,
    /// How [`TracesExporter::Otlp`] sends.
    pub otlp: Otlp,
    /// `OTEL_BSP_*`.
    pub batch: Batch,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler: Sampler,
    /// How much one span may hold.
    pub limits: Limits,
    /// See [`Settings::with_span_level`].
    pub span_level: LevelFilter,
    /// See [`Settings::with_exception_events`].
    pub exception_events: bool,
}

/// Where metrics go, and how often those that are pushed.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `OTEL_METRICS_EXPORTER`.
    pub exporters: Vec<MetricsExporter>,
    /// How [`MetricsExporter::Otlp`] sends.
    pub otlp: Otlp,
    /// `OTEL_METRIC_EXPORT_INTERVAL`, between two pushes.
    pub interval: Duration,
    /// `OTEL_METRIC_EXPORT_TIMEOUT`, of one push.
    pub timeout: Duration,
    /// `OTEL_METRICS_EXEMPLAR_FILTER`: false is `always_off`.
    pub exemplars: bool,
    /// See [`Settings::with_cardinality_limit`].
    pub cardinality_limit: usize,
}

/// Attribute sets that an instrument keeps apart: the default of the
/// [specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits).
const CARDINALITY_LIMIT: usize = 2000;

/// The largest one that can be set: the SDK reserves room for it, 4 MiB of addresses an instrument here.
const MOST_CARDINALITY_LIMIT: usize = 65_536;

/// Which log lines are let through, and where they go besides stdout.
#[derive(Clone, Debug)]
pub struct Logs {
    /// `RUST_LOG`.
    pub filter: Filter,
    /// Whether a terminal gets colors: not with `NO_COLOR`.
    pub color: bool,
    /// `OTEL_LOGS_EXPORTER`.
    pub exporters: Vec<LogsExporter>,
    /// How [`LogsExporter::Otlp`] sends.
    pub otlp: Otlp,
    /// `OTEL_BLRP_*`.
    pub batch: Batch,
}

impl Settings {
    /// Reads `OTEL_*`, `JAEGER_ADDRESS` and `RUST_LOG`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for `JAEGER_ADDRESS`, and for a `RUST_LOG` that is not UTF-8: they are the services' own. Trouble
    /// with `OTEL_*`, and with a part of `RUST_LOG`, never is an error: see [`Settings::warnings`].
    pub fn from_env(lookup: Lookup<'_>) -> Result<Self, SettingError> {
        let mut reader = Reader::new(lookup);
        let jaeger = otlp::jaeger_address(&reader)?;
        let filter = filter::read(&mut reader)?;

        let disabled = reader.boolean("OTEL_SDK_DISABLED");
        let service_name = reader.text("OTEL_SERVICE_NAME");
        let resource_attributes = resource::attributes(&mut reader);
        let propagators = propagators::read(&mut reader);
        let otlp = Otlp::read(&mut reader, otlp::Signal::Traces, jaeger.as_deref());
        let traces = Traces {
            exporters: exporters::traces(&mut reader),
            batch: Batch::of_spans(&mut reader, otlp.protocol),
            otlp,
            sampler: Sampler::read(&mut reader),
            limits: Limits::read(&mut reader),
            span_level: LevelFilter::INFO,
            exception_events: false,
        };
        let metrics = Metrics {
            exporters: exporters::metrics(&mut reader),
            otlp: Otlp::read(&mut reader, otlp::Signal::Metrics, None),
            interval: reader.interval("OTEL_METRIC_EXPORT_INTERVAL", 60_000),
            timeout: reader.timeout("OTEL_METRIC_EXPORT_TIMEOUT", 30_000),
            exemplars: exporters::exemplars(&mut reader),
            cardinality_limit: CARDINALITY_LIMIT,
        };
        let logs = Logs {
            filter,
            color: !reader.is_set("NO_COLOR"),
            exporters: exporters::logs(&mut reader),
            otlp: Otlp::read(&mut reader, otlp::Signal::Logs, None),
            batch: Batch::of_log_records(&mut reader),
        };
        let known_methods = known_methods::read(&mut reader);
        unsupported::warn(&mut reader);

        Ok(Self {
            disabled,
            service_name,
            resource_attributes,
            propagators,
            traces,
            metrics,
            logs,
            known_methods,
            warnings: reader.into_warnings(),
        })
    }

    /// Exports `tracing` spans from this level on: INFO, unless set. DEBUG adds DEBUG spans to INFO ones.
    ///
    /// No span below this level exists, not for layers on top of `Telemetry::subscriber`
    /// either. Spans made by the OpenTelemetry API have no level, and are not touched.
    #[must_use]
    pub fn with_span_level(mut self, level: LevelFilter) -> Self {
        self.traces.span_level = level;
        self
    }

    /// Exports without a proxy, whatever `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` say. They count unless this is called.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.traces.otlp.proxy = None;
        self.metrics.otlp.proxy = None;
        self.logs.otlp.proxy = None;
        self.warnings
            .retain(|warning| !proxy::is_warning_of_proxy(warning));
        self
    }

    /// Adds an event `exception` to a span that an ERROR event or `#[tracing::instrument(err)]` marks as failed. Off,
    /// unless set: the error is a log record already.
    ///
    /// Semantic conventions 1.44, [*Recording exceptions*][exceptions]: "instrumentation SHOULD record this exception as a
    /// log record", and "it's NOT RECOMMENDED to record the same exception more than once". The conventions for exceptions
    /// on spans are deprecated. Turn it on for a backend that shows errors from span events only.
    ///
    /// [exceptions]: https://opentelemetry.io/docs/specs/semconv/general/recording-errors/#recording-exceptions
    #[must_use]
    pub fn with_exception_events(mut self, add: bool) -> Self {
        self.traces.exception_events = add;
        self
    }

    /// Sets how many attribute sets each instrument keeps apart: 2,000, unless set, as the
    /// [specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits) has it. Those that come
    /// later are counted in one series with the attribute `otel.metric.overflow=true`, and the log names the instrument
    /// once. `limit` is brought into the range from 1 to 65,536.
    ///
    /// An attribute set of a histogram of 15 buckets takes about 3 KiB of memory, once it is used.
    #[must_use]
    pub fn with_cardinality_limit(mut self, limit: usize) -> Self {
        self.metrics.cardinality_limit = limit.clamp(1, MOST_CARDINALITY_LIMIT);
        self
    }

    /// One sentence for each `OTEL_*` variable whose value is not understood or not supported, and for each such part of
    /// `RUST_LOG`: name, value, and what is used instead. `telemetry::init` logs them.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
