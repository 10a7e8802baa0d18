//! For tests: the spans, metrics and log records of one service, in memory. The feature `testing`; `docs/testing.md` of the
//! repository has the tests to copy.
//!
//! [`record`] builds a [`Telemetry`] by the same code as [`crate::build`]: sampler, limits, resource, propagators and
//! subscriber are those of production. Only the exporters differ. It needs no global, no port and no environment, so tests
//! run in parallel, each with its own.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
};
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use subscriber::{Format, Output};
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

use crate::{Builders, Error, Service, Settings, Telemetry, own_thread};

/// How long [`Recorded::wait_for_spans`] waits.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// Sets telemetry up for `service` as [`crate::build`] does, and keeps what it records in memory.
///
/// The exporters of `settings` are left out, except Prometheus: [`Telemetry::exposition`] works. All else of `settings`
/// holds, but for the limit on the length of attribute values, which only exporters apply. Log lines are printed as
/// `println!` does, so the test harness shows those of a test that fails.
///
/// `tracing` spans and events are recorded where [`Telemetry::subscriber`] is the current subscriber.
///
/// No shutdown is needed, and one loses nothing of what is recorded.
///
/// # Errors
///
/// As [`crate::build`].
pub fn record(service: Service, settings: &Settings) -> Result<(Telemetry, Recorded), Error> {
    LazyLock::force(&BYSTANDERS);
    let mut settings = settings.clone();
    settings.tracer_provider.processors.clear();
    settings.logger_provider.processors.clear();
    let readers = &mut settings.meter_provider.readers;
    readers.retain(|reader| *reader == settings::MetricReader::Prometheus);

    let mut recorded = Recorded::default();
    let builders = Builders {
        traces: SdkTracerProvider::builder().with_span_processor(recorded.spans.clone()),
        logs: Some(SdkLoggerProvider::builder().with_log_processor(recorded.logs.clone())),
        metrics: SdkMeterProvider::builder().with_reader(recorded.metrics.clone()),
    };
    let output = Output::new(Captured, Format::Terminal { color: false })?;
    let mut telemetry = crate::build_onto(builders, output, service, &settings)?;
    telemetry.in_memory = true;
    recorded.meters = telemetry.providers.metrics.clone();
    Ok((telemetry, recorded))
}

/// What one [`Telemetry`] has recorded; see [`record`]. A clone reads the same.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    spans: Spans,
    logs: LogRecords,
    metrics: Reader,
    /// Keeps the instruments that `metrics` reads.
    meters: Option<SdkMeterProvider>,
}

impl Recorded {
    /// The spans that have ended, in the order of their ends. Those that are not sampled are not among them.
    pub fn spans(&self) -> Vec<SpanData> {
        self.spans.0.list().clone()
    }

    /// As [`Recorded::spans`], once there are at least `count`. For spans that end after the response: a server span ends
    /// with the body, on the server's own task.
    ///
    /// Works under any executor. A thread of its own waits, so a paused clock of tokio does not matter.
    ///
    /// # Panics
    ///
    /// Panics if fewer spans have ended within ten seconds, and names those that have.
    pub async fn wait_for_spans(&self, count: usize) -> Vec<SpanData> {
        self.wait_within(WAIT_LIMIT, count).await
    }

    async fn wait_within(&self, limit: Duration, count: usize) -> Vec<SpanData> {
        let ended = Arc::clone(&self.spans.0);
        let wait = move || ended.wait_within(limit, count);
        own_thread::wait("wait-for-spans", limit, wait).await;
        let spans = self.spans();
        let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
        assert!(
            spans.len() >= count,
            "waited {limit:?} for {count} spans; ended so far: {names:?}"
        );
        spans
    }

    /// The log records, in the order in which they were made: the `tracing` events that the log filter of the settings lets
    /// through, each with the ids of its span.
    pub fn log_records(&self) -> Vec<SdkLogRecord> {
        lock(&self.logs.0).clone()
    }

    /// All metrics as they are now. Empty if telemetry is disabled.
    pub fn metrics(&self) -> ResourceMetrics {
        let mut metrics = ResourceMetrics::default();
        // Fails only if there is no provider, and then there are no metrics.
        let _ = self.metrics.collect(&mut metrics);
        metrics
    }

    /// The points of the instrument `name` as they are now, sorted by their attributes. Empty if it has measured nothing.
    pub fn points(&self, name: &str) -> Vec<Point> {
        let metrics = self.metrics();
        let mut points: Vec<_> = metrics
            .scope_metrics()
            .flat_map(|scope| scope.metrics())
            .filter(|metric| metric.name() == name)
            .flat_map(|metric| match metric.data() {
                AggregatedMetrics::F64(data) => points(data, |value| value),
                AggregatedMetrics::U64(data) => points(data, |value| value as f64),
                AggregatedMetrics::I64(data) => points(data, |value| value as f64),
            })
            .collect();
        points.sort_by_cached_key(|point| format!("{:?}", point.attributes));
        points
    }
}

/// One attribute set of an instrument, and what was measured with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Sorted by key.
    pub attributes: Vec<KeyValue>,
    /// The value of a counter or a gauge, the sum of a histogram, in the instrument's unit.
    pub value: f64,
    /// How many measurements a histogram has. None: the instrument is not a histogram.
    pub count: Option<u64>,
}

impl Point {
    fn new<'a>(
        attributes: impl Iterator<Item = &'a KeyValue>,
        value: f64,
        count: Option<u64>,
    ) -> Self {
        let mut attributes: Vec<_> = attributes.cloned().collect();
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            attributes,
            value,
            count,
        }
    }
}

fn points<T: Copy>(data: &MetricData<T>, number: fn(T) -> f64) -> Vec<Point> {
    match data {
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .map(|point| Point::new(point.attributes(), number(point.value()), None))
            .collect(),
        MetricData::Sum(sum) => sum
            .data_points()
            .map(|point| Point::new(point.attributes(), number(point.value()), None))
            .collect(),
        MetricData::Histogram(histogram) => histogram
            .data_points()
            .map(|point| {
                let count = Some(point.count());
                Point::new(point.attributes(), number(point.sum()), count)
            })
            .collect(),
        MetricData::ExponentialHistogram(histogram) => histogram
            .data_points()
            .map(|point| {
                let count = Some(point.count() as u64);
                Point::new(point.attributes(), number(point.sum()), count)
            })
            .collect(),
    }
}

/// Two subscribers that take nothing and live as long as the process.
///
/// `tracing` keeps for each span and event in the code whether any subscriber wants it. As long as the process has at most
/// one subscriber, it asks that of the thread which gets there first. A thread without one, such as a worker of a runtime
/// or another test, would then switch the span off for all threads. With several subscribers it asks all of them.
static BYSTANDERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::default())));

/// Records spans. Unlike the SDK's `InMemorySpanExporter` it keeps them at shutdown, and unlike the SDK's simple processor
/// it blocks on no executor, which would panic on a thread that runs one of the crate `futures` already.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Ended>);

#[derive(Default)]
struct Ended {
    list: Mutex<Vec<SpanData>>,
    grown: Condvar,
}

impl Ended {
    fn list(&self) -> MutexGuard<'_, Vec<SpanData>> {
        lock(&self.list)
    }

    fn wait_within(&self, limit: Duration, count: usize) {
        let too_few = |spans: &mut Vec<SpanData>| spans.len() < count;
        let _ = self.grown.wait_timeout_while(self.list(), limit, too_few);
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().iter()).finish()
    }
}

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.list().push(span);
        self.0.grown.notify_all();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// As [`Spans`], for log records.
#[derive(Clone, Debug, Default)]
struct LogRecords(Arc<Mutex<Vec<SdkLogRecord>>>);

impl LogProcessor for LogRecords {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        lock(&self.0).push(record.clone());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Reads metrics when it is asked to, also after a shutdown.
#[derive(Clone, Debug, Default)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

/// Prints as `println!` does, which the test harness captures. It captures threads that a test starts as well.
struct Captured;

impl Write for Captured {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        print!("{}", String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nothing that holds the lock can leave a list half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::Tracer;

    use super::record;
    use crate::{Service, Settings};

    #[tokio::test]
    #[should_panic(expected = "waited 1ms for 2 spans; ended so far: [\"span\"]")]
    async fn span_that_does_not_come_is_missed_by_name() {
        let service = Service::new("Orders", "1.0.0");
        let (telemetry, recorded) = record(service, &Settings::default()).unwrap();
        telemetry.tracer("Orders").start("span");
        recorded.wait_within(Duration::from_millis(1), 2).await;
    }
}
