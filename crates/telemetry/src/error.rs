//! What can go wrong, in words for whoever starts the service.

use std::ffi::{OsStr, OsString};

/// A setting of the service's own whose value is not understood.
///
/// `OTEL_*` variables never cause one: the specification wants a warning there. A value that may hold a password is not
/// in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {}; wanted: {wanted}", shown(.value))]
pub struct SettingError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What it holds.
    pub value: OsString,
    /// What it may hold, as the rest of the sentence "wanted: …".
    pub wanted: &'static str,
}

/// The value quoted, unless it looks like a URL with a password or a token: stderr ends up in logs.
pub(crate) fn shown(value: &OsStr) -> String {
    if value.to_string_lossy().contains(['@', '?']) {
        "not shown, since it may hold a password".to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Prometheus exporter could not be registered.
    #[error("the Prometheus exporter cannot be built: {0}")]
    Prometheus(String),
    /// A thread could not be started.
    #[error("a thread of telemetry cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// [`crate::init`] was called twice, or something else has installed a `tracing` subscriber.
    #[error("a tracing subscriber is installed already")]
    Installed,
}

/// What waits could not be sent by [`crate::Telemetry::force_flush`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// It takes longer than the limit. It goes on by itself.
    #[error("telemetry was not flushed in time")]
    Timeout,
    /// An exporter failed, or took longer than the five seconds that the SDK waits itself.
    #[error("telemetry could not be flushed: {0}")]
    Failed(opentelemetry_sdk::error::OTelSdkError),
}
