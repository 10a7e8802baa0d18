//! A body whose transfer is watched.
//!
//! Without it a connection would not know whether a handler waits for a request's body, and whether a client reads a
//! response's.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// A body, and a function that each of its polls passes through.
pub(crate) struct Watched<B: Body, F: FnMut(Polled<B>) -> Polled<B>>(pub(crate) B, pub(crate) F);

impl<B: Body + Unpin, F: FnMut(Polled<B>) -> Polled<B> + Unpin> Body for Watched<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<B> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        (self.1)(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
