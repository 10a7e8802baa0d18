//! Numbers of traces, oldest first, each with the peak of the spans meant.

use std::collections::VecDeque;

use crate::{
    peak::Peak,
    size::{allocation, growth},
};

/// In blocks, of which none is empty: one long list would be copied to a new place whenever it grows, and leave a hole.
#[derive(Default)]
pub(crate) struct Postings {
    blocks: VecDeque<Block>,
    heap: usize, // of the blocks
}

type Block = VecDeque<(u64, Peak)>;

/// Most items of a block.
const BLOCK: usize = 256;

impl Postings {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds a span of trace number `trace`.
    pub(crate) fn insert(&mut self, trace: u64, peak: Peak) {
        let place = self.block_for(trace);
        let block = &mut self.blocks[place];
        self.heap -= heap(block);
        let within = block.partition_point(|(other, _)| *other < trace);
        match block.get_mut(within) {
            Some((found, peaks)) if *found == trace => *peaks = peaks.join(peak),
            _ => {
                if block.len() == block.capacity() {
                    block.reserve_exact(growth(block.len()));
                }
                block.insert(within, (trace, peak));
            }
        }
        self.heap += heap(block);
        if block.len() > BLOCK {
            self.split(place);
        }
    }

    /// The block that has `trace`, or has to have it.
    fn block_for(&mut self, trace: u64) -> usize {
        let full = match self.blocks.back() {
            Some(last) => match last.back() {
                // Nearly always: only late spans are of older traces.
                Some((newest, _)) if *newest < trace => last.len() == BLOCK,
                _ => {
                    let ends_before =
                        |block: &Block| block.back().is_some_and(|(newest, _)| *newest < trace);
                    return self.blocks.partition_point(ends_before);
                }
            },
            None => true,
        };
        if full {
            self.blocks.push_back(Block::new());
        }
        self.blocks.len() - 1
    }

    fn split(&mut self, place: usize) {
        let block = &mut self.blocks[place];
        self.heap -= heap(block);
        let second = block.split_off(block.len() / 2);
        block.shrink_to_fit();
        self.heap += heap(block) + heap(&second);
        self.blocks.insert(place + 1, second);
    }

    /// Forgets all that are as old as `trace`.
    pub(crate) fn remove(&mut self, trace: u64) {
        while let Some(block) = self.blocks.front_mut() {
            while block.front().is_some_and(|(oldest, _)| *oldest <= trace) {
                block.pop_front();
            }
            if !block.is_empty() {
                break;
            }
            self.heap -= heap(block);
            self.blocks.pop_front();
        }
        if self.blocks.capacity() > 4 * self.blocks.len() {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }

    /// Those before the number `below`, newest first.
    pub(crate) fn before(&self, below: u64) -> impl Iterator<Item = (u64, Peak)> {
        let starts_before =
            |block: &Block| block.front().is_some_and(|(oldest, _)| *oldest < below);
        let blocks = self.blocks.partition_point(starts_before);
        let newest_first = self
            .blocks
            .range(..blocks)
            .rev()
            .flat_map(|block| block.iter().rev());
        newest_first
            .copied()
            .skip_while(move |(trace, _)| *trace >= below)
    }

    /// Estimated memory held.
    pub(crate) fn heap(&self) -> usize {
        self.heap + allocation(self.blocks.capacity() * size_of::<Block>())
    }
}

fn heap(block: &Block) -> usize {
    allocation(block.capacity() * size_of::<(u64, Peak)>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn postings_are_a_sorted_map_that_is_cut_from_below(
            steps in vec((0..2000_u64, 0..9_u64, any::<bool>()), 0..1500),
            cuts in vec(0..2000_u64, 0..4),
        ) {
            let mut postings = Postings::default();
            let mut map: BTreeMap<u64, Peak> = BTreeMap::new();
            for (trace, duration, is_error) in steps {
                let peak = Peak::new(duration, is_error);
                postings.insert(trace, peak);
                let known = map.entry(trace).or_insert(peak);
                *known = known.join(peak);
            }
            for cut in cuts {
                let newest_first: Vec<_> = map.range(..cut).rev().map(|(trace, peak)| (*trace, *peak)).collect();
                prop_assert_eq!(postings.before(cut).collect::<Vec<_>>(), newest_first);
                postings.remove(cut);
                map.retain(|trace, _| *trace > cut);
                let newest_first: Vec<_> = map.iter().rev().map(|(trace, peak)| (*trace, *peak)).collect();
                prop_assert_eq!(postings.before(u64::MAX).collect::<Vec<_>>(), newest_first);
                prop_assert_eq!(postings.is_empty(), map.is_empty());
                prop_assert_eq!(postings.heap, postings.blocks.iter().map(heap).sum::<usize>());
            }
            postings.remove(u64::MAX);
            prop_assert_eq!((postings.is_empty(), postings.heap()), (true, 0));
        }
    }
}
