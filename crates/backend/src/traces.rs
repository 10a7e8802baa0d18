//! The traces kept, in the order in which they began to arrive.
//!
//! Each has a number, one more than the one before. Only the oldest can go, so a number leads to its trace directly.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
};

use hashbrown::HashTable;

use crate::{
    id::{SpanId, TraceId},
    index::Index,
    peak::Peak,
    record::Record,
    size::{allocation, growth, places},
    span::Span,
    tables::{Run, Tables},
};

/// Spans of a trace up to which an id is looked for one by one.
const FEW: usize = 32;

pub(crate) struct Traces {
    hasher: RandomState,
    entries: VecDeque<Box<Entry>>,
    first: u64, // the number of the first entry
    numbers: HashTable<u64>,
    pub(crate) index: Index,
    spans: usize,
    heap: usize, // of the entries
    scratch: Vec<u8>,
}

pub(crate) struct Entry {
    pub(crate) id: TraceId,
    pub(crate) spans: Vec<Record>,       // in the order of arrival
    places: Option<Box<HashTable<u32>>>, // of many spans
    pub(crate) earliest_start: u64,
    pub(crate) latest_start: u64,
    pub(crate) peak: Peak,
}

impl Traces {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            entries: VecDeque::new(),
            first: 0,
            numbers: HashTable::new(),
            index: Index::default(),
            spans: 0,
            heap: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Spans of all.
    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// The number of the trace `id`.
    pub(crate) fn number(&self, id: TraceId) -> Option<u64> {
        let is = |number: &u64| self.get(*number).is_some_and(|entry| entry.id == id);
        self.numbers.find(self.hasher.hash_one(id), is).copied()
    }

    /// The trace with that number, if it is still there.
    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(place).map(|entry| &**entry)
    }

    /// All, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|entry| &**entry)
    }

    /// Numbers and peaks of all before the number `below`, newest first.
    pub(crate) fn before(&self, below: u64) -> impl Iterator<Item = (u64, Peak)> {
        let length = below.saturating_sub(self.first);
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let newest_first = self.entries.range(..length).enumerate().rev();
        newest_first.map(|(place, entry)| (self.first + place as u64, entry.peak))
    }

    /// Adds a span to its trace; the number of the trace, if the span is new.
    pub(crate) fn insert(
        &mut self,
        span: &Span,
        run: &mut Run,
        tables: &mut Tables,
    ) -> Option<u64> {
        let number = self.number_or_new(span.trace_id);
        let place = (number - self.first) as usize;
        let entry = &mut self.entries[place];
        if entry.contains(span.span_id, &self.hasher) {
            return None;
        }
        let origin = run.origin(span, tables);
        let record = Record::new(span, origin, tables, &mut self.scratch);
        self.index.insert(number, &record);
        self.heap -= entry.heap();
        self.heap += record.heap();
        entry.push(record, &self.hasher);
        self.heap += entry.heap();
        self.spans += 1;
        Some(number)
    }

    fn number_or_new(&mut self, id: TraceId) -> u64 {
        if let Some(number) = self.number(id) {
            return number;
        }
        let number = self.first + self.entries.len() as u64;
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(growth(self.entries.len()));
        }
        self.entries.push_back(Box::new(Entry::new(id)));
        let (entries, first, hasher) = (&self.entries, self.first, &self.hasher);
        self.numbers
            .insert_unique(hasher.hash_one(id), number, |number| {
                hasher.hash_one(entries[(number - first) as usize].id)
            });
        number
    }

    /// Lets go of the oldest.
    pub(crate) fn pop(&mut self, tables: &mut Tables) -> Option<Entry> {
        let number = self.first;
        let id = self.entries.front()?.id;
        let hash = self.hasher.hash_one(id);
        if let Ok(found) = self.numbers.find_entry(hash, |other| *other == number) {
            found.remove();
        }
        let entry = *self.entries.pop_front()?;
        self.first += 1;
        self.heap -= entry.heap();
        self.spans -= entry.spans.len();
        for record in &entry.spans {
            self.heap -= record.heap();
            self.index.remove(number, record);
            record.release(tables);
        }
        Some(entry)
    }

    /// Gives back memory that was needed once.
    pub(crate) fn shrink(&mut self) {
        let traces = self.len();
        if self.entries.capacity() > 4 * traces {
            self.entries.shrink_to(2 * traces);
        }
        if places(&self.numbers) > 16 * traces {
            let (entries, first, hasher) = (&self.entries, self.first, &self.hasher);
            self.numbers.shrink_to(2 * traces, |number| {
                hasher.hash_one(entries[(number - first) as usize].id)
            });
        }
        self.scratch = Vec::new();
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.heap
            + allocation(self.entries.capacity() * size_of::<Box<Entry>>())
            + self.entries.len() * allocation(size_of::<Entry>())
            + allocation(self.numbers.allocation_size())
            + self.index.bytes()
    }
}

impl Entry {
    fn new(id: TraceId) -> Self {
        Self {
            id,
            spans: Vec::new(),
            places: None,
            earliest_start: u64::MAX,
            latest_start: 0,
            peak: Peak::default(),
        }
    }

    fn contains(&self, id: SpanId, hasher: &RandomState) -> bool {
        match &self.places {
            None => self.spans.iter().any(|record| record.span_id == id),
            Some(places) => {
                let is = |place: &u32| self.spans[*place as usize].span_id == id;
                places.find(hasher.hash_one(id), is).is_some()
            }
        }
    }

    fn push(&mut self, record: Record, hasher: &RandomState) {
        self.earliest_start = self.earliest_start.min(record.start_unix_nanos);
        self.latest_start = self.latest_start.max(record.start_unix_nanos);
        self.peak = self.peak.join(Peak::of(&record));
        if self.spans.len() == self.spans.capacity() {
            self.spans.reserve_exact(growth(self.spans.len()));
        }
        self.spans.push(record);
        let Self { spans, places, .. } = self;
        let hash = |place: &u32| hasher.hash_one(spans[*place as usize].span_id);
        let known = match places {
            Some(_) => spans.len() - 1,
            None if spans.len() > FEW => 0,
            None => return,
        };
        let places = places.get_or_insert_default();
        for place in known as u32..spans.len() as u32 {
            places.insert_unique(hash(&place), place, hash);
        }
    }

    /// Estimated memory held, without what the records hold.
    fn heap(&self) -> usize {
        let places = self.places.as_ref().map_or(0, |places| {
            allocation(size_of::<HashTable<u32>>()) + allocation(places.allocation_size())
        });
        allocation(self.spans.capacity() * size_of::<Record>()) + places
    }
}
