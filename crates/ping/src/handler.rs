//! `GET /ping`, the manual instrumentation: one span, its events, two instruments.
//!
//! The span is made through `tracing`. Take this way where the code has `tracing` spans already: libraries and
//! `#[tracing::instrument]` make them, and log lines carry their fields. It costs more than the OpenTelemetry API, by which
//! pong makes the same span.
//!
//! | what | name | attributes |
//! | --- | --- | --- |
//! | span, INTERNAL | `ping-request` | `environment=staging` |
//! | its events | `Start request processing`, `Invoke external endpoint`, `Response success` or `Response with error`, `Update metrics` | |
//! | counter, {request} | `request_count` | `remoteAddr`, `userAgent` |
//! | histogram, ms | `duration` | `remoteAddr`, `userAgent` |

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use opentelemetry::Context;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Meter};
use opentelemetry::trace::{Status, TraceContextExt};
use tracing::{Instrument, info_span, warn};

use crate::caller::{Caller, PerCaller};
use crate::pong::Pong;

/// What a request needs; made once, shared by all.
#[derive(Clone)]
pub(crate) struct Ping {
    pong: Pong,
    metrics: Arc<PerCaller<Metrics>>,
}

/// The instruments, bound to the attributes of a caller.
struct Metrics {
    request_count: BoundCounter<u64>,
    duration: BoundHistogram<f64>,
}

impl Ping {
    pub(crate) fn new(pong: Pong, meter: &Meter) -> Self {
        let request_count = meter
            .u64_counter("request_count")
            .with_description("Incoming request count")
            .with_unit("{request}")
            .build();
        let duration = meter
            .f64_histogram("duration")
            .with_description("Incoming end to end duration")
            .with_unit("ms")
            .build();
        Self {
            pong,
            metrics: Arc::new(PerCaller::new(move |attributes| Metrics {
                request_count: request_count.bind(attributes),
                duration: duration.bind(attributes),
            })),
        }
    }

    async fn process(&self, metrics: &Metrics) -> (StatusCode, String) {
        let started = Instant::now();
        // That of the `tracing` span below, which is entered here.
        let context = Context::current();
        let span = context.span();
        span.add_event("Start request processing", vec![]);

        span.add_event("Invoke external endpoint", vec![]);
        let answer = match self.pong.get().await {
            Ok(()) => {
                span.add_event("Response success", vec![]);
                (StatusCode::OK, "ok".to_owned())
            }
            Err(error) => {
                span.add_event("Response with error", vec![]);
                span.set_status(Status::error(error.to_string()));
                warn!(%error, "ping has no answer from pong");
                (error.status(), error.to_string())
            }
        };

        span.add_event("Update metrics", vec![]);
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        metrics.request_count.add(1);
        metrics.duration.record(milliseconds);
        answer
    }
}

pub(crate) async fn ping(State(ping): State<Ping>, caller: Caller) -> (StatusCode, String) {
    let metrics = ping.metrics.get(caller);
    // The span is entered whenever the future is polled, so the client's span becomes its child.
    let span = info_span!("ping-request", environment = "staging");
    ping.process(&metrics).instrument(span).await
}
