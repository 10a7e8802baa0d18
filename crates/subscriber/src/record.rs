//! One log record, by the [logs data model](https://opentelemetry.io/docs/specs/otel/logs/data-model/).
//!
//! The *event name* stays empty unless the code states one, as in `tracing::info!(name: "order.shipped", …)`: a record
//! that has one is an event of that name for its readers. `tracing` gives every other event the name of its place in
//! the code. A field `error` is `exception.message`, as the conventions for *exceptions in logs* name it.

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry_sdk::logs::SdkLogger;
use serde_json::Value;
use tracing::{Level, Metadata};

use super::line::Line;

/// Hands the line to the logger, which adds the ids of the current span. `metadata` is the event's own.
pub(super) fn emit(logger: &SdkLogger, line: Line<'_>, metadata: &'static Metadata<'static>) {
    let mut record = logger.create_log_record();
    record.set_target(line.target.to_owned());
    record.set_severity_number(severity(line.level));
    record.set_severity_text(line.level.as_str());
    if let Some(name) = stated_name(metadata) {
        record.set_event_name(name);
    }
    if !line.message.is_empty() {
        record.set_body(line.message.into());
    }
    for (name, value) in line.fields {
        let name = if name == "error" {
            "exception.message"
        } else {
            name
        };
        record.add_attribute(name, any_value(value));
    }
    logger.emit(record);
}

/// The name that the code states. None: `tracing` or `tracing-log` made it up.
fn stated_name(metadata: &'static Metadata<'static>) -> Option<&'static str> {
    let name = metadata.name();
    let place = name.strip_prefix("event ").zip(metadata.file());
    let is_made_up =
        name == "log event" || place.is_some_and(|(place, file)| place.starts_with(file));
    (!is_made_up).then_some(name)
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

fn any_value(value: Value) -> AnyValue {
    match value {
        Value::Bool(value) => value.into(),
        Value::String(text) => text.into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            // OTLP has no unsigned integers.
            (None, _) if number.is_u64() => number.to_string().into(),
            (None, Some(float)) => float.into(),
            (None, None) => number.to_string().into(),
        },
        other => other.to_string().into(),
    }
}
