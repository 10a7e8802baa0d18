//! A response body that is watched to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::request::InFlight;
use crate::failure::Failure;

/// A body known to be no longer than this is taken to be in memory as a whole. To watch it would cost an
/// allocation a request, and measure nothing: the connection takes it together with the head.
const IN_MEMORY: u64 = 64 * 1024;

/// The response as it goes out. The request ends here, or with the body if there is one to wait for.
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
    // As the connection does: it takes no more than was announced, then drops the body.
    let announced = || {
        response
            .headers()
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    let remaining = length.or_else(announced);
    response.map(|inner| {
        let in_flight = Some(in_flight);
        axum::body::Body::new(Watched {
            inner,
            in_flight,
            remaining,
        })
    })
}

/// RFC 9112, 6.3: the connection sends nothing of such a body, and drops it.
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
        in_flight: Option<InFlight>,
        // Bytes to come, where they are known.
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
        let Poll::Ready(frame) = in_flight.enter(|| this.inner.as_mut().poll_frame(cx)) else {
            *this.in_flight = Some(in_flight);
            return Poll::Pending;
        };
        match &frame {
            None => in_flight.complete(),
            Some(Err(_)) => in_flight.fail(Failure::ResponseBody),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                *this.remaining = this
                    .remaining
                    .map(|remaining| remaining.saturating_sub(length));
                // Whoever took the last byte does not have to ask for the end.
                let is_last =
                    *this.remaining == Some(0) || frame.is_trailers() || this.inner.is_end_stream();
                if is_last {
                    in_flight.complete();
                } else {
                    *this.in_flight = Some(in_flight);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
