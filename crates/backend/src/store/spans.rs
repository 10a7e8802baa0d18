//! The spans of a trace, by start, read in pages: a trace of a million takes no more memory than one of a thousand.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use rusqlite::{OptionalExtension, Result};

use super::{
    reader::{Found, Reader, SPAN},
    row,
    schema::PLACE,
    writer::MANY,
};
use crate::model::{id::SpanId, span::Span};

/// Spans whose places are read at once, and bytes of their bodies.
const PLACES: i64 = 2 * MANY;
pub(super) const BYTES: usize = 64 << 10;

/// How far a trace has been read.
pub(super) struct Reading {
    pub(super) found: Found,
    /// Numbers of the spans that come next.
    places: VecDeque<i64>,
    progress: Progress,
}

enum Progress {
    Start,
    /// Of many: start and id of the last in `places`.
    After(i64, i64),
    /// All the others are in `places`.
    End,
}

impl Reading {
    pub(super) fn new(found: Found) -> Self {
        Self {
            found,
            places: VecDeque::new(),
            progress: Progress::Start,
        }
    }

    /// The spans that come next; an empty page is the last.
    pub(super) fn next(&mut self, reader: &mut Reader) -> Result<Vec<Arc<Span>>> {
        if self.places.is_empty() {
            self.find_places(reader)?;
        }
        let (connection, known) = reader.parts();
        let sql = format!("SELECT {SPAN} FROM span WHERE number = ?1");
        let mut find = connection.prepare_cached(&sql)?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while bytes < BYTES
            && let Some(place) = self.places.pop_front()
        {
            let mut rows = find.query([place])?;
            if let Some(row) = rows.next()? {
                bytes += row.get_ref(8)?.as_blob()?.len() + size_of::<Span>();
                page.extend(known.span(connection, self.found.id, row)?.map(Arc::new));
            }
        }
        Ok(page)
    }

    fn find_places(&mut self, reader: &Reader) -> Result<()> {
        let number = self.found.number;
        let (first, last) = (number << PLACE, (number + 1) << PLACE);
        let mut places: Vec<(i64, i64, i64)> = Vec::new();
        let mut read = |sql: &str, values: &[i64]| -> Result<()> {
            let mut find = reader.prepare(sql)?;
            let mut rows = find.query(rusqlite::params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                places.push((row.get(0)?, row.get(1)?, row.get(2)?));
            }
            Ok(())
        };
        const OF_MANY: &str = "SELECT start, id, number FROM span WHERE many AND number >> 24 = ?1
            AND (start, id) > (?2, ?3) ORDER BY start, id LIMIT ?4";
        match self.progress {
            Progress::End => return Ok(()),
            Progress::After(start, id) => read(OF_MANY, &[number, start, id, PLACES])?,
            Progress::Start if has_many(reader, number)? => {
                read(OF_MANY, &[number, i64::MIN, i64::MIN, PLACES])?;
            }
            Progress::Start => {
                read(
                    "SELECT start, id, number FROM span WHERE number BETWEEN ?1 AND ?2 - 1",
                    &[first, last],
                )?;
            }
        }
        places.sort_unstable();
        self.progress = match places.last() {
            Some((start, id, _)) if i64::try_from(places.len()) == Ok(PLACES) => {
                Progress::After(*start, *id)
            }
            _ => Progress::End,
        };
        self.places = places.into_iter().map(|(_, _, number)| number).collect();
        Ok(())
    }
}

fn has_many(reader: &Reader, trace: i64) -> Result<bool> {
    let mut spans = reader.prepare("SELECT spans FROM trace WHERE number = ?1")?;
    let spans: Option<i64> = spans.query_row([trace], |row| row.get(0)).optional()?;
    Ok(spans.is_some_and(|spans| spans > MANY))
}

/// Takes those out of `ids` that spans of the trace have.
pub(super) fn remove_known(reader: &Reader, found: Found, ids: &mut HashSet<SpanId>) -> Result<()> {
    let number = found.number;
    if has_many(reader, number)? {
        let sql = "SELECT 1 FROM span WHERE many AND number >> 24 = ?1 AND id = ?2";
        let mut find = reader.prepare(sql)?;
        let mut failed = Ok(());
        ids.retain(|id| match find.exists([number, row::number_of(*id)]) {
            Ok(exists) => !exists,
            Err(error) => {
                failed = Err(error);
                true
            }
        });
        return failed;
    }
    let mut find = reader.prepare("SELECT id FROM span WHERE number BETWEEN ?1 AND ?2 - 1")?;
    let mut rows = find.query([number << PLACE, (number + 1) << PLACE])?;
    while let Some(row) = rows.next()? {
        if let Some(id) = row::span_id(row.get(0)?) {
            ids.remove(&id);
        }
    }
    Ok(())
}
