//! A trace that is read while it is answered, page by page: a large one takes no more memory than a small one.

use std::{collections::HashSet, sync::Arc};

use super::{Found, Store};
use crate::model::{
    id::{SpanId, TraceId},
    span::Span,
    trace::Trace,
};

/// The spans of a trace in pages.
pub(crate) trait Pages {
    fn id(&self) -> TraceId;

    /// The spans by start.
    fn pages(&self) -> impl Iterator<Item = Vec<Arc<Span>>>;

    /// Those of `ids` that are neither in `page` nor anywhere else in the trace.
    fn missing(&self, page: &[Arc<Span>], ids: HashSet<SpanId>) -> HashSet<SpanId>;
}

/// In memory, it is one page.
impl Pages for Trace {
    fn id(&self) -> TraceId {
        self.id
    }

    fn pages(&self) -> impl Iterator<Item = Vec<Arc<Span>>> {
        std::iter::once(self.spans.clone())
    }

    fn missing(&self, page: &[Arc<Span>], ids: HashSet<SpanId>) -> HashSet<SpanId> {
        without(page, ids)
    }
}

/// A trace in the store.
pub(crate) struct Stored {
    store: Arc<Store>,
    found: Found,
}

impl Stored {
    /// The trace `id`, if it is there.
    pub(crate) fn find(store: &Arc<Store>, id: TraceId) -> Option<Self> {
        store.find(id).map(|found| Self::new(store, found))
    }

    /// One that was found.
    pub(crate) fn new(store: &Arc<Store>, found: Found) -> Self {
        Self {
            store: store.clone(),
            found,
        }
    }
}

impl Pages for Stored {
    fn id(&self) -> TraceId {
        self.found.id
    }

    fn pages(&self) -> impl Iterator<Item = Vec<Arc<Span>>> {
        self.store.pages(self.found)
    }

    fn missing(&self, page: &[Arc<Span>], ids: HashSet<SpanId>) -> HashSet<SpanId> {
        match without(page, ids) {
            none if none.is_empty() => none,
            ids => self.store.missing(self.found, ids),
        }
    }
}

fn without(page: &[Arc<Span>], mut ids: HashSet<SpanId>) -> HashSet<SpanId> {
    for span in page {
        ids.remove(&span.span_id);
    }
    ids
}
