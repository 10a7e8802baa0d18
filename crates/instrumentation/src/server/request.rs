//! A request from its arrival to its end, however it ends.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath};
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, Uri};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanBuilder, SpanKind, Tracer};
use opentelemetry::{KeyValue, StringValue};

use super::endpoint::{Endpoint, Endpoints, Kind};
use crate::attribute::{
    CLIENT_ADDRESS, HTTP_REQUEST_METHOD_ORIGINAL, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT,
    SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_QUERY, USER_AGENT_ORIGINAL,
};
use crate::failure::Failure;
use crate::headers::Received;
use crate::operation::Operation;
use crate::protocol::{Scheme, Version};
use crate::redaction;
use crate::reuse::{self, Server};
use crate::series::Outcome;

/// Most attributes of a server's span, so that one allocation holds them.
const ATTRIBUTES: usize = 16;

/// A request that counts as active. Dropping it ends it.
///
/// A request can end anywhere: the handler returns, it panics, or the client disconnects and hyper drops the future.
/// `Drop` runs in each case, so no span stays open and the count of active requests goes down again.
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
        let methods = &endpoints.instruments.methods;
        let kind = Kind {
            method: methods.of(request.method()),
            scheme: Scheme::of(uri),
            version: Version::of(request.version()),
        };
        let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let endpoint = endpoints.get(route, kind);
        endpoint.active.add(1);

        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| *peer);
        let attributes = || {
            let mut attributes = Vec::with_capacity(ATTRIBUTES);
            attributes.extend_from_slice(endpoint.series.attributes());
            attributes.push(KeyValue::new(URL_PATH, path(uri, endpoint.route.as_ref())));
            let query = uri
                .query()
                .map(|query| redaction::query(query).into_owned());
            attributes.extend(query.map(|query| KeyValue::new(URL_QUERY, query)));
            if let Some((address, port)) = server(uri, headers) {
                attributes.push(KeyValue::new(SERVER_ADDRESS, address));
                // Without a port it is the scheme's, but only a request that names its scheme says which.
                let default = uri.scheme().map(|_| kind.scheme.default_port());
                let port = port.or(default).map(i64::from);
                attributes.extend(port.map(|port| KeyValue::new(SERVER_PORT, port)));
            }
            if let Some(peer) = peer {
                let address = reuse::address(peer.ip());
                // The peer and not `Forwarded` or `X-Forwarded-For`, which any client can set.
                attributes.push(KeyValue::new(CLIENT_ADDRESS, address.clone()));
                attributes.push(KeyValue::new(NETWORK_PEER_ADDRESS, address));
                attributes.push(KeyValue::new(NETWORK_PEER_PORT, i64::from(peer.port())));
            }
            let agent = headers.get(USER_AGENT);
            let agent = agent.map(|agent| reuse::user_agent(agent.as_bytes()));
            attributes.extend(agent.map(|agent| KeyValue::new(USER_AGENT_ORIGINAL, agent)));
            if !methods.is_known(kind.method) {
                let original = request.method().as_str().to_owned();
                attributes.push(KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, original));
            }
            attributes
        };
        let parent = propagator.extract(&Received::new(headers));
        let span = SpanBuilder::from_name(endpoint.span_name.clone()).with_kind(SpanKind::Server);
        Self {
            operation: Operation::start(tracer, span, &parent, attributes),
            endpoint,
            method: request.method().clone(),
            outcome: Outcome {
                failure: Some(Failure::CANCELLED),
                ..Outcome::default()
            },
        }
    }

    /// Runs a part of the request with the request's span as the current one.
    ///
    /// A panic has to be noticed here: later, in `Drop`, a request that unwinds looks like one that is dropped.
    pub(super) fn enter<R>(&mut self, part: impl FnOnce() -> R) -> R {
        self.outcome.failure = Some(Failure::PANIC);
        let attached = self.operation.context().clone().attach();
        let result = part();
        drop(attached);
        self.outcome.failure = Some(Failure::CANCELLED);
        result
    }

    pub(super) fn method(&self) -> &http::Method {
        &self.method
    }

    /// Takes the status from the response's head. The request is still in flight.
    pub(super) fn answered(&mut self, status: http::StatusCode) {
        self.outcome.status = Some(status.as_u16());
    }

    /// Ends the request without a failure.
    pub(super) fn complete(mut self) {
        self.outcome.failure = None;
    }

    /// Ends the request with a failure.
    pub(super) fn fail(mut self, failure: Failure) {
        self.outcome.failure = Some(failure);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.active.add(-1);
        let failure = self.outcome.failure;
        self.operation
            .end(&self.endpoint.series, self.outcome, |_| {
                Cow::Borrowed(match failure {
                    Some(Failure::PANIC) => "the service panicked",
                    Some(Failure::CANCELLED) => "dropped before the whole response was sent",
                    Some(Failure::RESPONSE_BODY) => "the response body ended with an error",
                    _ => "the service returned an error",
                })
            });
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.operation.context();
        f.debug_tuple("InFlight").field(span).finish()
    }
}

/// Value of `url.path`. A path without parameters equals its route, whose string can be shared.
fn path(uri: &Uri, route: Option<&Arc<str>>) -> StringValue {
    match route {
        Some(route) if **route == *uri.path() => route.clone().into(),
        _ => uri.path().to_owned().into(),
    }
}

/// Values of `server.address` and `server.port`. An authority in the target (absolute-form, HTTP/2) counts before `Host`:
/// RFC 9112, 3.2.2.
fn server(uri: &Uri, headers: &HeaderMap) -> Option<Server> {
    reuse::host(match uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => headers.get(HOST)?.as_bytes(),
    })
}
