//! A setting of a service: one environment variable.

use std::ffi::{OsStr, OsString};

/// Looks up an environment variable by name; in a service `|name: &str| std::env::var_os(name)`. An empty value counts as
/// unset. An `OsString`, so that a value that is not UTF-8 is an error and not unset.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A setting with a wrong value. The error's text leaves out a value that may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {}; wanted: {wanted}", shown(.value))]
pub struct SettingError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// Its value.
    pub value: OsString,
    /// What it must be, as the rest of the sentence "wanted: …".
    pub wanted: &'static str,
}

/// The quoted value, unless it looks like a URL with a password or a token: stderr ends up in logs.
fn shown(value: &OsStr) -> String {
    if value.to_string_lossy().contains(['@', '?']) {
        "not shown, since it may hold a password".to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Reads `variable`, or `default` if it is unset or empty, with `parse`. `wanted` says what `parse` accepts, as the rest of
/// the sentence "wanted: …".
///
/// # Errors
///
/// [`SettingError`] if the value is not UTF-8 or `parse` returns `None`.
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
