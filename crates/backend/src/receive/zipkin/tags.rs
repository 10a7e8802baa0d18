//! Tags that stand for a status or a scope, which Zipkin's format lacks.
//!
//! OpenTelemetry's exporters write `error`, `otel.status_code`, `otel.scope.name`, `otel.scope.version`, and the
//! Collector's also `otel.status_description`. A tag `error` of any other sender makes the status an error, too, and its value is
//! the description. These tags are taken away: kept, they would stand beside what shows the status.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    common::v1::InstrumentationScope,
    trace::v1::{Status, status},
};

/// Takes the status.
pub(super) fn take_status(tags: &mut BTreeMap<String, String>) -> Status {
    let [code, description, error] =
        ["otel.status_code", "otel.status_description", "error"].map(|key| tags.remove(key));
    let code = match (error.as_deref(), code.as_deref()) {
        (Some(_), _) | (None, Some("ERROR")) => status::StatusCode::Error,
        (None, Some("OK")) => status::StatusCode::Ok,
        (None, _) => status::StatusCode::Unset,
    };
    let message = description.or(error.filter(|error| error != "true"));
    Status {
        code: code.into(),
        message: message.unwrap_or_default(),
    }
}

/// Takes the scope. `otel.library` is its older name, which exporters write as well.
pub(super) fn take_scope(tags: &mut BTreeMap<String, String>) -> InstrumentationScope {
    let [name, version] = ["name", "version"].map(|field| {
        let older = tags.remove(&format!("otel.library.{field}"));
        tags.remove(&format!("otel.scope.{field}")).or(older)
    });
    InstrumentationScope {
        name: name.unwrap_or_default(),
        version: version.unwrap_or_default(),
        ..InstrumentationScope::default()
    }
}
