//! Log records by OTLP.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use telemetry::Telemetry;

use crate::help::{Variables, end, eventually, sample, telemetry};
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
        .await
        .unwrap_err();
    assert_eq!(
        lost.losses,
        [
            "5 log records dropped, because the queue of 10 was full",
            "11 log records not flushed in time",
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
    let lost = telemetry.shutdown(crate::receiver::SOON).await.unwrap_err();
    assert!(
        lost.losses[0].starts_with("1 log record not exported"),
        "{lost}"
    );
}
