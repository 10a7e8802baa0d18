//! A search, in steps: each takes a connection for a moment, so that many searches have their turns.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{
    blocks::{ANY, TRACES},
    body::{self, Part},
    reader::{Found, Known, Reader, SPAN},
    row::{SERVICE, clamped},
    schema::PLACE,
};
use crate::model::{
    decode,
    id::TraceId,
    resource::Scope,
    search::{EVENT, Query, TextQuery, has, made_by_jaeger},
    span::{SpanKind, StatusCode},
};

/// How long a step takes, and how many traces it may find: whoever searches seldom wants more.
pub(super) const STEP: Duration = Duration::from_millis(10);
const FOUND: usize = 32;

/// Blocks that are looked at in one go: few at first, since what is looked for is mostly among the newest.
const FIRST: i64 = 16;
const MOST: i64 = 4096;

/// Numbers about which a search remembers what it has found out.
const KNOWN: usize = 10_000;

pub(super) struct Finder<'a> {
    query: &'a Query,
    text: Option<TextQuery>,
    /// Candidates that come next: the number of a block, and the traces in it, a bit each.
    blocks: VecDeque<(i64, u64)>,
    /// Blocks below this number have not been looked at, and so many come next.
    below: i64,
    width: i64,
    seen: Seen,
}

/// What was found out about numbers.
#[derive(Default)]
struct Seen {
    operations: HashMap<i64, bool>,
    /// By number and place of the attribute in the query.
    resources: HashMap<(i64, usize), bool>,
    scopes: HashMap<(i64, usize), bool>,
    texts: HashMap<i64, bool>,
    scratch: Vec<u8>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        Self {
            query,
            text: query.text.as_deref().map(TextQuery::new),
            blocks: VecDeque::new(),
            below: i64::MAX,
            width: FIRST,
            seen: Seen::default(),
        }
    }

    /// Whether columns do not tell which spans match.
    pub(super) fn looks_into_spans(&self) -> bool {
        self.text.is_some() || !self.query.attributes.is_empty()
    }

    /// Goes on where the step before ended: some traces, newest first. `None`: that was all.
    pub(super) fn step(&mut self, reader: &mut Reader) -> Result<Option<Vec<Found>>> {
        let start = Instant::now();
        let mut found = Vec::new();
        while found.len() < FOUND && start.elapsed() < STEP {
            let Some((block, traces)) = self.blocks.front_mut() else {
                if self.find_blocks(reader)? {
                    continue;
                }
                return Ok((!found.is_empty()).then_some(found));
            };
            if *traces == 0 {
                self.blocks.pop_front();
                continue;
            }
            let newest = traces.ilog2();
            *traces &= !(1 << newest);
            let number = *block * TRACES + i64::from(newest);
            if let Some(candidate) = self.candidate(reader, number)?
                && self.is_in(reader, candidate)?
            {
                found.push(candidate);
            }
        }
        Ok(Some(found))
    }

    /// Reads some blocks that may hold what is looked for. `false`: there are no more.
    fn find_blocks(&mut self, reader: &Reader) -> Result<bool> {
        let query = self.query;
        let extreme = |which: &str| {
            let sql = format!("SELECT {which}(number) FROM trace");
            let number = reader
                .prepare(&sql)?
                .query_row([], |row| row.get::<_, Option<i64>>(0))?;
            Ok::<_, rusqlite::Error>(number.map(|number| number / TRACES))
        };
        let (Some(oldest), Some(newest)) = (extreme("min")?, extreme("max")?) else {
            return Ok(false);
        };
        let last = self.below.min(newest + 1) - 1;
        if last < oldest {
            return Ok(false);
        }
        let first = (last - self.width + 1).max(oldest);
        self.below = first;
        self.width = (self.width * 4).min(MOST);
        let operations = match (&query.service, &query.operation) {
            (None, None) => format!("= {ANY}"),
            (Some(_), None) => {
                format!("= (SELECT number FROM operation WHERE service = ?1 AND kind = {SERVICE} AND name = '')")
            }
            (Some(_), Some(_)) => {
                "IN (SELECT number FROM operation WHERE service = ?1 AND kind BETWEEN 0 AND 5 AND name = ?2)".into()
            }
            (None, Some(_)) => "IN (SELECT number FROM operation WHERE kind >= 0 AND name = ?2)".into(),
        };
        let sql = format!(
            "SELECT number, CASE WHEN ?8 THEN errors ELSE traces END FROM block
            WHERE operation {operations} AND number BETWEEN ?3 AND ?4
            AND longest >= ?5 AND latest >= ?6 AND earliest <= ?7 AND (errors != 0 OR NOT ?8) ORDER BY number DESC"
        );
        let mut find = reader.prepare(&sql)?;
        let (shortest, since, until) = (shortest(query), since(query), until(query));
        let errors = query.errors_only;
        let mut rows = find.query(params![
            query.service,
            query.operation,
            first,
            last,
            shortest,
            since,
            until,
            errors
        ])?;
        while let Some(row) = rows.next()? {
            let (number, traces) = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
            match self.blocks.back_mut() {
                Some((last, all)) if *last == number => *all |= traces, // of another operation
                _ => self.blocks.push_back((number, traces)),
            }
        }
        Ok(true)
    }

    /// The trace with that number, if its extremes allow a match.
    fn candidate(&self, reader: &Reader, number: i64) -> Result<Option<Found>> {
        let sql = "SELECT id FROM trace WHERE number = ?1 AND longest >= ?2 AND latest >= ?3 AND earliest <= ?4 AND errors >= ?5";
        let mut find = reader.prepare(sql)?;
        let query = self.query;
        let values = [
            number,
            shortest(query),
            since(query),
            until(query),
            query.errors_only.into(),
        ];
        let id = find
            .query_row(values, |row| row.get::<_, [u8; 16]>(0))
            .optional()?;
        let id = id.and_then(|id| TraceId::try_from(id.as_slice()).ok());
        Ok(id.map(|id| Found { number, id }))
    }

    /// Looks at the spans.
    fn is_in(&mut self, reader: &mut Reader, found: Found) -> Result<bool> {
        let Self {
            query, text, seen, ..
        } = self;
        let (connection, known) = reader.parts();
        let sql = format!("SELECT {SPAN} FROM span WHERE number BETWEEN ?1 AND ?2 - 1");
        let mut find = connection.prepare_cached(&sql)?;
        let mut rows = find.query([found.number << PLACE, (found.number + 1) << PLACE])?;
        let mut matches = false;
        let mut has_text = text
            .as_ref()
            .is_none_or(|text| text.is_in(&found.id.to_string()));
        while let Some(row) = rows.next()? {
            if !matches {
                matches = seen.matches(query, connection, known, row, found.id)?;
            }
            if let Some(text) = text
                && !has_text
            {
                has_text = seen.has_text(text, connection, known, row)?;
            }
            if matches && has_text {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Seen {
    /// Whether a row of [`SPAN`] is of a span that the query looks for, whatever the text.
    fn matches(
        &mut self,
        query: &Query,
        connection: &Connection,
        known: &mut Known,
        row: &Row<'_>,
        trace: TraceId,
    ) -> Result<bool> {
        let number = row.get(5)?;
        let operation = known.operation(connection, number)?;
        let is_named = remembered(&mut self.operations, number, || {
            Ok(query
                .service
                .as_ref()
                .is_none_or(|service| *service == operation.service)
                && query
                    .operation
                    .as_ref()
                    .is_none_or(|name| *name == operation.name))
        })?;
        if !is_named {
            return Ok(false);
        }
        let (start, duration): (i64, i64) = (row.get(2)?, row.get(3)?);
        if start == i64::MAX || duration == i64::MAX || query.attributes.len() > 64 {
            let span = known.span(connection, trace, row)?; // the columns do not say all
            return Ok(span.is_some_and(|span| query.matches_span(&span)));
        }
        let status = decode::status_code_of(row.get(4)?);
        if query.errors_only && status != StatusCode::Error
            || !query.is_started_within(start.cast_unsigned())
            || !query.lasts(Duration::from_nanos(duration.cast_unsigned()))
        {
            return Ok(false);
        }
        if query.attributes.is_empty() {
            return Ok(true);
        }
        let mut missing = u64::MAX >> (64 - query.attributes.len()); // a bit for each attribute
        let (resource, scope) = (row.get(6)?, row.get(7)?);
        for (place, (key, value)) in query.attributes.iter().enumerate() {
            let of_resource = remembered(&mut self.resources, (resource, place), || {
                Ok(has(
                    &known.resource(connection, resource)?.attributes,
                    key,
                    value,
                ))
            })?;
            let of_scope = remembered(&mut self.scopes, (scope, place), || {
                let scope = known.scope(connection, scope)?;
                let made = made_by_jaeger(
                    key,
                    SpanKind::Unspecified,
                    StatusCode::Unset,
                    "",
                    &scope,
                    "",
                );
                Ok(has(&scope.attributes, key, value) || made == Some(value))
            })?;
            if of_resource || of_scope {
                missing &= !(1 << place);
            }
        }
        let mut find = |matches: &dyn Fn(&str, &str) -> bool| {
            for (place, (key, value)) in query.attributes.iter().enumerate() {
                if missing & 1 << place != 0 && matches(key, value) {
                    missing &= !(1 << place);
                }
            }
        };
        let (mut message, mut trace_state) = ("", "");
        body::each_part(row.get_ref(8)?.as_blob()?, |part| match part {
            Part::Attribute(key, value) => {
                find(&|wanted, text| wanted == key && value.to_text() == text)
            }
            Part::Event { name, is_shown } => {
                find(&|wanted, text| is_shown && wanted == EVENT && name == text)
            }
            Part::Message(text) => message = text,
            Part::TraceState(text) => trace_state = text,
        });
        let (kind, none) = (decode::kind_of(operation.kind), Scope::default());
        find(&|key, value| {
            made_by_jaeger(key, kind, status, message, &none, trace_state) == Some(value)
        });
        Ok(missing == 0)
    }

    /// Whether a row of [`SPAN`] is of a span that has the text.
    fn has_text(
        &mut self,
        text: &TextQuery,
        connection: &Connection,
        known: &mut Known,
        row: &Row<'_>,
    ) -> Result<bool> {
        let (operation, resource) = (row.get(5)?, row.get(6)?);
        // Numbers of operations and of resources are different ones.
        let of_name = remembered(&mut self.texts, operation, || {
            Ok(text.is_in(&known.operation(connection, operation)?.name))
        })?;
        let of_resource = remembered(&mut self.texts, resource, || {
            Ok(text.is_in_resource(&*known.resource(connection, resource)?))
        })?;
        if of_name || of_resource {
            return Ok(true);
        }
        let body = row.get_ref(8)?.as_blob()?;
        let may_be_in_text = text.may_be_in(body, &mut self.scratch);
        let mut found = false;
        body::each_part(body, |part| {
            found = found
                || match part {
                    Part::Message(of) | Part::Event { name: of, .. } => {
                        may_be_in_text && text.is_in(of)
                    }
                    Part::Attribute(_, value) => match value.as_str() {
                        Some(of) => may_be_in_text && text.is_in(of),
                        None => text.is_in(&value.to_text()),
                    },
                    Part::TraceState(_) => false,
                };
        });
        Ok(found)
    }
}

/// What is found out about `key`, once.
fn remembered<K: Copy + Eq + std::hash::Hash>(
    all: &mut HashMap<K, bool>,
    key: K,
    find_out: impl FnOnce() -> Result<bool>,
) -> Result<bool> {
    if let Some(found) = all.get(&key) {
        return Ok(*found);
    }
    if all.len() >= KNOWN {
        all.clear();
    }
    let found = find_out()?;
    all.insert(key, found);
    Ok(found)
}

/// The duration that a span must have at least, as columns have it; likewise the times of its start.
fn shortest(query: &Query) -> i64 {
    let nanos = query.duration_min.unwrap_or_default().as_nanos();
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

fn since(query: &Query) -> i64 {
    clamped(query.start_min_unix_nanos.unwrap_or(0))
}

fn until(query: &Query) -> i64 {
    clamped(query.start_max_unix_nanos.unwrap_or(u64::MAX))
}
