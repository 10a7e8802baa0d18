//! The log records kept, in the order of arrival.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    id::{SpanId, TraceId},
    log::LogRecord,
    size::{allocation, growth, shared},
    tables::Tables,
};

#[derive(Default)]
pub(crate) struct Logs {
    entries: VecDeque<Entry>,
    first: u64,                          // the number of the first entry
    of_traces: BTreeSet<(TraceId, u64)>, // numbers
    heap: usize,
}

struct Entry {
    record: Arc<LogRecord>,
    resource: u32,
    scope: u32,
}

/// What the tree holds for a record; its nodes are half full at the least.
const OF_TRACE: usize = 2 * size_of::<(TraceId, u64)>();

impl Logs {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<LogRecord>> {
        self.entries.iter().map(|entry| &entry.record)
    }

    /// Those of a trace, or of one span of it, the oldest first.
    pub(crate) fn of(&self, trace: TraceId, span: Option<SpanId>) -> Vec<Arc<LogRecord>> {
        let numbers = self.of_traces.range((trace, 0)..=(trace, u64::MAX));
        numbers
            .filter_map(|(_, number)| self.entries.get((number - self.first) as usize))
            .map(|entry| &entry.record)
            .filter(|record| span.is_none() || record.span_id == span)
            .cloned()
            .collect()
    }

    pub(crate) fn insert(&mut self, mut record: LogRecord, tables: &mut Tables) {
        let resource = tables
            .resources
            .intern(&record.resource, || record.resource.clone());
        let scope = tables.scopes.intern(&record.scope, || record.scope.clone());
        if let Some(shared) = tables.resources.get(resource) {
            record.resource = shared.clone();
        }
        if let Some(shared) = tables.scopes.get(scope) {
            record.scope = shared.clone();
        }
        self.heap += shared(&record);
        if let Some(trace) = record.trace_id {
            let number = self.first + self.entries.len() as u64;
            self.of_traces.insert((trace, number));
        }
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(growth(self.entries.len()));
        }
        self.entries.push_back(Entry {
            record: Arc::new(record),
            resource,
            scope,
        });
    }

    /// Lets go of the oldest.
    pub(crate) fn pop(&mut self, tables: &mut Tables) -> Option<Arc<LogRecord>> {
        let Entry {
            record,
            resource,
            scope,
        } = self.entries.pop_front()?;
        tables.resources.release(resource);
        tables.scopes.release(scope);
        if let Some(trace) = record.trace_id {
            self.of_traces.remove(&(trace, self.first));
        }
        self.first += 1;
        self.heap -= shared(&*record);
        Some(record)
    }

    /// Gives back memory that was needed once.
    pub(crate) fn shrink(&mut self) {
        if self.entries.capacity() > 4 * self.len() {
            self.entries.shrink_to(2 * self.len());
        }
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.heap
            + allocation(self.entries.capacity() * size_of::<Entry>())
            + self.of_traces.len() * OF_TRACE
    }
}
