//! What the store holds, within its bound.
//!
//! Estimated bytes decide what stays: when there are too many, the oldest trace goes, whole. Logs have an eighth of the
//! room at most, metrics another.

use std::{collections::HashSet, sync::Arc};

use crate::{
    log::LogRecord,
    logs::Logs,
    metrics::{Latest, Metrics},
    span::Span,
    tables::{Run, Tables},
    traces::{Entry, Traces},
};

/// The largest bound: numbers of 32 bits count what fits into it.
const LARGEST: usize = 32 << 30;

pub(crate) struct Contents {
    limit: usize,
    pub(crate) tables: Tables,
    pub(crate) traces: Traces,
    pub(crate) logs: Logs,
    pub(crate) metrics: Metrics,
}

/// What had to go, to be freed outside of the lock.
#[derive(Default)]
pub(crate) struct Evicted {
    _traces: Vec<Entry>,
    _logs: Vec<Arc<LogRecord>>,
}

impl Contents {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.min(LARGEST),
            tables: Tables::new(),
            traces: Traces::new(),
            logs: Logs::default(),
            metrics: Metrics::default(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tables.bytes() + self.traces.bytes() + self.logs.bytes() + self.metrics.bytes()
    }

    /// The numbers of the traces that have grown, each once, in the order of their spans; and what had to go.
    pub(crate) fn insert_spans(&mut self, spans: &[Span]) -> (Vec<u64>, Evicted) {
        let mut changed = Vec::new();
        let mut seen = HashSet::new();
        let mut run = Run::default();
        for span in spans {
            if let Some(number) = self.traces.insert(span, &mut run, &mut self.tables)
                && seen.insert(number)
            {
                changed.push(number);
            }
        }
        (changed, self.make_room())
    }

    /// What had to go.
    pub(crate) fn insert_logs(&mut self, records: Vec<LogRecord>) -> Evicted {
        for record in records {
            self.logs.insert(record, &mut self.tables);
        }
        self.make_room()
    }

    /// What had to go.
    pub(crate) fn insert_metrics(&mut self, latest: Latest) -> Evicted {
        self.metrics.insert(latest);
        self.make_room()
    }

    /// Brings everything within its bounds.
    fn make_room(&mut self) -> Evicted {
        let mut gone = Evicted::default();
        self.metrics.make_room(self.limit / 8);
        while self.logs.bytes() > self.limit / 8 {
            let Some(log) = self.logs.pop(&mut self.tables) else {
                break;
            };
            gone._logs.push(log);
            self.logs.shrink();
        }
        while self.bytes() > self.limit {
            if let Some(entry) = self.traces.pop(&mut self.tables) {
                gone._traces.push(entry);
                self.traces.shrink();
            } else if let Some(log) = self.logs.pop(&mut self.tables) {
                gone._logs.push(log);
                self.logs.shrink();
            } else {
                break; // metrics alone hold an eighth at most
            }
            self.tables.shrink();
        }
        gone
    }
}
