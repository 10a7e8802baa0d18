//! The figures of a service between two scrapes.

use serde::Serialize;

use super::reading::{Reading, Route};

/// A service's figures at one time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: f64,
    pub(crate) up: bool,
    pub(crate) routes: Vec<RoutePoint>,
    pub(crate) active: Option<f64>,
    /// Cores.
    pub(crate) cpu: Option<f64>,
    /// Bytes.
    pub(crate) memory: Option<f64>,
    /// Spans a second, as the next two.
    pub(crate) exported: Option<f64>,
    pub(crate) dropped: Option<f64>,
    pub(crate) failed: Option<f64>,
}

/// A route's figures at one time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RoutePoint {
    pub(crate) route: String,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Share of the requests, 0 to 1; none without requests.
    pub(crate) errors: Option<f64>,
    /// Milliseconds, as the next two; none without requests.
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
}

impl Point {
    /// Of a service that did not answer.
    pub(crate) fn down(time: f64) -> Self {
        Self {
            time,
            up: false,
            routes: Vec::new(),
            active: None,
            cpu: None,
            memory: None,
            exported: None,
            dropped: None,
            failed: None,
        }
    }

    /// Of `now`, which was read `seconds` after `before`; without that, nothing is known of rates.
    pub(crate) fn of(time: f64, now: &Reading, before: Option<(&Reading, f64)>) -> Self {
        let rate = |of: fn(&Reading) -> Option<f64>| {
            let (before, seconds) = before?;
            Some(increase(of(before).unwrap_or(0.0), of(now)?) / seconds)
        };
        let unseen = Route::default();
        let routes = before.into_iter().flat_map(|(before, seconds)| {
            let routes = now.routes.iter();
            routes.map(move |(name, route)| (name, route, before.routes.get(name), seconds))
        });
        Self {
            up: true,
            routes: routes
                .map(|(name, now, before, seconds)| {
                    RoutePoint::of(name, now, before.unwrap_or(&unseen), seconds)
                })
                .collect(),
            active: now.active,
            cpu: rate(|reading| reading.cpu),
            memory: now.memory,
            exported: rate(|reading| reading.exported),
            dropped: rate(|reading| reading.dropped),
            failed: rate(Reading::failed),
            ..Self::down(time)
        }
    }
}

impl RoutePoint {
    fn of(name: &str, now: &Route, before: &Route, seconds: f64) -> Self {
        let durations = now.durations.since(&before.durations);
        let requests = durations.count();
        let errors = increase(before.errors, now.errors);
        let quantile = |q| durations.quantile(q).map(|seconds| seconds * 1e3);
        Self {
            route: name.to_owned(),
            rate: requests / seconds,
            errors: (requests > 0.0).then(|| (errors / requests).min(1.0)),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// By how much a counter has grown. One that is less than before has begun anew.
fn increase(before: f64, now: f64) -> f64 {
    if now < before { now } else { now - before }
}
