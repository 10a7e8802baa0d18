//! Which traces a service, or an operation of one, took part in.

use std::collections::BTreeMap;

use crate::{peak::Peak, postings::Postings, record::Record, span::SpanKind};

/// By numbers of strings.
#[derive(Default)]
pub(crate) struct Index {
    services: BTreeMap<u32, Postings>,
    operations: BTreeMap<(u32, u32), Operation>, // service, name
    heap: usize,
}

#[derive(Default)]
struct Operation {
    postings: Postings,
    kinds: [usize; 6], // spans of each
}

/// What the trees hold for a service and for an operation; their nodes are half full at the least.
const SERVICE: usize = 2 * (size_of::<u32>() + size_of::<Postings>());
const OPERATION: usize = 2 * (size_of::<(u32, u32)>() + size_of::<Operation>());

impl Index {
    /// Adds a span of trace number `trace`.
    pub(crate) fn insert(&mut self, trace: u64, record: &Record) {
        let peak = Peak::of(record);
        let of_service = self.services.entry(record.service).or_default();
        let key = (record.service, record.name);
        let operation = self.operations.entry(key).or_default();
        operation.kinds[record.kind as usize] += 1;
        for postings in [of_service, &mut operation.postings] {
            self.heap -= postings.heap();
            postings.insert(trace, peak);
            self.heap += postings.heap();
        }
    }

    /// Takes out a span of the oldest trace, number `trace`, all of which goes.
    pub(crate) fn remove(&mut self, trace: u64, record: &Record) {
        let mut forget = |postings: &mut Postings| {
            self.heap -= postings.heap();
            postings.remove(trace);
            self.heap += postings.heap();
            postings.is_empty()
        };
        if let Some(of_service) = self.services.get_mut(&record.service)
            && forget(of_service)
        {
            self.services.remove(&record.service);
        }
        let key = (record.service, record.name);
        if let Some(operation) = self.operations.get_mut(&key) {
            operation.kinds[record.kind as usize] -= 1;
            if forget(&mut operation.postings) {
                self.operations.remove(&key);
            }
        }
    }

    /// The services.
    pub(crate) fn services(&self) -> impl Iterator<Item = u32> {
        self.services.keys().copied()
    }

    /// Names and kinds of a service's spans.
    pub(crate) fn operations(&self, service: u32) -> impl Iterator<Item = (u32, SpanKind)> {
        let of_service = self.operations.range((service, 0)..=(service, u32::MAX));
        of_service.flat_map(|((_, name), operation)| {
            let used = SpanKind::ALL.into_iter().zip(operation.kinds);
            used.filter(|(_, spans)| *spans > 0)
                .map(|(kind, _)| (*name, kind))
        })
    }

    /// Where a service took part, in any operation or in that one.
    pub(crate) fn postings(&self, service: u32, operation: Option<u32>) -> Option<&Postings> {
        match operation {
            None => self.services.get(&service),
            Some(name) => {
                let operation = self.operations.get(&(service, name))?;
                Some(&operation.postings)
            }
        }
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.heap + self.services.len() * SERVICE + self.operations.len() * OPERATION
    }
}
