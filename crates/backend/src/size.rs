//! How much memory things hold: what the store's bound counts.
//!
//! An estimate from below would make the bound a lie, so every allocation counts as the allocator makes it: with a
//! header, rounded up. `tests/memory.rs` compares the sum with what the process really grows by.

use hashbrown::HashTable;

use crate::{
    attributes::{Attributes, Value},
    log::LogRecord,
    resource::{Resource, Scope},
    span::{Event, Link, Span},
};

/// Bytes that an allocation of `bytes` takes from the system.
pub(crate) fn allocation(bytes: usize) -> usize {
    const HEADER: usize = 8;
    const UNIT: usize = 16;
    const SMALLEST: usize = 32;
    match bytes {
        0 => 0,
        bytes => (bytes + HEADER).next_multiple_of(UNIT).max(SMALLEST),
    }
}

/// By how much a full list of `length` grows. Doubling would leave half of it empty, and the bound counts that.
pub(crate) fn growth(length: usize) -> usize {
    1 + length / 4
}

/// Places of a table, roughly. Its `capacity` leaves out those that departed values have not given back yet.
pub(crate) fn places<T>(table: &HashTable<T>) -> usize {
    table.allocation_size() / (size_of::<T>() + 1)
}

/// Bytes held outside of the value itself.
pub(crate) trait Heap {
    fn heap(&self) -> usize;
}

/// Bytes of a value that stands in an [`Arc`](std::sync::Arc) of its own, with all it holds.
pub(crate) fn shared<T: Heap + ?Sized>(value: &T) -> usize {
    const COUNTS: usize = 2 * size_of::<usize>();
    allocation(COUNTS + size_of_val(value)) + value.heap()
}

impl Heap for str {
    fn heap(&self) -> usize {
        0
    }
}

impl Heap for String {
    fn heap(&self) -> usize {
        allocation(self.capacity())
    }
}

fn list<T: Heap>(items: &[T], capacity: usize) -> usize {
    allocation(capacity * size_of::<T>()) + items.iter().map(Heap::heap).sum::<usize>()
}

impl Heap for (String, Value) {
    fn heap(&self) -> usize {
        self.0.heap() + self.1.heap()
    }
}

impl Heap for Value {
    fn heap(&self) -> usize {
        match self {
            Self::Empty | Self::Bool(_) | Self::Int(_) | Self::Double(_) => 0,
            Self::String(text) => text.heap(),
            Self::Bytes(bytes) => allocation(bytes.capacity()),
            Self::Array(values) => list(values, values.capacity()),
            Self::Map(attributes) => attributes.heap(),
        }
    }
}

impl Heap for Attributes {
    fn heap(&self) -> usize {
        list(self.pairs(), self.len())
    }
}

impl Heap for Event {
    fn heap(&self) -> usize {
        self.name.heap() + self.attributes.heap()
    }
}

impl Heap for Link {
    fn heap(&self) -> usize {
        self.trace_state.heap() + self.attributes.heap()
    }
}

/// Without resource and scope, which others share.
impl Heap for Span {
    fn heap(&self) -> usize {
        self.trace_state.heap()
            + self.name.heap()
            + self.status.message.heap()
            + self.attributes.heap()
            + list(&self.events, self.events.capacity())
            + list(&self.links, self.links.capacity())
    }
}

/// Without resource and scope, which others share.
impl Heap for LogRecord {
    fn heap(&self) -> usize {
        self.severity_text.heap()
            + self.body.heap()
            + self.event_name.heap()
            + self.attributes.heap()
    }
}

impl Heap for Resource {
    fn heap(&self) -> usize {
        self.attributes.heap() + self.schema_url.heap()
    }
}

impl Heap for Scope {
    fn heap(&self) -> usize {
        self.name.heap() + self.version.heap() + self.attributes.heap() + self.schema_url.heap()
    }
}
