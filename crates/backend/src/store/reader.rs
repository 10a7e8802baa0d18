//! A connection that reads, with what it has read lately of the tables that others refer to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Row, params};

use super::{
    row::{self, Columns, Operation, SERVICE},
    schema::SPANS_OF_TRACES,
};
use crate::model::{
    decode,
    id::TraceId,
    log::LogRecord,
    message,
    resource::{Resource, Scope},
    search,
    span::{Span, SpanKind, StatusCode},
};

/// Bytes of messages that a reader remembers. A longer one is read anew each time.
const REMEMBERED: usize = 256 << 10;

/// What a span's row is read by [`Reader::span`] from.
pub(super) const SPAN: &str =
    "id, parent, start, duration, status, operation, resource, scope, body";

pub(super) struct Reader {
    connection: Connection,
    known: Known,
}

/// Where a trace is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) number: i64,
    pub(crate) id: TraceId,
}

/// When a span was, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    pub(crate) name: Arc<str>,
    /// Of kind server or consumer.
    pub(crate) answers: bool,
    pub(crate) is_error: bool,
    pub(crate) start_nanos: u64,
    pub(crate) duration_nanos: u64,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(64);
        Self {
            connection,
            known: Known::default(),
        }
    }

    /// What `work` reads, all of one moment.
    pub(super) fn at_once<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.prepare("BEGIN")?.execute([])?;
        let done = work(self);
        self.prepare("COMMIT")?.execute([])?;
        done
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }

    /// The connection, and what has been read: both are needed while rows are.
    pub(super) fn parts(&mut self) -> (&Connection, &mut Known) {
        (&self.connection, &mut self.known)
    }

    /// The trace with that id.
    pub(super) fn find(&self, id: TraceId) -> Result<Option<Found>> {
        let mut find = self.prepare("SELECT number FROM trace WHERE id = ?1")?;
        let number = find
            .query_row([id.to_bytes()], |row| row.get(0))
            .optional()?;
        Ok(number.map(|number| Found { number, id }))
    }

    /// The trace that arrived next after the one with the number `after`.
    pub(super) fn next(&self, after: i64) -> Result<Option<Found>> {
        self.first(
            "SELECT number, id FROM trace WHERE number > ?1 ORDER BY number LIMIT 1",
            after,
        )
    }

    /// The oldest trace with at least so many spans.
    pub(super) fn find_with(&self, spans: usize) -> Result<Option<Found>> {
        let spans = i64::try_from(spans).unwrap_or(i64::MAX);
        self.first(
            "SELECT number, id FROM trace WHERE spans >= ?1 ORDER BY number LIMIT 1",
            spans,
        )
    }

    fn first(&self, sql: &str, value: i64) -> Result<Option<Found>> {
        let mut find = self.prepare(sql)?;
        let found = find.query_row([value], |row| Ok((row.get(0)?, row.get::<_, [u8; 16]>(1)?)));
        Ok(found.optional()?.and_then(|(number, id)| {
            let id = TraceId::try_from(id.as_slice()).ok()?;
            Some(Found { number, id })
        }))
    }

    /// Names of the services of which there are spans, sorted.
    pub(super) fn services(&mut self) -> Result<Vec<String>> {
        let sql = "SELECT service FROM operation WHERE kind = ?1 ORDER BY service";
        self.prepare(sql)?
            .query_map([SERVICE], |row| row.get(0))?
            .collect()
    }

    /// Names and kinds of the spans of a service, sorted.
    pub(super) fn operations(&self, service: &str) -> Result<Vec<search::Operation>> {
        let sql = "SELECT name, kind FROM operation WHERE service = ?1 AND kind >= 0";
        let mut find = self.prepare(sql)?;
        let operations = find.query_map([service], |row| {
            Ok(search::Operation {
                name: row.get(0)?,
                kind: decode::kind_of(row.get(1)?),
            })
        });
        let mut operations: Vec<_> = operations?.collect::<Result<_>>()?;
        operations.sort();
        Ok(operations)
    }

    /// The spans of a service that began after `since`; at most `limit`, those of the traces that arrived last.
    pub(super) fn timed(
        &mut self,
        service: &str,
        since: Duration,
        limit: usize,
    ) -> Result<Vec<Timed>> {
        let (connection, known) = self.parts();
        let sql = format!(
            "SELECT s.operation, s.start, s.duration, s.status FROM {SPANS_OF_TRACES}
            WHERE t.latest >= ?2 AND s.start >= ?2 AND s.operation IN (SELECT number FROM operation WHERE service = ?1)
            ORDER BY t.number DESC LIMIT ?3"
        );
        let since = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let mut find = connection.prepare_cached(&sql)?;
        let mut rows = find.query(params![
            service,
            since,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ])?;
        let (error, mut spans) = (message::status_code(StatusCode::Error), Vec::new());
        let mut names: HashMap<i64, Arc<str>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            let operation = known.operation(connection, number)?;
            let name: &Arc<str> = names
                .entry(number)
                .or_insert_with(|| operation.name.as_str().into());
            spans.push(Timed {
                answers: matches!(
                    decode::kind_of(operation.kind),
                    SpanKind::Server | SpanKind::Consumer
                ),
                name: name.clone(),
                start_nanos: row.get::<_, i64>(1)?.cast_unsigned(),
                duration_nanos: row.get::<_, i64>(2)?.cast_unsigned(),
                is_error: row.get::<_, i32>(3)? == error,
            });
        }
        Ok(spans)
    }

    /// The log records that arrived after the one with the number `after`, which is moved on.
    pub(super) fn logs_after(&mut self, after: &mut i64) -> Result<Vec<Arc<LogRecord>>> {
        const BYTES: usize = 512 << 10;
        let (connection, known) = self.parts();
        let sql = "SELECT resource, scope, body, number FROM log WHERE number > ?1 ORDER BY number";
        let mut find = connection.prepare_cached(sql)?;
        let mut rows = find.query([*after])?;
        let (mut logs, mut bytes) = (Vec::new(), 0);
        while bytes < BYTES
            && let Some(row) = rows.next()?
        {
            *after = row.get(3)?;
            bytes += row.get_ref(2)?.as_blob()?.len() + size_of::<LogRecord>();
            logs.extend(known.log(connection, row)?.map(Arc::new));
        }
        Ok(logs)
    }
}

/// Resources, scopes and operations by number. A number never gets another meaning while the process runs.
#[derive(Default)]
pub(super) struct Known {
    resources: HashMap<i64, Arc<Resource>>,
    scopes: HashMap<i64, Arc<Scope>>,
    operations: HashMap<i64, Arc<Operation>>,
    bytes: usize,
}

impl Known {
    /// The span of a row that has [`SPAN`] from column `first` on; none if the file is damaged.
    pub(super) fn span(
        &mut self,
        connection: &Connection,
        trace: TraceId,
        row: &Row<'_>,
    ) -> Result<Option<Span>> {
        let columns = Columns {
            id: row.get(0)?,
            parent: row.get(1)?,
            start: row.get(2)?,
            duration: row.get(3)?,
            status: row.get(4)?,
        };
        let operation = self.operation(connection, row.get(5)?)?;
        let resource = self.resource(connection, row.get(6)?)?;
        let scope = self.scope(connection, row.get(7)?)?;
        let body = row.get_ref(8)?.as_blob()?;
        Ok(row::decode_span(
            trace, &columns, body, &operation, &resource, &scope,
        ))
    }

    /// The log record of a row of `resource, scope, body`; none if the file is damaged.
    pub(super) fn log(
        &mut self,
        connection: &Connection,
        row: &Row<'_>,
    ) -> Result<Option<LogRecord>> {
        let resource = self.resource(connection, row.get(0)?)?;
        let scope = self.scope(connection, row.get(1)?)?;
        Ok(row::decode_log(
            row.get_ref(2)?.as_blob()?,
            &resource,
            &scope,
        ))
    }

    pub(super) fn resource(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> Result<Arc<Resource>> {
        if let Some(known) = self.resources.get(&number) {
            return Ok(known.clone());
        }
        let sql = "SELECT message FROM resource WHERE number = ?1";
        let (value, bytes) = read(connection, sql, number, row::decode_resource)?;
        if self.make_room(bytes) {
            self.resources.insert(number, value.clone());
        }
        Ok(value)
    }

    pub(super) fn scope(&mut self, connection: &Connection, number: i64) -> Result<Arc<Scope>> {
        if let Some(known) = self.scopes.get(&number) {
            return Ok(known.clone());
        }
        let sql = "SELECT message FROM scope WHERE number = ?1";
        let (value, bytes) = read(connection, sql, number, row::decode_scope)?;
        if self.make_room(bytes) {
            self.scopes.insert(number, value.clone());
        }
        Ok(value)
    }

    pub(super) fn operation(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> Result<Arc<Operation>> {
        if let Some(known) = self.operations.get(&number) {
            return Ok(known.clone());
        }
        let sql = "SELECT service, name, kind FROM operation WHERE number = ?1";
        let value = connection.prepare_cached(sql)?.query_row([number], |row| {
            Ok(Arc::new(Operation {
                service: row.get(0)?,
                name: row.get(1)?,
                kind: row.get(2)?,
            }))
        })?;
        if self.make_room(value.service.len() + value.name.len()) {
            self.operations.insert(number, value.clone());
        }
        Ok(value)
    }

    /// Forgets all when there is no room for `bytes` more. `false`: they are too many to be remembered.
    fn make_room(&mut self, bytes: usize) -> bool {
        let taken = bytes + 100; // what stands around them
        if taken > REMEMBERED / 4 {
            return false;
        }
        if self.bytes + taken > REMEMBERED {
            *self = Self::default();
        }
        self.bytes += taken;
        true
    }
}

/// A message and its length. One that the file has lost is empty.
fn read<T: Default>(
    connection: &Connection,
    sql: &str,
    number: i64,
    decode: fn(&[u8]) -> Option<T>,
) -> Result<(Arc<T>, usize)> {
    let read = connection.prepare_cached(sql)?.query_row([number], |row| {
        let message = row.get_ref(0)?.as_blob()?;
        Ok((Arc::new(decode(message).unwrap_or_default()), message.len()))
    });
    Ok(read.optional()?.unwrap_or_default())
}
