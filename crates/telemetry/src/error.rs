//! Errors, as messages for the person who starts the service.

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

/// [`crate::Telemetry::force_flush`] could not export everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// It takes longer than the limit. It continues in the background.
    #[error("telemetry was not flushed in time")]
    Timeout,
    /// An exporter failed, or took longer than the five seconds that the SDK waits itself.
    #[error("telemetry could not be flushed: {0}")]
    Failed(opentelemetry_sdk::error::OTelSdkError),
}
