//! The index of searches: in which traces an operation occurs.
//!
//! A row stands for 64 traces in a row: a bit for each in which there are spans of the operation, a bit for each in which
//! one of these has failed, and the extremes of their durations and starts. So common operations take few rows, and a search
//! passes over what cannot match 64 at a time.

use std::collections::HashMap;

use rusqlite::{Connection, Result, params};

use super::row::Columns;

/// Stands for all operations.
pub(super) const ANY: i64 = 0;

/// Traces of a block.
pub(super) const TRACES: i64 = 64;

/// What is new of blocks.
#[derive(Default)]
pub(super) struct Blocks(HashMap<(i64, i64), Block>);

struct Block {
    traces: i64,
    errors: i64,
    longest: i64,
    earliest: i64,
    latest: i64,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            traces: 0,
            errors: 0,
            longest: 0,
            earliest: i64::MAX,
            latest: 0,
        }
    }
}

impl Blocks {
    /// A span of `operation` in the trace `trace`.
    pub(super) fn add(&mut self, operation: i64, trace: i64, span: &Columns) {
        let block = self.0.entry((operation, trace / TRACES)).or_default();
        let bit = 1 << (trace % TRACES);
        block.traces |= bit;
        block.errors |= if span.is_error() { bit } else { 0 };
        block.longest = block.longest.max(span.duration);
        block.earliest = block.earliest.min(span.start);
        block.latest = block.latest.max(span.start);
    }

    pub(super) fn write(&mut self, connection: &Connection) -> Result<()> {
        let sql = "INSERT INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
            traces = traces | excluded.traces, errors = errors | excluded.errors, longest = max(longest, excluded.longest),
            earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)";
        let mut write = connection.prepare_cached(sql)?;
        for ((operation, number), block) in self.0.drain() {
            let Block {
                traces,
                errors,
                longest,
                earliest,
                latest,
            } = block;
            write.execute(params![
                operation, number, traces, errors, longest, earliest, latest
            ])?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
