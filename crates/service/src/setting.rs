//! A service's own setting: one variable of the environment.

use telemetry::{Lookup, SettingError};

/// Reads `variable`; `default` holds if it is unset or empty. `wanted` says what `parse` understands, as the rest of the
/// sentence "wanted: …".
///
/// # Errors
///
/// [`SettingError`] if `parse` does not understand it.
pub fn setting<T>(
    env: Lookup<'_>,
    variable: &'static str,
    default: &str,
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, SettingError> {
    let value = env(variable).filter(|value| !value.is_empty());
    let value = value.as_deref().unwrap_or(default);
    parse(value).ok_or_else(|| SettingError {
        variable,
        value: value.to_owned(),
        wanted,
    })
}
