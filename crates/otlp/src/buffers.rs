//! Items that wait, as bytes: the thread that ends a span or emits a log record encodes it into a buffer.
//!
//! Threads have different buffers, up to [`SHARDS`] of them, so that they do not wait for each other. The export thread
//! takes what is there. So an item is made, encoded and freed on one thread, and only its bytes go to another.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::{InstrumentationScope, KeyValue};

use crate::budget::Budget;
use crate::encoder::EncodedScope;
use crate::health::Health;
use crate::request::Piece;

/// Threads beyond these share buffers.
const SHARDS: usize = 16;

/// A buffer of so many bytes takes no further item: doubled once more, it would be mostly empty.
const FULL: usize = 60 << 10;

/// How many buffers of a shard are tried for an item's scope, the latest first. A service that makes a scope for each
/// request would make the search long.
const TRIED: usize = 16;

/// The buffers of one queue, and their bounds in items and bytes.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub(crate) health: Arc<Health>,
    pub(crate) budget: Budget,
    shards: [Shard; SHARDS],
}

/// On cache lines of its own; processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<Buffer>>);

/// Items of one scope, each as a field of `ScopeSpans` or `ScopeLogs`.
#[derive(Debug)]
struct Buffer {
    scope: InstrumentationScope,
    /// Log records have it: the name of their scope instead.
    target: Option<String>,
    encoded: EncodedScope,
    bytes: Vec<u8>,
    items: usize,
    /// What of the budget it has: all that is allocated.
    held: usize,
}

impl Buffers {
    pub(crate) fn new(health: Arc<Health>, budget: Budget) -> Self {
        Self {
            health,
            budget,
            shards: Default::default(),
        }
    }

    /// Takes an item, which `write` appends, or counts that it is dropped.
    pub(crate) fn push(
        &self,
        scope: &InstrumentationScope,
        target: Option<&str>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if !self.health.admit() {
            return;
        }
        let mut buffers = locked(&self.shards[shard()].0);
        let place = buffers
            .iter()
            .rev()
            .take(TRIED)
            .position(|buffer| buffer.takes(scope, target));
        let place = match place {
            Some(from_end) => buffers.len() - 1 - from_end,
            None => {
                buffers.push(Buffer::new(scope, target));
                buffers.len() - 1
            }
        };
        let buffer = &mut buffers[place];
        let (length, capacity) = (buffer.bytes.len(), buffer.bytes.capacity());
        write(&mut buffer.bytes);
        if buffer.bytes.capacity() > 2 * FULL {
            // It takes no further item.
            buffer.bytes.shrink_to_fit();
        }
        let held = buffer.overhead() + buffer.bytes.capacity();
        // Nearly always nothing was allocated.
        if held > buffer.held && !self.budget.take(held - buffer.held) {
            if buffer.items == 0 {
                buffers.remove(place);
            } else {
                buffer.bytes.truncate(length);
                buffer.bytes.shrink_to(capacity);
            }
            drop(buffers);
            self.health.retract();
            return;
        }
        buffer.held = held;
        buffer.items += 1;
    }

    /// All that waits, in the order of each thread. It keeps its part of the budget.
    pub(crate) fn drain(&self) -> impl Iterator<Item = Piece> {
        let taken = self.shards.iter().map(|Shard(buffers)| {
            let mut buffers = locked(buffers);
            std::mem::take(&mut *buffers)
        });
        taken.flatten().map(|buffer| Piece {
            scope: buffer.encoded,
            bytes: buffer.bytes.into(),
            items: buffer.items,
            held: buffer.held,
        })
    }
}

impl Buffer {
    fn new(scope: &InstrumentationScope, target: Option<&str>) -> Self {
        Self {
            scope: scope.clone(),
            target: target.map(str::to_owned),
            encoded: EncodedScope::new(scope, target),
            bytes: Vec::new(),
            items: 0,
            held: 0,
        }
    }

    fn takes(&self, scope: &InstrumentationScope, target: Option<&str>) -> bool {
        self.bytes.len() < FULL && self.target.as_deref() == target && self.scope == *scope
    }

    /// What it takes beside the bytes: its scope twice, to compare and to send.
    fn overhead(&self) -> usize {
        let attributes = self.scope.attributes().count() * size_of::<KeyValue>();
        size_of::<Self>() + 2 * self.encoded.0.len() + attributes
    }
}

/// The shard of this thread. Threads are numbered as they come, those of all queues together.
fn shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.get().unwrap_or_else(|| {
        let own = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        OWN.set(Some(own));
        own
    })
}

/// Nothing panics while it is held: all that is done then is to append bytes.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
