//! A search for log records, in steps, as [`Finder`](super::finder::Finder) has them for traces.

use std::{sync::Arc, time::Instant};

use rusqlite::{Result, params};

use super::{finder::STEP, reader::Reader, row};
use crate::model::{
    id::TraceId,
    log::LogRecord,
    search_logs::{FoundLogs, LogQuery},
};

/// Log records that one search decodes, the newest.
const LOGS: usize = 200_000;

pub(super) struct LogFinder<'a> {
    query: &'a LogQuery,
    /// Records from this number on have been looked at.
    below: i64,
    decoded: usize,
    found: Vec<Arc<LogRecord>>,
}

impl<'a> LogFinder<'a> {
    pub(super) fn new(query: &'a LogQuery) -> Self {
        Self {
            query,
            below: i64::MAX,
            decoded: 0,
            found: Vec::new(),
        }
    }

    /// Whether each record has to be looked at, and not just the newest, or those of a trace.
    pub(super) fn looks_into_records(&self) -> bool {
        let LogQuery {
            service,
            severity,
            text,
            attributes,
            ..
        } = self.query;
        service.is_some() || text.is_some() || *severity > 0 || !attributes.is_empty()
    }

    /// Goes on where the step before ended. `Some`: whether older records may match; there is no more to do.
    pub(super) fn step(&mut self, reader: &mut Reader) -> Result<Option<bool>> {
        let (start, query) = (Instant::now(), self.query);
        let (connection, known) = reader.parts();
        let of_trace = match query.trace {
            Some(_) => "trace = ?1 AND (?2 IS NULL OR span = ?2)",
            None => "true",
        };
        let sql = format!(
            "SELECT resource, scope, body, severity, number FROM log WHERE {of_trace} AND number < ?3 ORDER BY number DESC"
        );
        let mut find = connection.prepare_cached(&sql)?;
        let mut rows = find.query(params![
            query.trace.map(TraceId::to_bytes),
            query.span.map(row::number_of),
            self.below
        ])?;
        let matches = query.matcher();
        while let Some(row) = rows.next()? {
            if self.found.len() == query.limit || self.decoded == LOGS {
                return Ok(Some(true));
            }
            if start.elapsed() >= STEP {
                return Ok(None);
            }
            self.below = row.get(4)?;
            let is_severe = row.get::<_, i32>(3)? >= query.severity;
            if !is_severe {
                continue;
            }
            if let Some(service) = &query.service
                && known.resource(connection, row.get(0)?)?.service() != service
            {
                continue;
            }
            self.decoded += 1;
            let log = known.log(connection, row)?;
            self.found.extend(log.filter(&matches).map(Arc::new));
        }
        Ok(Some(false))
    }

    /// What was found; `truncated` says whether older records may match.
    pub(super) fn into_found(mut self, truncated: bool) -> FoundLogs {
        self.found.reverse();
        FoundLogs {
            logs: self.found,
            truncated,
        }
    }
}
