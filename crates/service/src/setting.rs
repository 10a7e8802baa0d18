//! A service's own setting: one variable of the environment.

use std::ffi::{OsStr, OsString};

/// The environment as a function: name in, value out; in a service `|name: &str| std::env::var_os(name)`. An empty value
/// counts as unset. `OsString`, so that a value that is not UTF-8 is told apart from one that is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A setting whose value is not understood. A value that may hold a password is not in the text.
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
fn shown(value: &OsStr) -> String {
    if value.to_string_lossy().contains(['@', '?']) {
        "not shown, since it may hold a password".to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Reads `variable`; `default` holds if it is unset or empty. `wanted` says what `parse` understands, as the rest of the
/// sentence "wanted: …".
///
/// # Errors
///
/// [`SettingError`] if it is not UTF-8, or if `parse` does not understand it.
pub fn setting<T>(
    env: Lookup<'_>,
    variable: &'static str,
    default: &str,
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, SettingError> {
    let value = env(variable).filter(|value| !value.is_empty());
    let value = value.unwrap_or_else(|| default.into());
    let parsed = value.to_str().and_then(parse);
    parsed.ok_or(SettingError {
        variable,
        value,
        wanted,
    })
}
