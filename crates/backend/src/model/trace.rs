//! A trace: the spans that share an id, as far as they have arrived.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde::Serialize;

use crate::model::{
    id::TraceId,
    span::Span,
    tree::{Tree, tree},
};

/// The spans of one trace at one moment; later arrivals do not change it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// The id they share.
    pub id: TraceId,
    /// The spans, by start, then by id; each id once.
    pub spans: Vec<Arc<Span>>,
}

impl Trace {
    pub(crate) fn new(id: TraceId, mut spans: Vec<Arc<Span>>) -> Self {
        spans.sort_by_key(|span| (span.start_unix_nanos, span.span_id));
        Self { id, spans }
    }

    /// The spans as a tree.
    pub fn tree(&self) -> Tree {
        tree(&self.spans)
    }

    /// The first span without a parent.
    pub fn root(&self) -> Option<&Arc<Span>> {
        self.spans.iter().find(|span| span.parent_span_id.is_none())
    }

    /// Whether there is a root, and every parent that a span names.
    ///
    /// `false` says that something is missing so far; `true` does not say that nothing more can come: a span whose
    /// children have not ended looks the same as one that never had any. A trace that continues a caller's,
    /// whose own spans are sent elsewhere, never has its root.
    pub fn is_complete(&self) -> bool {
        let ids: HashSet<_> = self.spans.iter().map(|span| span.span_id).collect();
        self.root().is_some()
            && self
                .spans
                .iter()
                .filter_map(|span| span.parent_span_id)
                .all(|parent| ids.contains(&parent))
    }

    /// Names of the services that took part, each once, in the order of their first spans.
    pub fn services(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.spans
            .iter()
            .map(|span| span.service())
            .filter(|service| seen.insert(*service))
            .collect()
    }

    /// When the first span began, in nanoseconds since 1970-01-01 UTC; 0 without spans.
    pub fn start_unix_nanos(&self) -> u64 {
        self.spans.first().map_or(0, |span| span.start_unix_nanos)
    }

    /// From the first start to the last end.
    pub fn duration(&self) -> Duration {
        let end = self
            .spans
            .iter()
            .map(|span| span.end_unix_nanos)
            .max()
            .unwrap_or(0);
        Duration::from_nanos(end.saturating_sub(self.start_unix_nanos()))
    }
}
