//! Which service calls which, from the traces of the last fifteen minutes.
//!
//! A span below a span of another service is a call. So is a span of kind client or producer without such a child: what
//! it called has not answered, or makes no spans. The service behind its `server.address` is then known from other
//! calls, or from where metrics are read; else the address stands for it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::Json;
use serde::Serialize;

use super::{Live, Refused, State, blocking, summary::short};
use crate::{Span, SpanKind, Trace, model::search::Query, scrape::Target, store::TooLong};

/// Traces that are looked at: those that began so long ago or later, of these the newest.
const WINDOW: Duration = Duration::from_secs(15 * 60);
const TRACES: usize = 5_000;

/// Services and calls that a picture can hold; what comes after these is left out.
const SERVICES: usize = 100;
const CALLS: usize = 500;

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Map {
    services: Vec<ServiceNode>,
    calls: Vec<Call>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ServiceNode {
    name: String,
    spans: usize,
    errors: usize,
}

#[derive(Debug, PartialEq, Serialize)]
struct Call {
    from: String,
    to: String,
    calls: usize,
    errors: usize,
    /// Calls a second, since the first of these traces began.
    rate: f64,
    /// Milliseconds, as the caller has seen it.
    p50: f64,
    p95: f64,
}

/// `GET /api/map`
pub(super) async fn map(State(live): State<Live>) -> Result<Json<Map>, Refused> {
    let map = blocking(move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let window = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
        let query = Query {
            start_min_unix_nanos: Some(now.saturating_sub(window)),
            limit: TRACES,
            ..Query::default()
        };
        let mut drawing = Drawing::default();
        for trace in live.store.beginnings(&query) {
            drawing.add(&trace?);
        }
        Ok::<_, TooLong>(drawing.finish(now, live.window.targets()))
    });
    Ok(Json(map.await??))
}

/// A map in the making.
#[derive(Default)]
struct Drawing {
    /// Spans and errors.
    services: BTreeMap<String, (usize, usize)>,
    calls: BTreeMap<(String, String), Tally>,
    /// Calls by a span that has no child elsewhere, to an address.
    unanswered: BTreeMap<(String, String), Tally>,
    /// The service behind an address.
    peers: HashMap<String, String>,
    first_unix_nanos: Option<u64>,
}

#[derive(Default)]
struct Tally {
    errors: usize,
    /// Milliseconds.
    durations: Vec<f64>,
}

impl Tally {
    fn add(&mut self, span: &Span, is_error: bool) {
        self.durations.push(span.duration().as_secs_f64() * 1e3);
        self.errors += usize::from(is_error);
    }

    fn join(&mut self, other: Self) {
        self.durations.extend(other.durations);
        self.errors += other.errors;
    }

    /// The smallest duration that so many of a hundred do not exceed.
    fn percentile(&mut self, percent: usize) -> f64 {
        self.durations.sort_by(f64::total_cmp);
        let rank = (self.durations.len() * percent).div_ceil(100).max(1);
        self.durations.get(rank - 1).copied().unwrap_or(0.0)
    }
}

impl Drawing {
    fn add(&mut self, trace: &Trace) {
        let by_id: HashMap<_, _> = trace
            .spans
            .iter()
            .map(|span| (span.span_id, span))
            .collect();
        let mut answered = HashSet::new();
        for span in &trace.spans {
            if let Some((spans, errors)) =
                within(&mut self.services, SERVICES, short(span.service()))
            {
                *spans += 1;
                *errors += usize::from(span.is_error());
            }
            let parent = span.parent_span_id.and_then(|parent| by_id.get(&parent));
            let Some(caller) = parent.filter(|parent| parent.service() != span.service()) else {
                continue;
            };
            answered.insert(caller.span_id);
            if let Some(peer) = peer(caller)
                && self.peers.len() < CALLS
            {
                self.peers.insert(peer, short(span.service()));
            }
            let call = (short(caller.service()), short(span.service()));
            if let Some(tally) = within(&mut self.calls, CALLS, call) {
                let seen = if calls(caller) { caller } else { span };
                tally.add(seen, caller.is_error() || span.is_error());
            }
        }
        for span in &trace.spans {
            if calls(span)
                && !answered.contains(&span.span_id)
                && let Some(peer) = peer(span)
            {
                let call = (short(span.service()), peer);
                if let Some(tally) = within(&mut self.unanswered, CALLS, call) {
                    tally.add(span, span.is_error());
                }
            }
        }
        let start = trace.start_unix_nanos();
        let first = self.first_unix_nanos.get_or_insert(start);
        *first = start.min(*first);
    }

    fn finish(mut self, now: u64, targets: &[Target]) -> Map {
        for target in targets {
            let address = target.url.split("://").last().unwrap_or_default();
            let address = address.trim_end_matches('/').to_owned();
            self.peers.entry(address).or_insert(target.name.clone());
        }
        for ((from, peer), unanswered) in std::mem::take(&mut self.unanswered) {
            let to = self.peers.get(&peer).unwrap_or(&peer).clone();
            within(&mut self.services, SERVICES, to.as_str());
            if let Some(tally) = within(&mut self.calls, CALLS, (from, to)) {
                tally.join(unanswered);
            }
        }
        let since = Duration::from_nanos(now.saturating_sub(self.first_unix_nanos.unwrap_or(now)));
        let seconds = since.clamp(Duration::from_secs(1), WINDOW).as_secs_f64();
        let services = self
            .services
            .iter()
            .map(|(name, (spans, errors))| ServiceNode {
                name: name.clone(),
                spans: *spans,
                errors: *errors,
            });
        let is_drawn = |(from, to): &(String, String)| {
            self.services.contains_key(from) && self.services.contains_key(to)
        };
        let calls = self.calls.into_iter().filter(|(call, _)| is_drawn(call));
        Map {
            services: services.collect(),
            calls: calls
                .map(|((from, to), mut tally)| Call {
                    from,
                    to,
                    calls: tally.durations.len(),
                    errors: tally.errors,
                    rate: f64::from(u32::try_from(tally.durations.len()).unwrap_or(u32::MAX))
                        / seconds,
                    p50: tally.percentile(50),
                    p95: tally.percentile(95),
                })
                .collect(),
        }
    }
}

/// The value of `key`, which is made unless there are too many.
fn within<K: Ord, V: Default>(
    map: &mut BTreeMap<K, V>,
    most: usize,
    key: impl Into<K>,
) -> Option<&mut V> {
    let (is_full, key) = (map.len() >= most, key.into());
    if is_full && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

/// Whether the span is a call, seen from the caller.
fn calls(span: &Span) -> bool {
    matches!(span.kind, SpanKind::Client | SpanKind::Producer)
}

/// What the span says that it calls: a service, or an address.
fn peer(span: &Span) -> Option<String> {
    let text = |key| span.attributes.get(key).and_then(|value| value.as_str());
    if let Some(service) = text("service.peer.name").or_else(|| text("peer.service")) {
        return Some(short(service));
    }
    let address = text("server.address")?;
    Some(match span.attributes.get("server.port") {
        Some(port) => format!("{}:{port}", short(address)),
        None => short(address),
    })
}
