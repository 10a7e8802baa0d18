//! Pong's settings, read once from the environment.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use service::{Lookup, SettingError};

pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:8082";
pub(crate) const DEFAULT_LATENCY: &str = "0s";
pub(crate) const DEFAULT_FAILURE_RATE: &str = "0";

/// The settings of pong.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ADDRESS`: where to listen.
    pub address: SocketAddr,
    /// `PONG_LATENCY`: every answer waits this long, drawn evenly from the range.
    pub latency: RangeInclusive<Duration>,
    /// `PONG_FAILURE_RATE`: the share of answers that are `500`, 0 to 1.
    pub failure_rate: f64,
    /// `OTEL_*`, `JAEGER_ADDRESS` and `RUST_LOG`.
    pub telemetry: telemetry::Settings,
}

impl Settings {
    /// Reads the settings through `env`.
    ///
    /// # Errors
    ///
    /// The first of the service's own variables that holds something else than is wanted.
    pub fn from_env(env: Lookup<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            address: service::address(env, DEFAULT_ADDRESS)?,
            latency: service::setting(
                env,
                "PONG_LATENCY",
                DEFAULT_LATENCY,
                "a time or a range of times, for example 20ms or 10ms..80ms",
                latency,
            )?,
            failure_rate: service::setting(
                env,
                "PONG_FAILURE_RATE",
                DEFAULT_FAILURE_RATE,
                "a number from 0 to 1",
                failure_rate,
            )?,
            telemetry: telemetry::Settings::from_env(env).map_err(|wrong| SettingError {
                variable: wrong.variable,
                value: wrong.value,
                wanted: wrong.wanted,
            })?,
        })
    }
}

fn latency(value: &str) -> Option<RangeInclusive<Duration>> {
    let parse = |time: &str| humantime::parse_duration(time).ok();
    let (least, most) = match value.split_once("..") {
        Some((least, most)) => (parse(least)?, parse(most)?),
        None => (parse(value)?, parse(value)?),
    };
    (least <= most).then_some(least..=most)
}

fn failure_rate(value: &str) -> Option<f64> {
    value.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_a_time_or_a_range() {
        let ms = Duration::from_millis;
        assert_eq!(latency("20ms"), Some(ms(20)..=ms(20)));
        assert_eq!(latency("10ms..80ms"), Some(ms(10)..=ms(80)));
        assert_eq!(latency("0s..1s"), Some(ms(0)..=ms(1000)));
        for wrong in [
            "20",
            "fast",
            "80ms..10ms",
            "..",
            "10ms..",
            "-1ms",
            "10ms..80ms..90ms",
        ] {
            assert_eq!(latency(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn failure_rate_is_a_share() {
        for (value, rate) in [("0", 0.0), ("0.25", 0.25), ("1", 1.0)] {
            assert_eq!(failure_rate(value), Some(rate));
        }
        for wrong in ["2", "-0.1", "NaN", "inf", "half", "10%"] {
            assert_eq!(failure_rate(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_value_names_the_variable_the_value_and_what_is_wanted() {
        for (variable, value, wanted) in [
            ("PONG_LATENCY", "fast", "10ms..80ms"),
            ("PONG_FAILURE_RATE", "2", "from 0 to 1"),
        ] {
            let error = Settings::from_env(&|name| (name == variable).then(|| value.into()))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(variable)
                    && error.contains(&format!("{value:?}"))
                    && error.contains(wanted),
                "{error}"
            );
        }
    }
}
