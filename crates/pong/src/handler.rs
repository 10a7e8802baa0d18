//! `GET /pong`, the manual instrumentation: one span, its events, two instruments.
//!
//! The span is made by the OpenTelemetry API. Take this way where you want a span's kind, links or start time, or where a
//! request's cost counts: it is the cheapest. Ping makes the same span through `tracing`; its handler says when to take that.
//!
//! | what | name | attributes |
//! | --- | --- | --- |
//! | span, INTERNAL | `pong-request` | `environment=staging` |
//! | its events | `Response success` or `Response with error`, `Update metrics` | |
//! | counter, {request} | `request_count` | `remoteAddr`, `userAgent` |
//! | histogram, ms | `duration` | `remoteAddr`, `userAgent` |

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Meter};
use opentelemetry::trace::{FutureExt, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};
use telemetry::Tracer;
use tracing::warn;

use crate::Settings;
use crate::caller::{Caller, PerCaller};

/// What a request needs; made once, shared by all.
pub(crate) struct Pong {
    latency: (Duration, Duration),
    failure_rate: f64,
    tracer: Tracer,
    metrics: PerCaller<Metrics>,
}

/// The instruments, bound to the attributes of a caller.
struct Metrics {
    request_count: BoundCounter<u64>,
    duration: BoundHistogram<f64>,
}

impl Pong {
    pub(crate) fn new(settings: &Settings, tracer: Tracer, meter: &Meter) -> Self {
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
            latency: settings.latency.clone().into_inner(),
            failure_rate: settings.failure_rate,
            tracer,
            metrics: PerCaller::new(move |attributes| Metrics {
                request_count: request_count.bind(attributes),
                duration: duration.bind(attributes),
            }),
        }
    }

    async fn process(&self, metrics: &Metrics) -> (StatusCode, &'static str) {
        let started = Instant::now();
        // The one that `pong` makes; else the server span, which records nothing then.
        let context = Context::current();
        let span = context.span();
        self.dawdle().await;

        let answer = if self.fails() {
            span.add_event("Response with error", vec![]);
            span.set_status(Status::error("failed as PONG_FAILURE_RATE asks"));
            warn!("pong fails as it was told to");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "pong fails as it was told to",
            )
        } else {
            span.add_event("Response success", vec![]);
            (StatusCode::OK, "pong")
        };

        span.add_event("Update metrics", vec![]);
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        metrics.request_count.add(1);
        metrics.duration.record(milliseconds);
        answer
    }

    async fn dawdle(&self) {
        let (least, most) = self.latency;
        if most > Duration::ZERO {
            // In a box: in place, the timer would make every request's future twice as large, whether it waits or not.
            Box::pin(tokio::time::sleep(rand::random_range(least..=most))).await;
        }
    }

    fn fails(&self) -> bool {
        self.failure_rate > 0.0 && rand::random::<f64>() < self.failure_rate
    }
}

pub(crate) async fn pong(
    State(pong): State<Arc<Pong>>,
    caller: Caller,
) -> (StatusCode, &'static str) {
    let metrics = pong.metrics.get(caller);
    // A child of the server span, which the layer has made current. If that one is not sampled, or `OTEL_SDK_DISABLED` is set
    // and there is none, a span would cost and record nothing: no sampler of `OTEL_TRACES_SAMPLER` samples it then.
    if !Context::map_current(|current| current.span().span_context().is_sampled()) {
        return pong.process(&metrics).await;
    }
    let span = pong
        .tracer
        .span_builder("pong-request")
        .with_attributes([KeyValue::new("environment", "staging")])
        .start(&pong.tracer);
    // Current whenever the future is polled. The span ends with the last clone of its context.
    let context = Context::current_with_span(span);
    pong.process(&metrics).with_context(context).await
}
