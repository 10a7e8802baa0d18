//! A body whose transfer is watched: requests' and responses' bodies would else move without the connection's knowledge.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// A body each of whose polls passes through a function.
pub(crate) struct Watched<B, F> {
    body: B,
    watch: F,
}

impl<B, F> Watched<B, F>
where
    B: Body,
    F: FnMut(Polled<B>) -> Polled<B>,
{
    pub(crate) fn new(body: B, watch: F) -> Self {
        Self { body, watch }
    }
}

impl<B, F> Body for Watched<B, F>
where
    B: Body + Unpin,
    F: FnMut(Polled<B>) -> Polled<B> + Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<B> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        (self.watch)(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
