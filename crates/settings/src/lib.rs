//! The settings of OpenTelemetry as plain typed values, read once from `OTEL_*` or made in code.
//!
//! The SDK and its exporters read a part of the environment themselves, each in its own way. This crate reads everything in
//! one place, and the values are then passed on explicitly. So all wrong values are reported in the same form, several
//! `Telemetry` can live in one process, and tests need no environment.
//!
//! [`Settings`] has the shape and the names of OpenTelemetry's
//! [declarative configuration](https://opentelemetry.io/docs/specs/otel/configuration/data-model/) (its JSON schema 1.x):
//! `tracer_provider.processors[].batch.exporter.otlp_http` is
//! `settings.tracer_provider.processors[…]`, a [`SpanProcessor::Batch`] with a [`SpanExporter::Otlp`]. Where the schema has
//! more than is supported here (other samplers, simple processors, views), the field is missing.
//!
//! Without an environment:
//!
//! ```
//! use settings::{Otlp, Protocol, Settings, SpanExporter, SpanProcessor};
//!
//! let mut settings = Settings::default();
//! let endpoint: settings::Endpoint = "https://otlp.example.com/v1/traces".parse()?;
//! for SpanProcessor::Batch { exporter, .. } in &mut settings.tracer_provider.processors {
//!     *exporter = SpanExporter::Otlp(Otlp::new(Protocol::HttpProtobuf, endpoint.clone()));
//! }
//! # Ok::<(), settings::InvalidEndpoint>(())
//! ```
//!
//! Rules of the [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/):
//! an empty value counts as unset; a value that is not understood makes one warning and counts as unset; enumerations
//! and booleans ignore case; a timeout of 0 means none.

use std::ffi::OsString;

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
pub use exporters::{
    ExemplarFilter, LogRecordExporter, LogRecordProcessor, MetricExporter, MetricReader,
    SpanExporter, SpanProcessor,
};
pub use filter::Filter;
pub use limits::SpanLimits;
pub use otlp::{Endpoint, InvalidEndpoint, Otlp, PemFile, Protocol, Tls};
pub use propagators::Propagator;
pub use proxy::Proxy;
pub use sampler::{Root, Sampler};

use reader::Reader;

/// The environment as a function: name in, value out; in a service `|name: &str| std::env::var_os(name)`. An empty value
/// counts as unset. The type is `OsString` because a value that is not UTF-8 is not the same as an unset one.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Everything that can be set. `Debug` shows no header values.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `disabled` (`OTEL_SDK_DISABLED`): nothing is recorded or exported; propagators work.
    pub disabled: bool,
    /// `resource.attributes` (`OTEL_RESOURCE_ATTRIBUTES`, and `service.name` from `OTEL_SERVICE_NAME`), decoded. They win
    /// over those in the code; of two with one name the later one wins.
    pub resource_attributes: Vec<(String, String)>,
    /// `propagator.composite` (`OTEL_PROPAGATORS`).
    pub propagators: Vec<Propagator>,
    /// `tracer_provider`: where spans go, which, and how much of them.
    pub tracer_provider: TracerProvider,
    /// `meter_provider`: where metrics go, and how much of them.
    pub meter_provider: MeterProvider,
    /// `logger_provider`: where log records go, besides stdout.
    pub logger_provider: LoggerProvider,
    /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`: the HTTP methods that keep their name in spans and metrics, for the
    /// instrumentation. None: the default of the conventions.
    pub known_methods: Option<Vec<String>>,
    /// What the schema has no name for: how the spans and events of `tracing` are taken.
    pub tracing: Tracing,
    warnings: Vec<String>,
}

/// What holds when nothing is set.
impl Default for Settings {
    fn default() -> Self {
        // Only a value can be wrong.
        Self::from_env(&|_| None).unwrap_or_else(|error| unreachable!("{error}"))
    }
}

/// Spans.
#[derive(Clone, Debug, PartialEq)]
pub struct TracerProvider {
    /// `OTEL_TRACES_EXPORTER`, `OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_*`. Each exporter has a queue of its own.
    pub processors: Vec<SpanProcessor>,
    /// How much one span may hold.
    pub limits: SpanLimits,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler: Sampler,
}

/// Metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterProvider {
    /// `OTEL_METRICS_EXPORTER`, `OTEL_METRIC_EXPORT_*`, `OTEL_EXPORTER_OTLP_*`.
    pub readers: Vec<MetricReader>,
    /// `OTEL_METRICS_EXEMPLAR_FILTER`.
    pub exemplar_filter: ExemplarFilter,
    /// `cardinality_limits.default`, of all readers; see [`Settings::with_cardinality_limit`].
    pub cardinality_limit: usize,
}

/// Attribute sets that an instrument keeps apart: the default of the
/// [specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits).
const CARDINALITY_LIMIT: usize = 2000;

/// The largest limit that can be set: the SDK reserves room for it, here 4 MiB of addresses an instrument.
const MOST_CARDINALITY_LIMIT: usize = 65_536;

/// Log records.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggerProvider {
    /// `OTEL_LOGS_EXPORTER`, `OTEL_BLRP_*`, `OTEL_EXPORTER_OTLP_*`.
    pub processors: Vec<LogRecordProcessor>,
}

/// How the spans and events of `tracing` are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// `RUST_LOG`: which events are printed and exported.
    pub filter: Filter,
    /// Whether a terminal gets colors: not with `NO_COLOR`.
    pub color: bool,
    /// See [`Settings::with_span_level`].
    pub span_level: LevelFilter,
    /// See [`Settings::with_exception_events`].
    pub exception_events: bool,
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
        let mut resource_attributes = resource::attributes(&mut reader);
        resource_attributes.extend(service_name.map(|name| ("service.name".to_owned(), name)));
        let propagators = propagators::read(&mut reader);

        let otlp = Otlp::read(&mut reader, otlp::Signal::Traces, jaeger.as_deref());
        let exporters = exporters::spans(&mut reader, &otlp);
        let batch = Batch::of_spans(&mut reader, otlp.protocol);
        let queued = |exporter| SpanProcessor::Batch {
            batch: batch.clone(),
            exporter,
        };
        let tracer_provider = TracerProvider {
            processors: exporters.into_iter().map(queued).collect(),
            sampler: Sampler::read(&mut reader),
            limits: SpanLimits::read(&mut reader),
        };

        let otlp = Otlp::read(&mut reader, otlp::Signal::Metrics, None);
        let meter_provider = MeterProvider {
            readers: exporters::metrics(&mut reader, &otlp),
            exemplar_filter: exporters::exemplar_filter(&mut reader),
            cardinality_limit: CARDINALITY_LIMIT,
        };

        let color = !reader.is_set("NO_COLOR");
        let otlp = Otlp::read(&mut reader, otlp::Signal::Logs, None);
        let exporters = exporters::log_records(&mut reader, &otlp);
        let batch = Batch::of_log_records(&mut reader);
        let queued = |exporter| LogRecordProcessor::Batch {
            batch: batch.clone(),
            exporter,
        };
        let logger_provider = LoggerProvider {
            processors: exporters.into_iter().map(queued).collect(),
        };
        let known_methods = known_methods::read(&mut reader);
        unsupported::warn(&mut reader);

        Ok(Self {
            disabled,
            resource_attributes,
            propagators,
            tracer_provider,
            meter_provider,
            logger_provider,
            known_methods,
            tracing: Tracing {
                filter,
                color,
                span_level: LevelFilter::INFO,
                exception_events: false,
            },
            warnings: reader.into_warnings(),
        })
    }

    /// Exports `tracing` spans from this level on: INFO, unless set. DEBUG adds DEBUG spans to INFO ones.
    ///
    /// No span below this level exists, not for layers on top of `Telemetry::subscriber`
    /// either. Spans made by the OpenTelemetry API have no level, and are not touched.
    #[must_use]
    pub fn with_span_level(mut self, level: LevelFilter) -> Self {
        self.tracing.span_level = level;
        self
    }

    /// Exports without a proxy. Without this call, `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` apply.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.otlp_mut().for_each(|otlp| otlp.proxy = None);
        self.warnings
            .retain(|warning| !proxy::is_warning_of_proxy(warning));
        self
    }

    /// Every exporter by OTLP.
    fn otlp_mut(&mut self) -> impl Iterator<Item = &mut Otlp> {
        let spans = self.tracer_provider.processors.iter_mut();
        let spans = spans.filter_map(|SpanProcessor::Batch { exporter, .. }| match exporter {
            SpanExporter::Otlp(otlp) => Some(otlp),
            SpanExporter::Console => None,
        });
        let metrics = self.meter_provider.readers.iter_mut();
        let metrics = metrics.filter_map(|reader| match reader {
            MetricReader::Periodic {
                exporter: MetricExporter::Otlp(otlp),
                ..
            } => Some(otlp),
            MetricReader::Periodic { .. } | MetricReader::Prometheus => None,
        });
        let logs = self.logger_provider.processors.iter_mut();
        let logs = logs.map(
            |LogRecordProcessor::Batch { exporter, .. }| match exporter {
                LogRecordExporter::Otlp(otlp) => otlp,
            },
        );
        spans.chain(metrics).chain(logs)
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
        self.tracing.exception_events = add;
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
        self.meter_provider.cardinality_limit = limit.clamp(1, MOST_CARDINALITY_LIMIT);
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
