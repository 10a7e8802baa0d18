//! Errors, as messages for the person who starts the service.

use std::ffi::{OsStr, OsString};

/// The value of a setting that belongs to the service itself is not understood.
///
/// `OTEL_*` variables never cause this error: the specification wants a warning there. The message does not show a value
/// that can contain a password.
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
