//! A request from its start to its end, however it ends.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry::trace::{SpanBuilder, SpanKind, Tracer};
use opentelemetry::{Context, KeyValue};
use reqwest::{Request, Response};

use super::cause::root_cause;
use super::{FetchError, Target};
use crate::attribute::{
    HTTP_REQUEST_METHOD_ORIGINAL, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT,
    NETWORK_PROTOCOL_VERSION, URL_FULL,
};
use crate::failure::Failure;
use crate::method::Methods;
use crate::operation::Operation;
use crate::protocol::Version;
use crate::redaction;
use crate::reuse;
use crate::series::Outcome;

/// Most attributes of a client's span, so that one allocation holds them.
const ATTRIBUTES: usize = 10;

/// A request that has started. Dropping it ends it, so a caller that gives up leaves no open span. That is not an error.
pub(super) struct Call {
    operation: Operation,
    target: Arc<Target>,
    outcome: Outcome,
    peer: Option<SocketAddr>,
    description: String,
}

impl Call {
    pub(super) fn start<T>(
        tracer: &T,
        methods: &Methods,
        target: Arc<Target>,
        request: &Request,
        parent: &Context,
    ) -> Self
    where
        T: Tracer,
        T::Span: Send + Sync + 'static,
    {
        let method = target.method;
        // Conventions, *Name*: the method alone, since a client knows no route, and a path would make endless names.
        let span = SpanBuilder::from_name(methods.span_name(method)).with_kind(SpanKind::Client);
        let attributes = || {
            let mut attributes = Vec::with_capacity(ATTRIBUTES);
            attributes.extend_from_slice(target.series.attributes());
            let url = redaction::url(request.url()).into_owned();
            attributes.push(KeyValue::new(URL_FULL, url));
            if !methods.is_known(method) {
                let original = request.method().as_str().to_owned();
                attributes.push(KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, original));
            }
            attributes
        };
        Self {
            operation: Operation::start(tracer, span, parent, attributes),
            target,
            outcome: Outcome::default(),
            peer: None,
            description: String::new(),
        }
    }

    /// The context whose span is the request's.
    pub(super) fn context(&self) -> &Context {
        self.operation.context()
    }

    /// Takes what the head of the response says, or why there is none.
    pub(super) fn answered(&mut self, answer: &Result<Response, reqwest::Error>) {
        match answer {
            Ok(response) => {
                self.peer = response.remote_addr();
                self.outcome.status = Some(response.status().as_u16());
                self.outcome.version = Some(Version::of(response.version()));
            }
            Err(error) => self.failed(Failure::of(error), root_cause(error)),
        }
    }

    /// Takes why there is no body. An error of the head is known already.
    pub(super) fn fetched(&mut self, fetched: &Result<http::Response<Bytes>, FetchError>) {
        match fetched {
            Ok(_) | Err(FetchError::Request(_)) => {}
            Err(FetchError::Body(error)) => self.failed(Failure::of_body(error), root_cause(error)),
            Err(error @ FetchError::TooLong) => {
                self.failed(Failure::RESPONSE_TOO_LONG, error.to_string());
            }
        }
    }

    fn failed(&mut self, failure: Failure, description: String) {
        self.outcome.failure = Some(failure);
        self.description = description;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let description = std::mem::take(&mut self.description);
        let (outcome, series) = (self.outcome, &self.target.series);
        self.operation.end(series, outcome, |span| {
            if let Some(version) = outcome.version.and_then(Version::label) {
                span.set_attribute(KeyValue::new(NETWORK_PROTOCOL_VERSION, version));
            }
            // The peer of the connection: a proxy, where there is one.
            if let Some(peer) = self.peer {
                let address = reuse::address(peer.ip());
                span.set_attribute(KeyValue::new(NETWORK_PEER_ADDRESS, address));
                span.set_attribute(KeyValue::new(NETWORK_PEER_PORT, i64::from(peer.port())));
            }
            description.into()
        });
    }
}
