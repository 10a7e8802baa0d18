//! A response body that is watched until its end, which is the end of the request.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::request::InFlight;
use crate::failure::Failure;

/// Longest body in bytes that is taken to be in memory as a whole. The connection takes such a body together with the
/// head, so watching it would measure nothing and cost an allocation a request.
const IN_MEMORY: u64 = 64 * 1024;

/// Ends the request, or returns a response that ends it with its body if there is a body to wait for.
pub(super) fn respond<B>(response: http::Response<B>, mut in_flight: InFlight) -> Response
where
    B: Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    in_flight.answered(response.status());
    let body = response.body();
    let length = body.size_hint().exact();
    let is_ready = body.is_end_stream() || length.is_some_and(|length| length <= IN_MEMORY);
    if is_ready || has_no_body(in_flight.method(), response.status()) {
        in_flight.complete();
        return response.map(axum::body::Body::new);
    }
    let remaining = length.or_else(|| announced(response.headers()));
    let in_flight = Some(in_flight);
    response.map(|inner| {
        axum::body::Body::new(Watched {
            inner,
            in_flight,
            remaining,
        })
    })
}

/// The length that the head promises. The connection takes no more bytes than that, then drops the body.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the response has no body by its method and status (RFC 9112, 6.3). The connection then drops what is there.
fn has_no_body(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || method == Method::CONNECT && status.is_success()
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

pin_project! {
    struct Watched<B> {
        #[pin]
        inner: B,
        // `None` once the request has ended.
        in_flight: Option<InFlight>,
        // Bytes that are still to come, if their number is known.
        remaining: Option<u64>,
    }
}

impl<B: Body<Data = Bytes>> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(mut in_flight) = this.in_flight.take() else {
            return this.inner.poll_frame(cx);
        };
        let poll = in_flight.enter(|| this.inner.as_mut().poll_frame(cx));
        let is_last = match &poll {
            Poll::Pending => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) => {
                in_flight.fail(Failure::RESPONSE_BODY);
                return poll;
            }
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                *this.remaining = this.remaining.map(|left| left.saturating_sub(length));
                // A connection that has taken the last byte need not ask for the end.
                *this.remaining == Some(0) || frame.is_trailers() || this.inner.is_end_stream()
            }
        };
        if is_last {
            in_flight.complete();
        } else {
            *this.in_flight = Some(in_flight);
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
