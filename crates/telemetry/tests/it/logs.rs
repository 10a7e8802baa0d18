//! Log records by OTLP.

use std::collections::BTreeMap;

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use settings::{LogRecordExporter, LogRecordProcessor};
use telemetry::Telemetry;

use crate::help::{Variables, end, eventually, pipelines, sample, settings, telemetry};
use crate::receiver::{Answer, HOUR, Receiver, attributes, text};

fn exporting(receiver: &Receiver, variables: Variables<'_>) -> Telemetry {
    let url = receiver.url();
    let mut all = variables.to_vec();
    all.extend([
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
    ]);
    telemetry(&all)
}

fn records(receiver: &Receiver) -> Vec<LogRecord> {
    let requests = receiver.requests();
    let resources = requests
        .iter()
        .flat_map(|request| request.logs().resource_logs);
    let scopes = resources.flat_map(|resource| resource.scope_logs);
    scopes.flat_map(|scope| scope.log_records).collect()
}

/// Logs with this telemetry, on this thread.
fn log(telemetry: &Telemetry, log: impl FnOnce()) {
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    log();
}

#[tokio::test]
async fn record_has_the_line_its_fields_and_its_span() {
    let receiver = Receiver::start();
    let telemetry = exporting(&receiver, &[]);
    let mut ids = None;
    log(&telemetry, || {
        let span = tracing::info_span!("ping-request");
        let _entered = span.enter();
        let context = tracing_opentelemetry::OpenTelemetrySpanExt::context(&span);
        ids = Some(
            opentelemetry::trace::TraceContextExt::span(&context)
                .span_context()
                .clone(),
        );
        tracing::warn!(count = 3, "pong is slow");
    });
    end(telemetry).await;
    assert_eq!(receiver.first().path, "/v1/logs");
    let [record] = &records(&receiver)[..] else {
        panic!("one record: {:#?}", records(&receiver))
    };
    let ids = ids.unwrap();
    assert_eq!(record.trace_id, ids.trace_id().to_bytes());
    assert_eq!(record.span_id, ids.span_id().to_bytes());
    assert_eq!(text(record.body.as_ref()), "pong is slow");
    assert_eq!(record.severity_text, "WARN");
    assert_eq!(
        attributes(&record.attributes),
        BTreeMap::from([("count".to_owned(), "3".to_owned())])
    );
    let resource = &receiver.first().logs().resource_logs[0];
    let resource = attributes(&resource.resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "Ping");
}

#[tokio::test]
async fn record_is_an_event_only_if_the_code_names_it() {
    let receiver = Receiver::start();
    let telemetry = exporting(&receiver, &[]);
    log(&telemetry, || {
        tracing::info!("a line");
        tracing::warn!(count = 1);
        tracing::info!(name: "order.shipped", "an event");
        tracing::info!(name: "event of the year", "another");
    });
    end(telemetry).await;
    let names: Vec<_> = records(&receiver)
        .into_iter()
        .map(|record| record.event_name)
        .collect();
    assert_eq!(names, ["", "", "order.shipped", "event of the year"]);
}

/// An error with two causes.
#[derive(Debug)]
struct Failed(&'static str, Option<Box<Failed>>);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

#[tokio::test]
async fn error_is_exported_with_its_causes_under_the_name_of_the_conventions() {
    let receiver = Receiver::start();
    let telemetry = exporting(&receiver, &[]);
    let root = Failed("connection refused", None);
    let error = Failed(
        "order not saved",
        Some(Box::new(Failed("no database", Some(Box::new(root))))),
    );
    log(&telemetry, || {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "dyn");
        tracing::warn!(%error, "display");
        tracing::warn!(cause = error, "another name");
    });
    end(telemetry).await;
    let found: Vec<_> = records(&receiver)
        .iter()
        .map(|record| attributes(&record.attributes))
        .collect();
    let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let chain = "order not saved: no database: connection refused";
    assert_eq!(
        found,
        [
            one("exception.message", chain),
            one("exception.message", "order not saved"),
            one("cause", chain),
        ]
    );
}

#[tokio::test]
async fn record_has_the_fields_of_the_spans_around_it_whether_they_are_sampled_or_not() {
    for sampler in ["always_on", "always_off"] {
        let receiver = Receiver::start();
        let telemetry = exporting(&receiver, &[("OTEL_TRACES_SAMPLER", sampler)]);
        log(&telemetry, || {
            let request = tracing::info_span!(
                "request",
                request_id = 7,
                user = tracing::field::Empty,
                step = "outer",
                otel.name = "GET /orders"
            );
            let _request = request.enter();
            request.record("user", "ann");
            let _save = tracing::info_span!("save", step = "inner", dry = false).entered();
            tracing::info!(dry = true, "saved");
            tracing::info!(parent: &request, "seen from the request");
            tracing::info!(parent: None, "apart");
        });
        end(telemetry).await;
        let records = records(&receiver);
        let found: Vec<_> = records
            .iter()
            .map(|record| attributes(&record.attributes))
            .collect();
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let request = [("request_id", "7"), ("step", "outer"), ("user", "ann")];
        let saved = [
            ("dry", "true"),
            ("request_id", "7"),
            ("step", "inner"),
            ("user", "ann"),
        ];
        assert_eq!(found, [of(&saved), of(&request), of(&[])], "{sampler}");
        // The ids are those of the span that the event names.
        assert_eq!(records[0].trace_id, records[1].trace_id);
        assert!(!records[1].trace_id.is_empty());
        assert!(records[2].trace_id.is_empty());
    }
}

#[tokio::test]
async fn fields_of_spans_are_bounded_in_count_and_length() {
    let receiver = Receiver::start();
    let telemetry = exporting(&receiver, &[]);
    log(&telemetry, || {
        let long = "x".repeat(1 << 20);
        let mut spans = vec![tracing::info_span!("long", body = long)];
        for _ in 0..100 {
            let parent = spans.last().unwrap();
            spans.push(tracing::info_span!(parent: parent, "deep", a = 1, b = 2, c = 3));
        }
        tracing::info!(parent: &spans[0], "long");
        tracing::info!(parent: spans.last().unwrap(), "deep");
    });
    end(telemetry).await;
    let records = records(&receiver);
    let body = &attributes(&records[0].attributes)["body"];
    assert!(body.starts_with("xxx") && body.ends_with('…'), "{body}");
    assert!(body.len() <= 1024 + "…".len(), "{}", body.len());
    // The same three names again and again.
    assert!(records[1].attributes.len() <= 4);
}

#[tokio::test]
async fn nothing_is_exported_unless_asked_for() {
    let receiver = Receiver::start();
    for value in ["", "none", "console"] {
        let telemetry = exporting(&receiver, &[("OTEL_LOGS_EXPORTER", value)]);
        log(&telemetry, || tracing::error!("a line"));
        end(telemetry).await;
        assert_eq!(receiver.requests().len(), 0, "{value}");
    }
}

#[tokio::test]
async fn filter_holds_for_the_export_too_and_own_traffic_is_never_exported() {
    let receiver = Receiver::start();
    let telemetry = exporting(
        &receiver,
        &[("RUST_LOG", "debug,hyper=trace,opentelemetry=trace")],
    );
    log(&telemetry, || {
        tracing::debug!("kept");
        tracing::trace!("filtered");
        tracing::error!(target: "hyper::client", "own");
        tracing::error!(target: "opentelemetry_sdk", "own");
    });
    end(telemetry).await;
    let bodies: Vec<_> = records(&receiver)
        .iter()
        .map(|record| text(record.body.as_ref()))
        .collect();
    assert_eq!(bodies, ["kept"]);
}

#[tokio::test]
async fn batch_settings_bound_queue_and_export() {
    let receiver = Receiver::start();
    let telemetry = exporting(
        &receiver,
        &[
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "10"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "3600000"),
        ],
    );
    log(&telemetry, || {
        (0..25).for_each(|number| tracing::info!(number, "line"))
    });
    end(telemetry).await;
    let sizes: Vec<_> = receiver
        .requests()
        .iter()
        .map(|request| {
            request.logs().resource_logs[0].scope_logs[0]
                .log_records
                .len()
        })
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 25);
    assert!(sizes.iter().all(|size| *size <= 10), "{sizes:?}");
}

#[tokio::test]
async fn full_queue_drops_records_and_counts_them() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = exporting(
        &receiver,
        &[
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
            ("OTEL_BLRP_EXPORT_TIMEOUT", "60000"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ],
    );
    log(&telemetry, || {
        tracing::info!("the one that keeps the exporter busy")
    });
    receiver.first();
    log(&telemetry, || {
        (0..15).for_each(|number| tracing::info!(number, "line"))
    });
    assert_eq!(
        sample(
            &telemetry,
            "otel_sdk_processor_log_processed_total",
            &["error_type=\"queue_full\""]
        ),
        Some(5.0)
    );
    assert_eq!(
        sample(&telemetry, "otel_sdk_processor_log_queue_size", &[]),
        Some(10.0)
    );
    let lost = telemetry
        .shutdown(std::time::Duration::from_millis(500))
        .await;
    assert_eq!(
        lost.sentences(),
        [
            "5 log records dropped, because the queue of 10 was full",
            "10 log records not flushed in time",
            "1 log record not confirmed (may have arrived)",
        ]
    );
}

#[tokio::test]
async fn export_timeout_bounds_an_export() {
    let receiver = Receiver::answering(|_| Answer::Never);
    let telemetry = exporting(
        &receiver,
        &[
            ("OTEL_BLRP_EXPORT_TIMEOUT", "200"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", HOUR),
            ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
        ],
    );
    log(&telemetry, || tracing::info!("line"));
    eventually("the failure", || {
        let labels = ["error_type=\"timeout\"", "otlp_http_log_exporter/0"];
        sample(&telemetry, "otel_sdk_exporter_log_exported_total", &labels)
    });
    let lost = telemetry.shutdown(crate::receiver::SOON).await;
    assert!(
        lost.sentences()[0].starts_with("1 log record not confirmed (may have arrived)"),
        "{lost}"
    );
}

#[test]
fn records_after_the_end_count_as_not_flushed_and_no_queue_is_said_to_be_full() {
    let settings = settings(&[
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "5"),
    ]);
    let [LogRecordProcessor::Batch { batch, exporter }] = &settings.logger_provider.processors[..]
    else {
        panic!("one exporter");
    };
    let LogRecordExporter::Otlp(otlp) = exporter;
    let mut pipelines = pipelines();
    let queue = pipelines.logs(otlp, batch).unwrap();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(queue)
        .build();
    let logger = provider.logger("late");
    provider.shutdown().unwrap();
    for _ in 0..10 {
        logger.emit(logger.create_log_record());
    }
    let lost: Vec<_> = pipelines.health[0]
        .losses()
        .iter()
        .map(|loss| loss.to_string())
        .collect();
    assert_eq!(lost, ["10 log records not flushed in time"]);
}
