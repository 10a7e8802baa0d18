//! The figures of a service between two scrapes.

use serde::Serialize;

use super::{
    histogram::Histogram,
    reading::{Reading, Route},
};

/// A service's figures at one time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: f64,
    pub(crate) up: bool,
    pub(crate) routes: Vec<RoutePoint>,
    /// Of all routes, in the last minute.
    pub(crate) minute: Option<Minute>,
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
    /// Milliseconds, as the next three; none without requests. Those that lie in the lowest bucket are its upper bound.
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// The upper bound of the lowest bucket: a percentile that is not above it says no more than that.
    pub(crate) least: Option<f64>,
}

/// What a service did in some seconds, in all its routes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Minute {
    /// How long that is, a minute at most.
    pub(crate) seconds: f64,
    pub(crate) requests: f64,
    /// As of a [`RoutePoint`].
    pub(crate) errors: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) least: Option<f64>,
}

impl Point {
    /// Of a service that did not answer.
    pub(crate) fn down(time: f64) -> Self {
        Self {
            time,
            up: false,
            routes: Vec::new(),
            minute: None,
            active: None,
            cpu: None,
            memory: None,
            exported: None,
            dropped: None,
            failed: None,
        }
    }

    /// Of `now`, which was read `seconds` after `before`; without that, nothing is known of rates.
    /// `minute` is what it did in the last one.
    pub(crate) fn of(
        time: f64,
        now: &Reading,
        before: Option<(&Reading, f64)>,
        minute: Option<Minute>,
    ) -> Self {
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
            minute,
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
        let least = durations.lowest();
        Self {
            route: name.to_owned(),
            rate: requests / seconds,
            errors: (requests > 0.0).then(|| (errors / requests).min(1.0)),
            p50: percentile(&durations, 50.0),
            p95: percentile(&durations, 95.0),
            p99: percentile(&durations, 99.0),
            least: least.map(|seconds| seconds * 1e3),
        }
    }
}

impl Minute {
    /// Of `now`, which was read `seconds` after `before`.
    pub(crate) fn of(now: &Reading, before: &Reading, seconds: f64) -> Self {
        let unseen = Route::default();
        let (mut durations, mut errors) = (Histogram::default(), 0.0);
        for (name, route) in &now.routes {
            let before = before.routes.get(name).unwrap_or(&unseen);
            durations.join(&route.durations.since(&before.durations));
            errors += increase(before.errors, route.errors);
        }
        let requests = durations.count();
        Self {
            seconds,
            requests,
            errors: (requests > 0.0).then(|| (errors / requests).min(1.0)),
            p95: percentile(&durations, 95.0),
            least: durations.lowest().map(|seconds| seconds * 1e3),
        }
    }
}

/// In milliseconds. Nothing is known of where in the lowest bucket a request lies, so that its upper bound stands for it.
fn percentile(durations: &Histogram, percent: f64) -> Option<f64> {
    let seconds = durations.quantile(percent / 100.0)?;
    Some(seconds.max(durations.lowest().unwrap_or(0.0)) * 1e3)
}

/// By how much a counter has grown. One that is less than before has begun anew.
fn increase(before: f64, now: f64) -> f64 {
    if now < before { now } else { now - before }
}
