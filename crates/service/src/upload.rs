//! A request's body: no larger than it may be, and known to be on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::connection::Connection;

pin_project_lite::pin_project! {
    /// What a handler reads.
    pub(crate) struct Upload {
        #[pin]
        body: Limited<Incoming>,
        connection: Arc<Connection>,
    }
}

impl Upload {
    /// The request for the handler, whose body has at most so many bytes.
    pub(crate) fn new(
        request: Request<Incoming>,
        limit: usize,
        connection: &Arc<Connection>,
    ) -> Request<Self> {
        request.map(|body| Self {
            body: Limited::new(body, limit),
            connection: Arc::clone(connection),
        })
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = <Limited<Incoming> as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(context);
        this.connection.uploading(polled.is_pending());
        if let Poll::Ready(Some(Err(error))) = &polled
            && error.is::<LengthLimitError>()
        {
            this.connection.too_large();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
