//! A search over what the store holds, in steps: nobody waits for the lock longer than one of them takes.

use std::{sync::Arc, time::Duration};

use crate::{
    contents::Contents,
    id::TraceId,
    packed::{Reader, Text},
    peak::Peak,
    record::{Part, Record},
    resource::{Resource, Scope},
    search::{EVENT, Query, TextQuery, has, made_by_jaeger},
    tables::Tables,
    traces::Entry,
};

/// What a step may do. One is to pass over a trace, or to look at what lies open of a span.
const EFFORT: usize = 10_000;

/// Traces that a step may find; whoever searches seldom wants more.
const FOUND: usize = 32;

/// To look into a span.
const UNPACKING: usize = 20;

/// Shared values that a search remembers. Those that are used most have the lowest numbers.
const KNOWN: usize = 1 << 16;

pub(crate) struct Finder<'a> {
    query: &'a Query,
    text: Option<Texts>,
    below: u64, // traces with lower numbers have not been looked at
    partly: Option<Look>,
    done: bool,
}

/// How far a trace has been looked at.
#[derive(Clone, Copy)]
struct Look {
    number: u64,
    spans: usize,
    matches: bool,
    has_text: bool,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(query: &'a Query) -> Self {
        let text = query.text.as_deref().map(Texts::new);
        Self {
            query,
            text,
            below: u64::MAX,
            partly: None,
            done: false,
        }
    }

    /// Goes on where the step before ended: some traces, newest first. `None`: that was all.
    pub(crate) fn step(&mut self, contents: &Contents) -> Option<Vec<TraceId>> {
        if self.done {
            return None;
        }
        let mut found = Vec::new();
        self.done = self.look(contents, &mut found).is_some();
        Some(found)
    }

    /// `None` says that there is more to do.
    fn look(&mut self, contents: &Contents, found: &mut Vec<TraceId>) -> Option<()> {
        let Contents { tables, traces, .. } = contents;
        let Some(wanted) = Wanted::new(self.query, tables) else {
            return Some(()); // no span has such a name
        };
        let candidates: Box<dyn Iterator<Item = (u64, Peak)>> = match wanted.service {
            None => Box::new(traces.before(self.below)),
            Some(service) => match traces.index.postings(service, wanted.operation) {
                Some(postings) => Box::new(postings.before(self.below)),
                None => return Some(()),
            },
        };
        let mut effort = EFFORT;
        for (number, peak) in candidates {
            if found.len() == FOUND {
                return None;
            }
            effort = effort.checked_sub(1)?;
            if let Some(entry) = traces.get(number)
                && peak.reaches(wanted.peak)
                && wanted.may_be_in(entry)
                && self.is_in(entry, number, &wanted, tables, &mut effort)?
            {
                found.push(entry.id);
            }
            self.below = number;
        }
        Some(())
    }

    /// Looks at the spans. `None`: to be gone on with in the next step.
    fn is_in(
        &mut self,
        entry: &Entry,
        number: u64,
        wanted: &Wanted<'_>,
        tables: &Tables,
        effort: &mut usize,
    ) -> Option<bool> {
        let mut look = match self.partly.take() {
            Some(look) if look.number == number => look,
            _ => Look {
                number,
                spans: 0,
                matches: false,
                has_text: self
                    .text
                    .as_ref()
                    .is_none_or(|text| text.query.is_in(&entry.id.to_string())),
            },
        };
        for record in entry.spans.iter().skip(look.spans) {
            let unpacks = !look.has_text || !wanted.attributes.is_empty();
            let Some(left) = effort.checked_sub(if unpacks { UNPACKING } else { 1 }) else {
                self.below = number + 1;
                self.partly = Some(look);
                return None;
            };
            *effort = left;
            look.spans += 1;
            look.matches = look.matches || wanted.is(record, tables);
            if let Some(text) = &mut self.text {
                look.has_text = look.has_text || text.are_in(record, tables);
            }
            if look.matches && look.has_text {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// A query in the numbers of the tables.
struct Wanted<'a> {
    query: &'a Query,
    service: Option<u32>,
    operation: Option<u32>,
    peak: Peak,
    attributes: Vec<Attribute<'a>>,
}

struct Attribute<'a> {
    key: &'a str,
    value: &'a str,
    packed_key: Option<Text<'a>>,
}

impl<'a> Wanted<'a> {
    /// `None`: a name is looked for that no span has.
    fn new(query: &'a Query, tables: &'a Tables) -> Option<Self> {
        let number = |name: &Option<String>| match name {
            None => Some(None),
            Some(name) => tables.strings.find(name).map(Some),
        };
        let shortest = query.duration_min.unwrap_or_default().as_nanos();
        let attributes = query.attributes.iter().map(|(key, value)| Attribute {
            key,
            value,
            packed_key: Text::find(key, &tables.strings),
        });
        Some(Self {
            query,
            service: number(&query.service)?,
            operation: number(&query.operation)?,
            peak: Peak::new(
                u64::try_from(shortest).unwrap_or(u64::MAX),
                query.errors_only,
            ),
            attributes: attributes.collect(),
        })
    }

    /// Whether a span of the trace may have begun at the right time.
    fn may_be_in(&self, entry: &Entry) -> bool {
        let Query {
            start_min_unix_nanos: min,
            start_max_unix_nanos: max,
            ..
        } = self.query;
        min.is_none_or(|min| entry.latest_start >= min)
            && max.is_none_or(|max| entry.earliest_start <= max)
    }

    fn is(&self, record: &Record, tables: &Tables) -> bool {
        let Self { query, .. } = self;
        let duration = Duration::from_nanos(record.duration());
        self.service.is_none_or(|service| record.service == service)
            && self.operation.is_none_or(|name| record.name == name)
            && (!query.errors_only || record.is_error())
            && query.is_started_within(record.start_unix_nanos)
            && query.lasts(duration)
            && self
                .attributes
                .iter()
                .all(|attribute| attribute.is_of(record, tables))
    }
}

impl Attribute<'_> {
    fn is_of(&self, record: &Record, tables: &Tables) -> bool {
        let (mut found, mut scope, mut message, mut trace_state) = (false, None, "", "");
        let is_named = self.key == EVENT && !self.value.is_empty();
        let mut is_name = false; // of the event that is being read
        record.each_part(|part| match part {
            Part::Scope(number) => scope = tables.scopes.get(number),
            Part::Message(text) => message = text.read(&tables.strings),
            Part::Attribute(key, value) if Some(key) == self.packed_key => {
                is_name = false; // an attribute that is called so goes before the name
                found = found || self.has_value(value, tables);
            }
            Part::Attribute(..) => {}
            Part::Event(name) => {
                found = found || is_name;
                is_name = is_named && name.read(&tables.strings) == self.value;
            }
            Part::TraceState(text) => {
                found = found || is_name;
                trace_state = text.read(&tables.strings);
            }
        });
        let of_scope = |scope: &Arc<Scope>| {
            has(&scope.attributes, self.key, self.value)
                || made_by_jaeger(
                    self.key,
                    record.kind,
                    record.status,
                    message,
                    scope,
                    trace_state,
                ) == Some(self.value)
        };
        let of_resource =
            |resource: &Arc<Resource>| has(&resource.attributes, self.key, self.value);
        found
            || scope.is_some_and(of_scope)
            || tables
                .resources
                .get(record.resource)
                .is_some_and(of_resource)
    }

    fn has_value(&self, mut value: Reader<'_>, tables: &Tables) -> bool {
        match value.as_text() {
            Some(text) => text.read(&tables.strings) == self.value,
            None => value.value(&tables.strings).to_text() == self.value,
        }
    }
}

/// A text, and in which shared values it was found: most are met again and again.
struct Texts {
    query: TextQuery,
    strings: Vec<Option<(Arc<str>, bool)>>, // by number
    resources: Vec<Option<(Arc<Resource>, bool)>>,
}

impl Texts {
    fn new(text: &str) -> Self {
        Self {
            query: TextQuery::new(text),
            strings: Vec::new(),
            resources: Vec::new(),
        }
    }

    fn are_in(&mut self, record: &Record, tables: &Tables) -> bool {
        let Self {
            query,
            strings,
            resources,
        } = self;
        let resource = tables.resources.get(record.resource);
        let mut is_in = |text: Text<'_>| match text {
            Text::Short(_) => query.is_in(text.read(&tables.strings)),
            Text::Interned(number) => tables
                .strings
                .get(number)
                .is_some_and(|text| known(strings, number, text, |text| query.is_in(text))),
        };
        if is_in(Text::Interned(record.name)) {
            return true;
        }
        if resource.is_some_and(|resource| {
            known(resources, record.resource, resource, |resource| {
                query.is_in_resource(resource)
            })
        }) {
            return true;
        }
        let mut found = false;
        record.each_part(|part| {
            found = found
                || match part {
                    Part::Message(text) | Part::Event(text) => is_in(text),
                    Part::Attribute(_, mut value) => match value.as_text() {
                        Some(text) => is_in(text),
                        None => query.is_in(&value.value(&tables.strings).to_text()),
                    },
                    Part::Scope(_) | Part::TraceState(_) => false,
                };
        });
        found
    }
}

/// What was found out of a value, or is now. Between two steps its number may have got another value.
fn known<T: ?Sized>(
    all: &mut Vec<Option<(Arc<T>, bool)>>,
    number: u32,
    value: &Arc<T>,
    find_out: impl FnOnce(&T) -> bool,
) -> bool {
    let place = number as usize;
    if place >= KNOWN {
        return find_out(value);
    }
    if all.len() <= place {
        all.resize(place + 1, None);
    }
    match &all[place] {
        Some((known, found)) if Arc::ptr_eq(known, value) => *found,
        _ => {
            let found = find_out(value);
            all[place] = Some((value.clone(), found));
            found
        }
    }
}
