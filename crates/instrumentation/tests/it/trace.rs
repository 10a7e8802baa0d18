//! The edge of a trace, from a client's span to a server's, over a real connection.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use instrumentation::client::Client;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{
    FutureExt, Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId,
    TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample, SpanData};
use reqwest::{Method, Request, Url};

use crate::recorded::{Recorded, expected, propagator};
use crate::server::{layer, send, serve};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_ID: &str = "00f067aa0ba902b7";

fn caller(flags: TraceFlags) -> Context {
    let state = TraceState::from_key_value([("vendor", "1"), ("other", "2")]).unwrap();
    let trace_id = TraceId::from_hex(TRACE_ID).unwrap();
    let span_id = SpanId::from_hex(CALLER_ID).unwrap();
    Context::new().with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// A server that answers with the context it runs in.
fn echo() -> Router {
    let handler = || async {
        let context = Context::current();
        let span = context.span();
        let span = span.span_context();
        format!(
            "{} {} {:?} {} {}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags(),
            span.trace_state().header(),
            context.baggage()
        )
    };
    Router::new().route("/echo", get(handler))
}

async fn call(recorded: &Recorded, context: Context) -> String {
    let address = serve(echo().layer(layer(recorded))).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = Client::new(http, recorded.tracer(), &recorded.meter(), propagator());
    let url = Url::parse(&format!("http://{address}/echo")).unwrap();
    let request = Request::new(Method::GET, url);
    let response = client.execute(request).with_context(context).await.unwrap();
    response.text().await.unwrap()
}

#[tokio::test]
async fn client_span_parents_server_span() {
    let recorded = Recorded::new();
    let baggage = caller(TraceFlags::SAMPLED).with_baggage([KeyValue::new("user", "7")]);
    let answer = call(&recorded, baggage).await;
    let spans = recorded.ended(2).await;
    let of_kind = |kind| spans.iter().find(|span| span.span_kind == kind).unwrap();
    let (client, server) = (of_kind(SpanKind::Client), of_kind(SpanKind::Server));
    assert_eq!(client.parent_span_id.to_string(), CALLER_ID);
    assert_eq!(server.parent_span_id, client.span_context.span_id());
    assert!(server.parent_span_is_remote);
    for span in &spans {
        assert_eq!(span.span_context.trace_id().to_string(), TRACE_ID);
        assert_eq!(span.span_context.trace_state().header(), "vendor=1,other=2");
    }
    let server_id = server.span_context.span_id();
    assert_eq!(
        answer,
        format!("{TRACE_ID} {server_id} TraceFlags(1) vendor=1,other=2 user=7")
    );
}

#[tokio::test]
async fn unsampled_caller_is_continued_and_not_recorded() {
    let recorded = Recorded::new();
    let answer = call(&recorded, caller(TraceFlags::NOT_SAMPLED)).await;
    let [trace_id, span_id, rest] = answer
        .splitn(3, ' ')
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(
        (trace_id, rest),
        (TRACE_ID, "TraceFlags(0) vendor=1,other=2 ")
    );
    assert_ne!(span_id, CALLER_ID);
    assert_ne!(span_id, "0000000000000000");
    assert_eq!(recorded.spans(), []);
    let metrics = recorded.metrics();
    let names: Vec<_> = metrics
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "http.client.request.duration",
            "http.server.active_requests",
            "http.server.request.duration"
        ]
    );
}

#[tokio::test]
async fn caller_without_a_context_starts_a_trace() {
    let recorded = Recorded::new();
    let address = serve(echo().layer(layer(&recorded))).await;
    for header in ["", "traceparent: nonsense\r\n"] {
        send(
            address,
            format!("GET /echo HTTP/1.0\r\n{header}\r\n").as_bytes(),
        )
        .await;
    }
    let spans = recorded.ended(2).await;
    assert!(
        spans
            .iter()
            .all(|span| span.parent_span_id == SpanId::INVALID)
    );
    assert_ne!(
        spans[0].span_context.trace_id(),
        spans[1].span_context.trace_id()
    );
}

/// Notes what it is shown.
#[derive(Clone, Debug)]
struct Seen {
    notes: Arc<Mutex<Vec<String>>>,
    decision: SamplingDecision,
}

impl Seen {
    fn deciding(decision: SamplingDecision) -> Self {
        Self {
            notes: Arc::default(),
            decision,
        }
    }

    fn notes(&self) -> String {
        self.notes.lock().unwrap().join("\n")
    }
}

impl ShouldSample for Seen {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let mut keys: Vec<_> = attributes
            .iter()
            .map(|attribute| attribute.key.as_str())
            .collect();
        keys.sort();
        self.notes
            .lock()
            .unwrap()
            .push(format!("{name} {kind:?} {}", keys.join(" ")));
        SamplingResult {
            decision: self.decision.clone(),
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

/// What a sampler may want to know is there when it is asked, with a sampled parent, or with none, or with one
/// that is none.
#[tokio::test]
async fn sampler_sees_the_attributes_that_the_conventions_want_it_to_see() {
    for parent in [
        Context::new(),
        Context::new().with_remote_span_context(SpanContext::NONE),
        caller(TraceFlags::SAMPLED),
    ] {
        let seen = Seen::deciding(SamplingDecision::RecordAndSample);
        let recorded = Recorded::sampled_by(seen.clone());
        call(&recorded, parent).await;
        let expected = expected(
            "GET Client http.request.method server.address server.port url.full
             GET /echo Server client.address http.request.method http.route network.peer.address network.peer.port network.protocol.version server.address server.port url.path url.scheme",
            &[],
        );
        assert_eq!(seen.notes(), expected);
    }
}

/// Almost every sampler follows the parent; one that does not gets its spans as whole as any.
#[tokio::test]
async fn sampler_that_records_below_an_unsampled_parent_gets_all_attributes() {
    let seen = Seen::deciding(SamplingDecision::RecordOnly);
    let recorded = Recorded::sampled_by(seen.clone());
    let processed = call(&recorded, caller(TraceFlags::NOT_SAMPLED)).await;
    assert!(processed.starts_with(TRACE_ID));
    assert_eq!(seen.notes(), "GET Client \nGET /echo Server ");
    let recorded = Recorded::sampled_by(Sampler::AlwaysOn);
    call(&recorded, caller(TraceFlags::NOT_SAMPLED)).await;
    let keys = |span: &SpanData| {
        let mut keys: Vec<_> = span
            .attributes
            .iter()
            .map(|attribute| attribute.key.to_string())
            .collect();
        keys.sort();
        keys.join(" ")
    };
    let spans = recorded.ended(2).await;
    let mut keys: Vec<_> = spans.iter().map(keys).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "client.address http.request.method http.response.status_code http.route network.peer.address network.peer.port network.protocol.version server.address server.port url.path url.scheme",
            "http.request.method http.response.status_code network.peer.address network.peer.port network.protocol.version server.address server.port url.full",
        ]
    );
}

/// Through a span of `tracing`, or of anything else that attaches its context, a call's span hangs on the
/// request's.
#[tokio::test]
async fn client_called_by_a_handler_continues_the_handlers_trace() {
    let recorded = Recorded::new();
    let pong = serve(echo().layer(layer(&recorded))).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = Client::new(http, recorded.tracer(), &recorded.meter(), propagator());
    let url = Url::parse(&format!("http://{pong}/echo")).unwrap();
    let handler = move || {
        let (client, url) = (client.clone(), url.clone());
        async move {
            client
                .execute(Request::new(Method::GET, url))
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
        }
    };
    let ping = serve(
        Router::new()
            .route("/ping", get(handler))
            .layer(layer(&recorded)),
    )
    .await;
    let calls = (0..100).map(|_| send(ping, b"GET /ping HTTP/1.0\r\n\r\n"));
    futures_util::future::join_all(calls).await;
    let spans = recorded.ended(300).await;
    let roots = spans
        .iter()
        .filter(|span| span.parent_span_id == SpanId::INVALID);
    let mut traces = 0;
    for root in roots {
        let child = |parent: &SpanData| {
            let id = parent.span_context.span_id();
            let mut children = spans.iter().filter(move |span| span.parent_span_id == id);
            let child = children.next().unwrap();
            assert!(children.next().is_none());
            assert_eq!(
                child.span_context.trace_id(),
                parent.span_context.trace_id()
            );
            child
        };
        let call = child(root);
        let server = child(call);
        assert_eq!(
            [&root.name, &call.name, &server.name],
            ["GET /ping", "GET", "GET /echo"]
        );
        traces += 1;
    }
    assert_eq!(traces, 100);
}
