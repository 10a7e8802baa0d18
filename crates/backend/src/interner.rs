//! Equal values kept once, each under a number: names, keys and values repeat in nearly every span, and a process sends
//! its resource and its scopes anew with every batch.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use crate::size::{Heap, allocation, places, shared};

/// Values that are in use, each with the count of its users.
pub(crate) struct Interner<T: ?Sized> {
    hasher: RandomState,
    slots: Vec<Slot<T>>, // by number
    numbers: HashTable<u32>,
    free: BinaryHeap<Reverse<u32>>, // the lowest is taken first, so that the end of the slots gets free and can go
    heap: usize,
}

struct Slot<T: ?Sized> {
    value: Option<Arc<T>>,
    users: usize,
}

impl<T: Hash + PartialEq + ?Sized> Slot<T> {
    fn is(&self, value: &T) -> bool {
        self.value.as_deref() == Some(value)
    }

    fn hash(&self, hasher: &RandomState) -> u64 {
        let value = self.value.as_deref();
        value.map_or(0, |value| hasher.hash_one(value))
    }
}

impl<T: Hash + Heap + PartialEq + ?Sized> Interner<T> {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: Vec::new(),
            numbers: HashTable::new(),
            free: BinaryHeap::new(),
            heap: 0,
        }
    }

    /// The number of what equals `value`, with one user more. A value that is new is kept as `share` gives it.
    pub(crate) fn intern(&mut self, value: &T, share: impl FnOnce() -> Arc<T>) -> u32 {
        let hash = self.hasher.hash_one(value);
        if let Some(number) = self.find_hashed(hash, value) {
            self.use_again(number);
            return number;
        }
        let slot = Slot {
            value: Some(share()),
            users: 1,
        };
        self.heap += shared(value);
        let number = match self.free_number() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32 // the store's bound is far below so many
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.numbers
            .insert_unique(hash, number, |&number| slots[number as usize].hash(hasher));
        number
    }

    /// The number of what equals `value`, if anybody uses it.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        self.find_hashed(self.hasher.hash_one(value), value)
    }

    fn find_hashed(&self, hash: u64, value: &T) -> Option<u32> {
        self.numbers
            .find(hash, |&number| self.slots[number as usize].is(value))
            .copied()
    }

    fn free_number(&mut self) -> Option<u32> {
        while let Some(Reverse(number)) = self.free.pop() {
            // Others have gone with the end of the slots, and some of those have come again.
            let slot = self.slots.get(number as usize);
            if slot.is_some_and(|slot| slot.value.is_none()) {
                return Some(number);
            }
        }
        None
    }

    /// One user more of a number in use.
    pub(crate) fn use_again(&mut self, number: u32) {
        self.slots[number as usize].users += 1;
    }

    /// The value of a number in use.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<T>> {
        self.slots.get(number as usize)?.value.as_ref()
    }

    /// One user less; without users the value goes, and another may get its number.
    pub(crate) fn release(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        slot.users -= 1;
        if slot.users > 0 {
            return;
        }
        let Some(value) = slot.value.take() else {
            return;
        };
        self.heap -= shared(&*value);
        let hash = self.hasher.hash_one(&*value);
        if let Ok(found) = self.numbers.find_entry(hash, |&other| other == number) {
            found.remove();
        }
        self.free.push(Reverse(number));
    }

    /// Gives back memory that was needed once.
    pub(crate) fn shrink(&mut self) {
        while self.slots.last().is_some_and(|slot| slot.value.is_none()) {
            self.slots.pop();
        }
        let slots = self.slots.len();
        if self.slots.capacity() > 4 * slots {
            self.slots.shrink_to(2 * slots);
        }
        if self.free.capacity() > 2 * slots {
            self.free.retain(|Reverse(free)| (*free as usize) < slots);
            self.free.shrink_to(slots);
        }
        if places(&self.numbers) > 16 * self.numbers.len() {
            let (slots, hasher) = (&self.slots, &self.hasher);
            self.numbers.shrink_to(2 * self.numbers.len(), |&number| {
                slots[number as usize].hash(hasher)
            });
        }
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.heap
            + allocation(self.slots.capacity() * size_of::<Slot<T>>())
            + allocation(self.numbers.allocation_size())
            + allocation(self.free.capacity() * size_of::<u32>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn interned(interner: &mut Interner<str>, text: &str) -> u32 {
        interner.intern(text, || text.into())
    }

    #[test]
    fn what_is_no_longer_used_goes_and_so_does_the_memory_that_it_took() {
        let mut interner = Interner::new();
        let kept = interned(&mut interner, "kept");
        let numbers: Vec<_> = (0..10_000)
            .map(|n| interned(&mut interner, &format!("text {n}")))
            .collect();
        let full = interner.bytes();
        assert!(full > 10_000 * 40);
        numbers.iter().for_each(|number| interner.release(*number));
        interner.shrink();
        assert!(interner.bytes() < full / 1000, "{}", interner.bytes());
        assert_eq!(interner.find("text 1"), None);
        assert_eq!(interner.find("kept"), Some(kept));
        interner.release(kept);
        interner.shrink();
        assert_eq!(interner.bytes(), 0);
    }

    /// Places of values that went count as taken in a table's capacity: a table without any value can have none.
    #[test]
    fn table_that_only_departed_values_fill_goes_too() {
        for rounds in 1..200 {
            let mut interner = Interner::new();
            let mut used = Vec::new();
            for text in 0..rounds {
                used.push(interned(&mut interner, &format!("text {text}")));
                if used.len() > 24 {
                    interner.release(used.remove(0));
                }
            }
            used.iter().for_each(|number| interner.release(*number));
            interner.shrink();
            assert_eq!(interner.bytes(), 0, "{rounds}");
        }
    }

    proptest! {
        #[test]
        fn a_number_stands_for_one_text_from_its_first_user_to_its_last(steps in vec((0..12_u8, 0..3_u8), 0..200)) {
            let mut interner = Interner::new();
            let mut users: Vec<(String, u32)> = Vec::new();
            for (text, step) in steps {
                let text = format!("text {text}");
                match step {
                    0 => users.push((text.clone(), interned(&mut interner, &text))),
                    1 => if let Some(place) = users.iter().position(|(used, _)| *used == text) {
                        interner.release(users.remove(place).1);
                    },
                    _ => interner.shrink(),
                }
                for (used, number) in &users {
                    prop_assert_eq!(interner.get(*number).map(|text| &**text), Some(used.as_str()));
                    prop_assert_eq!(interner.find(used), Some(*number));
                }
                if users.iter().all(|(used, _)| *used != text) {
                    prop_assert_eq!(interner.find(&text), None);
                }
            }
            users.iter().for_each(|(_, number)| interner.release(*number));
            interner.shrink();
            prop_assert_eq!(interner.bytes(), 0);
        }
    }
}
