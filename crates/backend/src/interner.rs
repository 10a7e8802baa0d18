//! Equal values kept once: a process sends its resource and its scopes anew with every batch.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use crate::size::{Heap, shared};

/// Values that are in use, each with the number of its users.
pub(crate) struct Interner<T> {
    hasher: RandomState,
    known: HashMap<u64, Vec<Arc<T>>>,
    users: HashMap<usize, usize>,
    bytes: usize,
}

/// What the two maps hold for one value, at their emptiest.
const ENTRY: usize = 192;

impl<T: Hash + Heap + PartialEq> Interner<T> {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            known: HashMap::new(),
            users: HashMap::new(),
            bytes: 0,
        }
    }

    /// The one that stands for all equal to `value`, with one user more.
    pub(crate) fn intern(&mut self, value: &Arc<T>) -> Arc<T> {
        let alike = self
            .known
            .entry(self.hasher.hash_one(&**value))
            .or_default();
        let one = match alike.iter().find(|known| known == &value) {
            Some(known) => known.clone(),
            None => {
                alike.push(value.clone());
                self.bytes += ENTRY + shared(&**value);
                value.clone()
            }
        };
        self.use_again(&one);
        one
    }

    /// One user more of what [`intern`](Self::intern) gave.
    pub(crate) fn use_again(&mut self, one: &Arc<T>) {
        *self.users.entry(Arc::as_ptr(one).addr()).or_insert(0) += 1;
    }

    /// One user less; without users it goes.
    pub(crate) fn release(&mut self, one: &Arc<T>) {
        let address = Arc::as_ptr(one).addr();
        let Some(users) = self.users.get_mut(&address) else {
            return;
        };
        *users -= 1;
        if *users > 0 {
            return;
        }
        self.users.remove(&address);
        let hash = self.hasher.hash_one(&**one);
        if let Some(alike) = self.known.get_mut(&hash) {
            alike.retain(|known| !Arc::ptr_eq(known, one));
            if alike.is_empty() {
                self.known.remove(&hash);
            }
        }
        self.bytes -= ENTRY + shared(&**one);
    }

    /// All values in use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.known.values().flatten()
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
