//! In what some traces differ from others: what each has, counted.

use std::{cmp::Reverse, collections::HashMap};

use rusqlite::Result;

use super::{
    body::{self, Part},
    reader::{Found, Reader, SPAN},
    schema::PLACE,
};

/// Bytes of a key, and of a value, that are told apart: nobody filters by a longer one.
const LONGEST: usize = 200;

/// What is told apart; and spans of a trace that are looked at.
const MOST: usize = 50_000;
const SPANS: i64 = 1_000;

/// A difference counts if it is more than one part in so many; and what a single one of several traces has does not, as an id.
const NOISE: u64 = 50;

/// What a trace can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    /// A span with an attribute, or with a resource or an event that has it: key and value.
    Attribute,
    /// A span of a service with a name.
    Operation,
}

/// Something that more of the selected traces have than of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) what: What,
    /// Key and value, or service and name.
    pub(crate) pair: [String; 2],
    /// How many of the selected traces have it, and how many of the others.
    pub(crate) counts: [usize; 2],
}

/// What has been counted.
#[derive(Default)]
pub(super) struct Differences {
    /// By what it is, then by key or service, then by value or name: what is known is found without a copy.
    known: [HashMap<String, HashMap<String, Count>>; 2],
    size: usize,
    /// Selected ones, and others.
    traces: [usize; 2],
}

#[derive(Default)]
struct Count {
    /// The last trace that was counted: one counts once.
    last: usize,
    counts: [usize; 2],
}

impl Differences {
    /// Counts what a trace has, among the selected ones or the others.
    pub(super) fn add(&mut self, reader: &mut Reader, found: Found, is_other: bool) -> Result<()> {
        self.traces[usize::from(is_other)] += 1;
        let (connection, known) = reader.parts();
        let sql = format!("SELECT {SPAN} FROM span WHERE number BETWEEN ?1 AND ?2 - 1 LIMIT ?3");
        let mut find = connection.prepare_cached(&sql)?;
        let first = found.number << PLACE;
        let mut rows = find.query([first, first + (1 << PLACE), SPANS])?;
        let (mut operations, mut resources) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let (operation, resource) = (row.get(5)?, row.get(6)?);
            if !operations.contains(&operation) {
                operations.push(operation);
                let operation = known.operation(connection, operation)?;
                self.count(
                    What::Operation,
                    &operation.service,
                    &operation.name,
                    is_other,
                );
            }
            if !resources.contains(&resource) {
                resources.push(resource);
                for (key, value) in known.resource(connection, resource)?.attributes.iter() {
                    self.count(What::Attribute, key, &value.to_text(), is_other);
                }
            }
            body::each_part(row.get_ref(8)?.as_blob()?, |part| {
                if let Part::Attribute(key, value) = part {
                    self.count(What::Attribute, key, &value.to_text(), is_other);
                }
            });
        }
        Ok(())
    }

    fn count(&mut self, what: What, first: &str, second: &str, is_other: bool) {
        if first.len().max(second.len()) > LONGEST {
            return;
        }
        let trace = self.traces[0] + self.traces[1];
        let known = &mut self.known[what as usize];
        let place = known.get_mut(first).and_then(|of| of.get_mut(second));
        let count = match place {
            Some(count) => count,
            None if self.size == MOST => return,
            None => {
                self.size += 1;
                let of = known.entry(first.to_owned()).or_default();
                of.entry(second.to_owned()).or_default()
            }
        };
        if count.last != trace {
            count.last = trace;
            count.counts[usize::from(is_other)] += 1;
        }
    }

    /// How many traces were counted: selected ones, and others.
    pub(super) fn traces(&self) -> [usize; 2] {
        self.traces
    }

    /// What differs most, by its share of the selected ones less that of the others; at most `limit`.
    pub(super) fn largest(self, limit: usize) -> Vec<Difference> {
        let [selected, others] = self.traces.map(|traces| traces.max(1) as u64);
        let mut all = Vec::new();
        for (what, known) in [What::Attribute, What::Operation]
            .into_iter()
            .zip(self.known)
        {
            for (first, of) in known {
                for (second, Count { counts, .. }) in of {
                    let [of_selected, of_others] = counts.map(|count| count as u64);
                    // The difference of both shares, times what both are divided by.
                    let Some(size) = (of_selected * others).checked_sub(of_others * selected)
                    else {
                        continue;
                    };
                    if size * NOISE > selected * others && of_selected >= selected.min(2) {
                        let pair = [first.clone(), second];
                        all.push((Reverse(size), Difference { what, pair, counts }));
                    }
                }
            }
        }
        all.sort_by(|(size, one), (others, other)| {
            (size, one.what, &one.pair).cmp(&(others, other.what, &other.pair))
        });
        all.truncate(limit);
        all.into_iter().map(|(_, difference)| difference).collect()
    }
}
