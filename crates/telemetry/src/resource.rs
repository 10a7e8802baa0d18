//! The resource: the attributes that all spans, metrics and log records of this process share.
//!
//! | attribute | value |
//! | --- | --- |
//! | `service.name`, `service.version` | the service's own |
//! | `service.namespace` | the service's own, if it has one |
//! | `service.instance.id` | a random UUID for each process, which distinguishes replicas |
//! | `host.name`, `os.type` | this machine |
//! | `process.pid`, `process.creation.time` | this process; ids come again, the two together do not |
//! | `telemetry.sdk.*` | the SDK's |
//!
//! The environment wins over the code: `OTEL_RESOURCE_ATTRIBUTES` replaces any of them, and `OTEL_SERVICE_NAME` replaces
//! `service.name` in both. Otherwise one binary could not run under two names.

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::{SCHEMA_URL, Service, Settings, process};

pub(crate) const SERVICE_NAME: &str = "service.name";

pub(crate) fn resource(service: Service, settings: &Settings) -> Resource {
    // Starts empty: the SDK's default reads the environment too, but does not decode it.
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_schema_url(
            [
                KeyValue::new(SERVICE_NAME, service.name),
                KeyValue::new("service.version", service.version),
                KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
                KeyValue::new(
                    "host.name",
                    gethostname::gethostname().to_string_lossy().into_owned(),
                ),
                KeyValue::new("os.type", os_type()),
                KeyValue::new("process.pid", i64::from(std::process::id())),
            ],
            SCHEMA_URL,
        )
        .with_attributes(
            service
                .namespace
                .map(|namespace| KeyValue::new("service.namespace", namespace)),
        )
        .with_attributes(process::created().map(|created| {
            let created = humantime::format_rfc3339_seconds(created).to_string();
            KeyValue::new("process.creation.time", created)
        }))
        .with_attributes(
            settings
                .resource_attributes
                .iter()
                .map(|(key, value)| KeyValue::new(key.clone(), value.clone())),
        )
        .build()
}

/// The service's name as it is sent.
pub(crate) fn service_name(resource: &Resource) -> String {
    resource
        .get_ref(&Key::from_static_str(SERVICE_NAME))
        .map(Value::to_string)
        .unwrap_or_default()
}

/// The conventions' word for the operating system; Rust's differs for macOS.
fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}
