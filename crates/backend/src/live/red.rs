//! Rate, errors and duration of any service's operations, from its spans.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Json, extract::Query};
use serde::Serialize;

use super::{Live, Refused, State, blocking, parameters::Parameters, summary::short};
use crate::store::Timed;

/// Minutes that are looked at, unless others are asked for, and at most.
const MINUTES: u64 = 15;
const MOST: u64 = 24 * 60;

/// Spans that are looked at, the newest; and operations that are told apart.
const SPANS: usize = 200_000;
const OPERATIONS: usize = 100;

#[derive(Serialize)]
pub(super) struct Figures {
    /// Whether older spans of these minutes were left out.
    truncated: bool,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct Operation {
    name: String,
    minutes: Vec<Minute>,
}

/// The spans that began in a minute.
#[derive(Debug, PartialEq, Serialize)]
struct Minute {
    /// When it began, in milliseconds since 1970-01-01 UTC.
    time: u64,
    /// Spans a second.
    rate: f64,
    /// Share of those with an error, 0 to 1.
    errors: f64,
    /// Milliseconds that so many of a hundred do not exceed.
    p50: f64,
    p95: f64,
    p99: f64,
}

/// `GET /api/red?service=…&minutes=15`: of the spans that answer others, of kind server and consumer; of all, where there
/// are none of these.
pub(super) async fn red(
    State(live): State<Live>,
    parameters: Query<Vec<(String, String)>>,
) -> Result<Json<Figures>, Refused> {
    let parameters = Parameters::from(parameters);
    let service = parameters.text("service");
    let service = service.ok_or_else(|| Refused::wrong("service is missing"))?;
    let minutes: u64 = parameters
        .parse("minutes")?
        .unwrap_or(MINUTES)
        .clamp(1, MOST);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let since = now.saturating_sub(Duration::from_secs(60 * minutes));
    let figures = blocking(move || {
        let spans = live.store.timed(&service, since, SPANS);
        Figures {
            truncated: spans.len() == SPANS,
            operations: by_operation(spans),
        }
    });
    figures.await.map(Json)
}

fn by_operation(mut spans: Vec<Timed>) -> Vec<Operation> {
    if spans.iter().any(|span| span.answers) {
        spans.retain(|span| span.answers);
    }
    let mut operations: BTreeMap<String, BTreeMap<u64, Vec<Timed>>> = BTreeMap::new();
    for span in spans {
        let is_full = operations.len() >= OPERATIONS;
        let name = short(&span.name);
        if !is_full || operations.contains_key(&name) {
            let minutes = operations.entry(name).or_default();
            minutes
                .entry(span.start_nanos / 60_000_000_000)
                .or_default()
                .push(span);
        }
    }
    let operations = operations.into_iter().map(|(name, minutes)| Operation {
        name,
        minutes: minutes.into_iter().map(minute).collect(),
    });
    operations.collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of spans are small, and durations need no nanosecond"
)]
fn minute((minute, spans): (u64, Vec<Timed>)) -> Minute {
    let mut durations: Vec<_> = spans.iter().map(|span| span.duration_nanos).collect();
    durations.sort_unstable();
    let percentile = |percent: usize| {
        let rank = (durations.len() * percent).div_ceil(100).max(1);
        durations
            .get(rank - 1)
            .map_or(0.0, |nanos| *nanos as f64 / 1e6)
    };
    let all = spans.len() as f64;
    Minute {
        time: minute * 60_000,
        rate: all / 60.0,
        errors: spans.iter().filter(|span| span.is_error).count() as f64 / all,
        p50: percentile(50),
        p95: percentile(95),
        p99: percentile(99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(name: &str, answers: bool, duration_ms: u64) -> Timed {
        Timed {
            name: name.into(),
            answers,
            is_error: duration_ms > 95,
            start_nanos: 120_000_000_000 + duration_ms,
            duration_nanos: duration_ms * 1_000_000,
        }
    }

    #[test]
    fn a_minute_has_rate_errors_and_percentiles_of_the_spans_that_answer() {
        let answers = (1..=100).map(|duration| timed("GET /ping", true, duration));
        let inner = (1..=100).map(|duration| timed("inner", false, 1000 * duration));
        let operations = by_operation(answers.chain(inner.clone()).collect());
        assert_eq!(operations.len(), 1);
        assert_eq!(operations[0].name, "GET /ping");
        let expected = Minute {
            time: 120_000,
            rate: 100.0 / 60.0,
            errors: 0.05,
            p50: 50.0,
            p95: 95.0,
            p99: 99.0,
        };
        assert_eq!(operations[0].minutes, [expected]);
        assert_eq!(
            by_operation(inner.collect())[0].name,
            "inner",
            "a service that answers nobody"
        );
    }
}
