//! A request from its arrival to its end, however it ends.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath};
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, Uri};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Tracer};
use opentelemetry::{KeyValue, StringValue};

use super::endpoint::{Endpoint, Endpoints};
use crate::attribute::{
    CLIENT_ADDRESS, HTTP_REQUEST_METHOD_ORIGINAL, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT,
    SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_QUERY, USER_AGENT_ORIGINAL,
};
use crate::failure::Failure;
use crate::headers::Received;
use crate::operation::{Operation, Start};
use crate::protocol::{Scheme, Version};
use crate::redaction;
use crate::series::Outcome;
use crate::strings::{Server, shared, shared_address, shared_host};

/// As many attributes as a span of a server can have; one allocation holds them.
const ATTRIBUTES: usize = 16;

/// A request that counts as active. Whoever drops it ends it: span, duration and the count of active requests then
/// are right whatever became of the future.
pub(super) struct InFlight {
    operation: Operation,
    endpoint: Arc<Endpoint>,
    method: http::Method,
    outcome: Outcome,
}

impl InFlight {
    pub(super) fn start<T, B>(
        tracer: &T,
        propagator: &dyn TextMapPropagator,
        endpoints: &Endpoints,
        request: &http::Request<B>,
    ) -> Self
    where
        T: Tracer,
        T::Span: Send + Sync + 'static,
    {
        let (uri, headers, extensions) = (request.uri(), request.headers(), request.extensions());
        let method = endpoints.methods().of(request.method());
        let scheme = Scheme::of(uri);
        let version = Version::of(request.version());
        let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let endpoint = endpoints.get(route, method, scheme, version);
        endpoint.active.add(1);

        let peer = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| peer.0);
        let sampling = || {
            let mut attributes = Vec::with_capacity(ATTRIBUTES);
            attributes.extend_from_slice(endpoint.series.attributes());
            attributes.push(KeyValue::new(URL_PATH, path(uri, endpoint.route.as_ref())));
            if let Some(query) = uri.query() {
                attributes.push(KeyValue::new(
                    URL_QUERY,
                    redaction::query(query).into_owned(),
                ));
            }
            if let Some((address, port)) = server(uri, headers) {
                attributes.push(KeyValue::new(SERVER_ADDRESS, address));
                // Without a port it is the scheme's, but only a request that names its scheme says which.
                let default = uri.scheme().map(|_| scheme.default_port());
                let port = port.or(default).map(i64::from);
                attributes.extend(port.map(|port| KeyValue::new(SERVER_PORT, port)));
            }
            if let Some(peer) = peer {
                // The peer's own address: whatever a client writes into `Forwarded` is not believed.
                attributes.push(KeyValue::new(CLIENT_ADDRESS, shared_address(peer.ip())));
            }
            if let Some(user_agent) = headers.get(USER_AGENT) {
                attributes.push(KeyValue::new(
                    USER_AGENT_ORIGINAL,
                    shared(user_agent.as_bytes()),
                ));
            }
            attributes
        };
        let parent = propagator.extract(&Received(headers));
        let start = Start {
            kind: SpanKind::Server,
            name: endpoint.span_name.clone(),
            parent: &parent,
        };
        let operation = Operation::start(tracer, start, sampling, |span| {
            if let Some(peer) = peer {
                span.set_attribute(KeyValue::new(
                    NETWORK_PEER_ADDRESS,
                    shared_address(peer.ip()),
                ));
                span.set_attribute(KeyValue::new(NETWORK_PEER_PORT, i64::from(peer.port())));
            }
            if !endpoints.methods().is_known(method) {
                let original = request.method().as_str().to_owned();
                span.set_attribute(KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, original));
            }
        });
        let outcome = Outcome {
            failure: Some(Failure::Cancelled),
            ..Outcome::NOTHING
        };
        Self {
            operation,
            endpoint,
            method: request.method().clone(),
            outcome,
        }
    }

    /// Runs a part of the request with its span as the current one. If that panics, it is known here: afterwards,
    /// a request that unwinds cannot be told from one that is dropped.
    pub(super) fn enter<R>(&mut self, part: impl FnOnce() -> R) -> R {
        self.outcome.failure = Some(Failure::Panic);
        let attached = self.operation.context().clone().attach();
        let result = part();
        drop(attached);
        self.outcome.failure = Some(Failure::Cancelled);
        result
    }

    pub(super) fn method(&self) -> &http::Method {
        &self.method
    }

    /// The response's head is there.
    pub(super) fn answered(&mut self, status: http::StatusCode) {
        self.outcome.status = Some(status.as_u16());
    }

    pub(super) fn complete(mut self) {
        self.outcome.failure = None;
    }

    pub(super) fn fail(mut self, failure: Failure) {
        self.outcome.failure = Some(failure);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.active.add(-1);
        let failure = self.outcome.failure;
        self.operation
            .end(&self.endpoint.series, self.outcome, [], || {
                Cow::Borrowed(match failure {
                    Some(Failure::Panic) => "the service panicked",
                    Some(Failure::Cancelled) => "dropped before the whole response was sent",
                    Some(Failure::ResponseBody) => "the response body ended with an error",
                    _ => "the service returned an error",
                })
            });
    }
}

/// Most paths are their route, whose string is there already.
fn path(uri: &Uri, route: Option<&Arc<str>>) -> StringValue {
    match route {
        Some(route) if **route == *uri.path() => route.clone().into(),
        _ => uri.path().to_owned().into(),
    }
}

/// RFC 9112, 3.2.2: the authority of the target counts, if there is one (absolute-form, HTTP/2), before `Host`.
fn server(uri: &Uri, headers: &HeaderMap) -> Option<Server> {
    match uri.authority() {
        Some(authority) => shared_host(authority.as_str().as_bytes()),
        None => shared_host(headers.get(HOST)?.as_bytes()),
    }
}
