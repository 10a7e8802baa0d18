//! A service's own setting: one variable of the environment.

use telemetry::{Lookup, SettingError};

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
