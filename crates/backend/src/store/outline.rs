//! What a list shows of a trace: counted row by row, without the spans' bodies.

use std::{
    collections::{BTreeMap, HashSet},
    ops::AddAssign,
};

use rusqlite::{Connection, Result};

use super::{
    reader::{Found, Known, Reader},
    row,
    schema::PLACE,
};
use crate::model::{
    decode,
    id::TraceId,
    message,
    span::{StatusCode, is_called_from_outside},
};

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
    /// The first span whose parent is not in the trace, where there is no root.
    pub(crate) called: Option<Called>,
    /// Spans at which an error begins: those whose children have none.
    pub(crate) failures: usize,
    /// Service and name of the one of these that ended first.
    pub(crate) failed: Option<(String, String)>,
    /// By name.
    pub(crate) services: BTreeMap<String, Spans>,
    pub(crate) spans: Spans,
    /// Spans whose parent is not in the trace.
    pub(crate) orphans: usize,
}

/// A span whose parent is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) service: String,
    pub(crate) name: String,
    /// Whether the caller is another process: the span says so, or answers a request or a message.
    pub(crate) from_outside: bool,
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
    let (mut failed, mut callers) = (Vec::new(), HashSet::new());
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        let (start, duration) = (
            row.get::<_, i64>(2)?.cast_unsigned(),
            row.get::<_, i64>(3)?.cast_unsigned(),
        );
        let operation = row.get(5)?;
        first = first.min(start);
        end = end.max(start.saturating_add(duration));
        let is_error = row.get::<_, i32>(4)? == error;
        if is_error {
            failed.push((start.saturating_add(duration), id, operation));
            callers.extend(parent.filter(|parent| *parent != id));
        }
        let one = Spans {
            all: 1,
            errors: usize::from(is_error),
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
    parents.retain(|parent| !ids.contains(parent));
    let called = match root {
        None if !parents.is_empty() => first_called(connection, known, found, &ids)?,
        _ => None,
    };
    failed.retain(|(_, id, _)| !callers.contains(id));
    let mut name = |operation| -> Result<_> {
        let operation = known.operation(connection, operation)?;
        Ok((operation.service.clone(), operation.name.clone()))
    };
    let root = root.map(|(_, _, operation)| name(operation)).transpose()?;
    let failures = failed.len();
    let failed = failed.into_iter().min();
    let failed = failed
        .map(|(_, _, operation)| name(operation))
        .transpose()?;
    Ok((spans.all > 0).then(|| Outline {
        id: found.id,
        start_unix_nanos: first,
        duration_nanos: end.saturating_sub(first),
        root,
        called,
        failures,
        failed,
        services,
        spans,
        orphans: parents.len(),
    }))
}

/// Of spans of which `ids` are there.
fn first_called(
    connection: &Connection,
    known: &mut Known,
    found: Found,
    ids: &HashSet<i64>,
) -> Result<Option<Called>> {
    let sql = "SELECT parent, operation, body FROM span WHERE number BETWEEN ?1 AND ?2 - 1 ORDER BY start, id";
    let mut find = connection.prepare_cached(sql)?;
    let mut rows = find.query([found.number << PLACE, (found.number + 1) << PLACE])?;
    while let Some(row) = rows.next()? {
        let parent: Option<i64> = row.get(0)?;
        if parent.is_none_or(|parent| ids.contains(&parent)) {
            continue;
        }
        let operation = known.operation(connection, row.get(1)?)?;
        let body = row.get_ref(2)?.as_blob()?;
        return Ok(Some(Called {
            service: operation.service.clone(),
            name: operation.name.clone(),
            from_outside: is_called_from_outside(decode::kind_of(operation.kind), row::flags(body)),
        }));
    }
    Ok(None)
}
