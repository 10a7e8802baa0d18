//! How many bytes the items of one queue may take.

use std::sync::atomic::{AtomicUsize, Ordering};

use settings::Batch;

/// Room for one item, in bytes. The spans of `/ping` take 300 each; a client can put 16 KiB into one.
const AN_ITEM: usize = 1 << 10;

/// The room of a short queue, in bytes, so that it holds long items too.
const LEAST: usize = 4 << 20;

/// One budget for all threads, counted as the allocator hands memory out: what is waiting, and what is on its way.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limit: usize,
    taken: AtomicUsize,
}

/// How many bytes a queue of so many items may take: 1 KiB for each, and at least 4 MiB. A longer queue has more room in both
/// respects.
pub(crate) fn room(items: usize) -> usize {
    items.saturating_mul(AN_ITEM).max(LEAST)
}

impl Budget {
    pub(crate) fn of(batch: &Batch) -> Self {
        Self {
            limit: room(batch.max_queue_size),
            taken: AtomicUsize::new(0),
        }
    }

    /// Whether there is room for so many more bytes. If so, they are taken.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        // What does not fit is never in the count: others would be refused meanwhile.
        let with = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with)
            .is_ok()
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn free(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_takes_no_room_from_what_does() {
        let budget = Budget {
            limit: 100,
            taken: AtomicUsize::new(0),
        };
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| (0..1_000_000).all(|_| !budget.take(101)));
            while !refused.is_finished() {
                assert!(budget.take(100));
                budget.free(100);
            }
        });
        assert_eq!(budget.taken(), 0);
    }
}
