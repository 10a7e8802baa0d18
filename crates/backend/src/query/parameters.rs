//! A request's parameters, read as Jaeger reads them.

use std::{borrow::Cow, time::Duration};

use axum::{
    extract::{FromRequestParts, Query, rejection::QueryRejection},
    http::request::Parts,
};
use chrono::DateTime;

use crate::model::id::TraceId;

/// The query of a URL, decoded. An empty parameter counts as absent.
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = QueryRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, QueryRejection> {
        let Query(parameters) = Query::from_request_parts(parts, state).await?;
        Ok(Self(parameters))
    }
}

/// A parameter that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
}

impl Parameters {
    /// The first value of the parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// All its values.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value as what `read` makes of it; `read` says in its error what a value should be.
    pub(crate) fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, Malformed> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let malformed = |expected| Malformed {
            name,
            reason: format!("{value:?} is not {expected}"),
        };
        read(value).map(Some).map_err(malformed)
    }
}

/// A whole number.
pub(crate) fn integer(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "a whole number")
}

/// Microseconds since 1970, as nanoseconds. What lies outside of what OTLP can say is moved to its edge.
pub(crate) fn microseconds(text: &str) -> Result<u64, &'static str> {
    integer(text).map(|micros| u64::try_from(micros).unwrap_or(0).saturating_mul(1_000))
}

/// Milliseconds since 1970, or of a duration, as nanoseconds.
pub(crate) fn milliseconds(text: &str) -> Result<u64, &'static str> {
    integer(text).map(|millis| u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000))
}

/// A time in the form of RFC 3339, as nanoseconds since 1970.
///
/// Grafana does not escape the `+` of an offset, and an unescaped `+` is decoded as a space: a space in that place is a `+`.
pub(crate) fn time(text: &str) -> Result<u64, &'static str> {
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if offset.len() == "01:00".len() => {
            Cow::Owned(format!("{time}+{offset}"))
        }
        _ => Cow::Borrowed(text),
    };
    let time = DateTime::parse_from_rfc3339(&text).map_err(|_| "a time as RFC 3339 has it")?;
    let nanos =
        i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
    Ok(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

/// Truth, in the words of Go.
pub(crate) fn truth(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("true or false"),
    }
}

/// A duration as Go writes it: numbers with units, `1.5s` or `1m30s`, perhaps with a sign; a negative one is zero here.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a duration such as 1.5s, 100ms or 1m30s";
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = unsigned;
    let mut seconds = 0.0;
    while !rest.is_empty() || unsigned.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(unit.ok_or(EXPECTED)?);
        let next = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(next.unwrap_or(after.len()));
        let of_a_second = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(EXPECTED),
        };
        seconds += number.parse::<f64>().map_err(|_| EXPECTED)? * of_a_second;
        rest = after;
    }
    let seconds = if text.starts_with('-') { 0.0 } else { seconds };
    Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED)
}

/// An id of up to 32 hex digits, zeros in front left out or not. None: nothing but zeros, which no trace has.
pub(crate) fn trace_id(text: &str) -> Result<Option<TraceId>, &'static str> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() || text.len() > 32 || !is_hex {
        return Err("a trace id of up to 32 hex digits");
    }
    Ok(format!("{text:0>32}").parse().ok())
}
