//! A request that is being put together.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::Tracer;
use reqwest::{Body, Request, Response};
use serde::Serialize;

use super::{Client, FetchError};

/// A request of a [`Client`], put together as with [`reqwest::RequestBuilder`].
///
/// Its methods do what reqwest's methods of the same names do. [`with`](Self::with) reaches all others. An invalid part,
/// such as a text that is not a URL, is an error of [`send`](Self::send), [`fetch`](Self::fetch) and
/// [`build`](Self::build).
#[must_use = "a request is not sent until `send` or `fetch` is called"]
#[derive(Debug)]
pub struct RequestBuilder<T> {
    client: Client<T>,
    request: reqwest::RequestBuilder,
}

impl<T> RequestBuilder<T> {
    pub(super) fn new(client: Client<T>, request: reqwest::RequestBuilder) -> Self {
        Self { client, request }
    }

    /// Changes the request with any method of reqwest's builder.
    ///
    /// It is the way to the methods that need a feature of reqwest, such as `form` and `multipart`: the features of the
    /// caller's own `reqwest` count.
    ///
    /// ```
    /// # fn form<T>(client: instrumentation::client::Client<T>) {
    /// let request = client
    ///     .get("http://stock:8082/orders")
    ///     .with(|request| request.version(reqwest::Version::HTTP_11));
    /// # }
    /// ```
    pub fn with(
        mut self,
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Self {
        self.request = change(self.request);
        self
    }

    /// Adds a header. The propagator's headers (`traceparent`, …) are replaced when the request is sent.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K, Error: Into<http::Error>>,
        HeaderValue: TryFrom<V, Error: Into<http::Error>>,
    {
        self.with(|request| request.header(name, value))
    }

    /// Sets all `headers`; those of the same names are replaced.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|request| request.headers(headers))
    }

    /// Sets the header `Authorization` to `Bearer` and this token. The token is not recorded in the span.
    pub fn bearer_auth(self, token: impl Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// Adds to the query of the URL. The span shows it in `url.full`, redacted.
    pub fn query(self, query: &(impl Serialize + ?Sized)) -> Self {
        self.with(|request| request.query(query))
    }

    /// Sets the body to `value` as JSON, and `Content-Type` if it is not set.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        self.with(|request| request.json(value))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// Sets a time limit, from the call until the last byte of the response's body. If [`Client::within`] has set one as
    /// well, the shorter of the two counts.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with(|request| request.timeout(limit))
    }

    /// Returns the request for [`Client::execute`] or [`Client::fetch`].
    ///
    /// # Errors
    ///
    /// A part of the request is invalid.
    pub fn build(self) -> Result<Request, reqwest::Error> {
        self.request.build()
    }
}

impl<T> RequestBuilder<T>
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    /// Sends the request, and returns when the head of the response has arrived. See [`Client::execute`].
    ///
    /// # Errors
    ///
    /// Those of reqwest, unchanged. If a part of the request is invalid, there is no request, and nothing is recorded.
    pub async fn send(self) -> Result<Response, reqwest::Error> {
        self.client.execute(self.request.build()?).await
    }

    /// Sends the request, and reads the body of the response as a part of it. See [`Client::fetch`].
    ///
    /// # Errors
    ///
    /// [`FetchError`], also if the body is longer than `limit` bytes. If a part of the request is invalid, nothing is
    /// recorded.
    pub async fn fetch(self, limit: usize) -> Result<http::Response<Bytes>, FetchError> {
        let request = self.request.build().map_err(FetchError::Request)?;
        self.client.fetch(request, limit).await
    }
}
