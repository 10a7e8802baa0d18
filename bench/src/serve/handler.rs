//! The handler, once for each way to make a span by hand. Its work is pong's: two events, a counter, a histogram.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use opentelemetry::Context;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Meter};
use opentelemetry::trace::TraceContextExt;
#[cfg(feature = "rivals")]
use opentelemetry::{
    KeyValue,
    trace::{FutureExt, Tracer},
};
#[cfg(feature = "rivals")]
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Instrument, info_span};

use caller::{Caller, PerCaller};

#[path = "../../../crates/ping/src/caller.rs"]
mod caller; // as in ping and pong: nobody's attributes are built for each request

/// What a request needs beside a span.
#[derive(Clone)]
pub(super) struct Work(Arc<PerCaller<Metrics>>);

struct Metrics {
    request_count: BoundCounter<u64>,
    duration: BoundHistogram<f64>,
}

impl Work {
    fn new(meter: &Meter) -> Self {
        let request_count = meter
            .u64_counter("request_count")
            .with_unit("{request}")
            .build();
        let duration = meter.f64_histogram("duration").with_unit("ms").build();
        Self(Arc::new(PerCaller::new(move |attributes| Metrics {
            request_count: request_count.bind(attributes),
            duration: duration.bind(attributes),
        })))
    }

    fn answer(&self, caller: Caller, event: impl Fn(&'static str)) -> (StatusCode, &'static str) {
        let started = Instant::now();
        event("Response success");
        event("Update metrics");
        let metrics = self.0.get(caller);
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        metrics.request_count.add(1);
        metrics.duration.record(milliseconds);
        (StatusCode::OK, "pong")
    }

    /// The events are those of the span of the current context, however it was made.
    async fn answer_in_context(self, caller: Caller) -> (StatusCode, &'static str) {
        let context = Context::current();
        let span = context.span();
        self.answer(caller, |event| span.add_event(event, vec![]))
    }
}

/// As ping makes its span.
pub(super) fn through_tracing(meter: &Meter) -> Router {
    let pong = async |State(work): State<Work>, caller: Caller| {
        let span = info_span!("pong-request", environment = "staging");
        work.answer_in_context(caller).instrument(span).await
    };
    Router::new()
        .route("/pong", get(pong))
        .with_state(Work::new(meter))
}

/// As pong makes its span.
#[cfg(feature = "rivals")]
pub(super) fn by_api(meter: &Meter, tracer: SdkTracer) -> Router {
    let pong = async |State((work, tracer)): State<(Work, SdkTracer)>, caller: Caller| {
        if Context::map_current(is_unsampled) {
            return work.answer_in_context(caller).await;
        }
        let span = tracer
            .span_builder("pong-request")
            .with_attributes([KeyValue::new("environment", "staging")])
            .start(&tracer);
        let context = Context::current_with_span(span);
        work.answer_in_context(caller).with_context(context).await
    };
    Router::new()
        .route("/pong", get(pong))
        .with_state((Work::new(meter), tracer))
}

#[cfg(feature = "rivals")]
fn is_unsampled(current: &Context) -> bool {
    let span = current.span();
    span.span_context().is_valid() && !span.span_context().is_sampled()
}

/// As fastrace's users make theirs.
#[cfg(feature = "rivals")]
pub(super) fn by_fastrace(meter: &Meter) -> Router {
    use fastrace::future::FutureExt;
    use fastrace::local::LocalSpan;
    use fastrace::prelude::{Event, Span};

    let pong = async |State(work): State<Work>, caller: Caller| {
        let span = Span::enter_with_local_parent("pong-request")
            .with_property(|| ("environment", "staging"));
        let answer =
            async move { work.answer(caller, |event| LocalSpan::add_event(Event::new(event))) };
        answer.in_span(span).await
    };
    Router::new()
        .route("/pong", get(pong))
        .with_state(Work::new(meter))
}
