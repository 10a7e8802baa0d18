//! What a list shows of a trace: counted row by row, without the spans' bodies.

use std::{
    collections::{BTreeMap, HashSet},
    ops::AddAssign,
};

use rusqlite::Result;

use super::{
    reader::{Found, Reader},
    schema::PLACE,
};
use crate::model::{id::TraceId, message, span::StatusCode};

/// A trace in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) id: TraceId,
    /// When the first span began, in nanoseconds since 1970-01-01 UTC.
    pub(crate) start_unix_nanos: u64,
    /// Nanoseconds from the first start to the last end.
    pub(crate) duration_nanos: u64,
    /// Service and name of the first span without a parent.
    pub(crate) root: Option<(String, String)>,
    /// By name.
    pub(crate) services: BTreeMap<String, Spans>,
    pub(crate) spans: Spans,
    /// Spans whose parent is not in the trace.
    pub(crate) orphans: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) all: usize,
    /// Those whose status is an error.
    pub(crate) errors: usize,
}

impl Outline {
    /// As [`Trace::is_complete`](crate::Trace::is_complete) has it.
    pub(crate) fn is_complete(&self) -> bool {
        self.root.is_some() && self.orphans == 0
    }
}

impl AddAssign for Spans {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.errors += other.errors;
    }
}

/// None if the trace has gone.
pub(super) fn outline(reader: &mut Reader, found: Found) -> Result<Option<Outline>> {
    let (connection, known) = reader.parts();
    let sql = "SELECT id, parent, start, duration, status, operation FROM span WHERE number BETWEEN ?1 AND ?2 - 1";
    let mut find = connection.prepare_cached(sql)?;
    let mut rows = find.query([found.number << PLACE, (found.number + 1) << PLACE])?;
    let error = message::status_code(StatusCode::Error);
    let (mut first, mut end, mut spans) = (u64::MAX, 0_u64, Spans::default());
    let (mut ids, mut parents) = (HashSet::new(), Vec::new());
    let (mut root, mut by_operation) = (None, BTreeMap::<i64, Spans>::new());
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        let (start, duration) = (
            row.get::<_, i64>(2)?.cast_unsigned(),
            row.get::<_, i64>(3)?.cast_unsigned(),
        );
        let operation = row.get(5)?;
        first = first.min(start);
        end = end.max(start.saturating_add(duration));
        let one = Spans {
            all: 1,
            errors: usize::from(row.get::<_, i32>(4)? == error),
        };
        spans += one;
        *by_operation.entry(operation).or_default() += one;
        ids.insert(id);
        match parent {
            Some(parent) => parents.push(parent),
            None if root.is_none_or(|(other, first, _)| (start, id) < (other, first)) => {
                root = Some((start, id, operation));
            }
            None => {}
        }
    }
    drop(rows);
    let mut services = BTreeMap::new();
    for (operation, spans) in by_operation {
        let service = known.operation(connection, operation)?.service.clone();
        *services.entry(service).or_default() += spans;
    }
    let root = match root {
        None => None,
        Some((_, _, operation)) => {
            let operation = known.operation(connection, operation)?;
            Some((operation.service.clone(), operation.name.clone()))
        }
    };
    parents.retain(|parent| !ids.contains(parent));
    Ok((spans.all > 0).then(|| Outline {
        id: found.id,
        start_unix_nanos: first,
        duration_nanos: end.saturating_sub(first),
        root,
        services,
        spans,
        orphans: parents.len(),
    }))
}
