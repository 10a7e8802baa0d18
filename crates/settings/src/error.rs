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
