//! Who called whom: the spans of a trace in the order in which a tree of them is printed.
//!
//! The tree is a list of rows that know their depth, not nodes within nodes: a chain of a million spans (a loop
//! that forgot to end its spans makes one) would overflow the stack of whatever walks, prints or frees the latter.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use crate::{id::SpanId, span::Span};

/// The rows of a tree, parents before their children, children by start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tree {
    /// Every span of the trace, once.
    pub rows: Vec<Row>,
}

/// A span and its place in the tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The span.
    pub span: Arc<Span>,
    /// Edges up to the root of its tree; 0 for a root. Not bounded: whoever indents by it has to.
    pub depth: usize,
    /// The parent's place in [`Tree::rows`], always before this row; none for a root.
    pub parent: Option<usize>,
    /// Whether no sibling follows, which is what decides between `├` and `└`.
    pub last: bool,
    /// Why it has no parent here although it names one.
    pub orphan: Option<Orphan>,
}

/// Why a span that names a parent stands at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Orphan {
    /// The parent has not arrived: it is late, was lost or not sampled, or is sent elsewhere.
    Missing,
    /// The span is its own ancestor; the circle is cut at its first span by start.
    Cycle,
}

/// Builds the tree of `spans`, which have distinct ids. Time grows with n log n, the stack not at all.
pub(crate) fn tree(spans: &[Arc<Span>]) -> Tree {
    let mut spans: Vec<&Arc<Span>> = spans.iter().collect();
    spans.sort_by_key(|span| (span.start_unix_nanos, span.span_id));

    let places: HashMap<SpanId, usize> = spans
        .iter()
        .enumerate()
        .map(|(place, span)| (span.span_id, place))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    for (place, span) in spans.iter().enumerate() {
        match span.parent_span_id.map(|parent| places.get(&parent)) {
            None => roots.push((place, None)),
            Some(None) => roots.push((place, Some(Orphan::Missing))),
            Some(Some(&parent)) => children[parent].push(place),
        }
    }

    let mut rows = Vec::with_capacity(spans.len());
    let mut placed = vec![false; spans.len()];
    for &(place, orphan) in &roots {
        place_tree(&spans, &children, place, orphan, &mut placed, &mut rows);
    }
    // What no root leads to hangs on a circle.
    for place in 0..spans.len() {
        if !placed[place] {
            let start = on_circle(&spans, &places, place);
            place_tree(
                &spans,
                &children,
                start,
                Some(Orphan::Cycle),
                &mut placed,
                &mut rows,
            );
        }
    }
    mark_last(&mut rows);
    Tree { rows }
}

/// Puts `root` and all below it into `rows`, without recursion.
fn place_tree(
    spans: &[&Arc<Span>],
    children: &[Vec<usize>],
    root: usize,
    orphan: Option<Orphan>,
    placed: &mut [bool],
    rows: &mut Vec<Row>,
) {
    let mut pending = vec![(root, 0, None, orphan)];
    while let Some((place, depth, parent, orphan)) = pending.pop() {
        if std::mem::replace(&mut placed[place], true) {
            continue; // the edge that closes a circle
        }
        let row = rows.len();
        rows.push(Row {
            span: spans[place].clone(),
            depth,
            parent,
            last: false,
            orphan,
        });
        pending.extend(
            children[place]
                .iter()
                .rev()
                .map(|&child| (child, depth + 1, Some(row), None)),
        );
    }
}

/// Follows the parents of `place` into the circle they end in; the first span of that circle by start.
fn on_circle(spans: &[&Arc<Span>], places: &HashMap<SpanId, usize>, place: usize) -> usize {
    let parent = |place: usize| {
        spans[place]
            .parent_span_id
            .and_then(|parent| places.get(&parent))
            .copied()
            .unwrap_or(place)
    };
    let mut seen = std::collections::HashSet::new();
    let mut inside = place;
    while seen.insert(inside) {
        inside = parent(inside);
    }
    let mut first = inside;
    let mut next = parent(inside);
    while next != inside {
        first = first.min(next);
        next = parent(next);
    }
    first
}

/// The last row of each parent, and the last root, have no sibling after them.
fn mark_last(rows: &mut [Row]) {
    let last: HashMap<Option<usize>, usize> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (row.parent, place))
        .collect();
    for place in last.into_values() {
        rows[place].last = true;
    }
}
