//! Who called whom: the spans of a trace in the order in which a tree of them is printed.
//!
//! The tree is a list of rows that know their depth, not nodes within nodes: a chain of a million spans (a loop
//! that forgot to end its spans makes one) would overflow the stack of whatever walks, prints or frees the latter.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use crate::model::{id::SpanId, span::Span};

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
    let mut seen = HashSet::new();
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

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, option, prelude::*};

    use super::*;
    use crate::{Attributes, Scope, SpanKind, Status, model::resource::Resource};

    /// A span with an id, a parent and a start; only these matter here.
    fn span(id: u64, parent: Option<u64>, start_unix_nanos: u64) -> Arc<Span> {
        let span_id = |id: u64| SpanId::try_from(id.to_be_bytes().as_slice()).unwrap();
        Arc::new(Span {
            trace_id: [1; 16].as_slice().try_into().unwrap(),
            span_id: span_id(id),
            parent_span_id: parent.map(span_id),
            trace_state: String::new(),
            flags: 0,
            name: id.to_string(),
            kind: SpanKind::Internal,
            start_unix_nanos,
            end_unix_nanos: 0,
            status: Status::default(),
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
            events: vec![],
            dropped_events_count: 0,
            links: vec![],
            dropped_links_count: 0,
            resource: Arc::new(Resource::default()),
            scope: Arc::new(Scope::default()),
        })
    }

    /// One line a row: branches as `last` has them, the name, and why it is an orphan.
    fn drawn(spans: &[Arc<Span>]) -> Vec<String> {
        let rows = tree(spans).rows.into_iter().map(|row| {
            let branch = if row.last { "└" } else { "├" };
            let orphan = row
                .orphan
                .map(|orphan| format!(" {orphan:?}"))
                .unwrap_or_default();
            format!("{}{branch}{}{orphan}", " ".repeat(row.depth), row.span.name)
        });
        rows.collect()
    }

    #[test]
    fn children_follow_their_parent_by_start() {
        let spans = [
            span(4, Some(2), 3),
            span(3, Some(1), 9),
            span(1, None, 1),
            span(5, Some(1), 1),
            span(2, Some(1), 2),
        ];
        assert_eq!(drawn(&spans), ["└1", " ├5", " ├2", "  └4", " └3"]);
    }

    #[test]
    fn spans_without_their_parent_are_roots_in_order_of_start() {
        let spans = [
            span(1, None, 5),
            span(2, Some(9), 1),
            span(3, Some(2), 7),
            span(4, None, 6),
        ];
        assert_eq!(drawn(&spans), ["├2 Missing", " └3", "├1", "└4"]);
    }

    #[test]
    fn a_span_that_is_its_own_parent_is_a_root() {
        assert_eq!(
            drawn(&[span(1, Some(1), 0), span(2, Some(1), 0)]),
            ["└1 Cycle", " └2"]
        );
    }

    #[test]
    fn a_circle_is_cut_at_its_first_span_and_what_hangs_on_it_stays_on_it() {
        let circle = [
            span(1, None, 0),
            span(2, Some(4), 20),
            span(3, Some(2), 10),
            span(4, Some(3), 30),
            span(5, Some(4), 1), // no part of the circle, although it starts first
        ];
        assert_eq!(drawn(&circle), ["├1", "└3 Cycle", " └4", "  ├5", "  └2"]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_spans_is_no_trouble() {
        const LENGTH: u64 = 100_000;
        let spans: Vec<_> = (1..=LENGTH)
            .rev()
            .map(|id| span(id, (id > 1).then(|| id - 1), 0))
            .collect();
        let rows = tree(&spans).rows;
        assert!(
            rows.iter()
                .enumerate()
                .all(|(place, row)| row.depth == place)
        );
        assert_eq!(rows.len() as u64, LENGTH);

        let closed: Vec<_> = (1..=LENGTH)
            .map(|id| span(id, Some(id % LENGTH + 1), 0))
            .collect();
        let rows = tree(&closed).rows;
        assert_eq!(rows.last().map(|row| row.depth as u64), Some(LENGTH - 1));
    }

    proptest! {
        #[test]
        fn every_span_stands_once_below_the_parent_it_names(
            spans in btree_map(1..20_u64, (option::of(1..25_u64), 0..5_u64), 0..20)
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(id, (parent, start))| span(id, parent, start)).collect();
            let rows = tree(&spans).rows;

            let mut ids: Vec<_> = rows.iter().map(|row| row.span.span_id).collect();
            ids.sort();
            prop_assert_eq!(ids, spans.iter().map(|span| span.span_id).collect::<Vec<_>>());
            for (place, row) in rows.iter().enumerate() {
                match row.parent {
                    Some(parent) => {
                        prop_assert!(parent < place);
                        prop_assert_eq!(rows[parent].depth + 1, row.depth);
                        prop_assert_eq!(Some(rows[parent].span.span_id), row.span.parent_span_id);
                        prop_assert_eq!(row.orphan, None);
                    }
                    None => {
                        prop_assert_eq!(row.depth, 0);
                        let named = row.span.parent_span_id;
                        let there = named.is_some_and(|named| rows.iter().any(|row| row.span.span_id == named));
                        let why = match (named, there) {
                            (None, _) => None,
                            (Some(_), false) => Some(Orphan::Missing),
                            (Some(_), true) => Some(Orphan::Cycle),
                        };
                        prop_assert_eq!(row.orphan, why);
                    }
                }
                let later_sibling = rows[place + 1..].iter().any(|later| later.parent == row.parent);
                prop_assert_eq!(row.last, !later_sibling);
            }
        }
    }
}
