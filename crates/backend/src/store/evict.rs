//! Lets the oldest go, so that the file stays within its bounds and its space is used again.

use rusqlite::{OptionalExtension, Result};

use super::{
    blocks::TRACES,
    numbers::Table,
    schema::{PAGE, PLACE},
    writer::{Writer, now},
};

/// Rows that go before it is looked again whether that was enough.
const ROWS: i64 = 1024;

/// Pages that a transaction may need for what is not in proportion to its rows.
const RESERVE: u64 = 24;

impl Writer {
    /// Bytes of the file in use, without its journal.
    pub(super) fn used(&self) -> Result<u64> {
        Ok(self.pages_used()? * PAGE)
    }

    fn pages_used(&self) -> Result<u64> {
        let pragma = |sql| {
            self.connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get::<_, u32>(0))
        };
        Ok(u64::from(
            pragma("PRAGMA page_count")?.saturating_sub(pragma("PRAGMA freelist_count")?),
        ))
    }

    /// Lets the oldest traces, logs and metric points go until `bytes` more fit in, and those that are too old.
    pub(super) fn make_room(&mut self, bytes: usize) -> Result<()> {
        let needed = RESERVE + (bytes as u64).div_ceil(PAGE) * 5 / 4; // pages are not filled to the last byte
        let too_old = now().saturating_sub(self.bounds.age);
        loop {
            let is_full = self.pages_used()? + needed > self.bounds.pages;
            if is_full && self.drop_spans()? {
                continue;
            }
            let oldest = |table| {
                let sql = format!("SELECT arrived FROM {table} ORDER BY number LIMIT 1");
                let arrived = self
                    .connection
                    .prepare_cached(&sql)?
                    .query_row([], |row| row.get::<_, i64>(0));
                Ok::<_, rusqlite::Error>(arrived.optional()?.unwrap_or(i64::MAX))
            };
            let [trace, log, point] = [oldest("trace")?, oldest("log")?, oldest("point")?];
            let arrived = trace.min(log).min(point);
            let went = if arrived == i64::MAX || !is_full && arrived >= too_old {
                false
            } else if arrived == trace {
                self.drop_traces()?
            } else if arrived == log {
                self.drop_logs()?
            } else {
                self.drop_points()?
            };
            if !went {
                return Ok(());
            }
        }
    }

    /// Lets the oldest traces go, and some of their spans: those of a million are not done at once.
    fn drop_traces(&mut self) -> Result<bool> {
        let few = TRACES.min(self.contents.traces / 8 + 1);
        let sql = "SELECT number, spans FROM trace ORDER BY number LIMIT ?1";
        let (mut last, mut traces, mut spans) = (0, 0, 0);
        {
            let mut find = self.connection.prepare_cached(sql)?;
            let mut rows = find.query([few])?;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                traces += 1;
                spans += row.get::<_, i64>(1)?;
                if spans >= ROWS {
                    break;
                }
            }
        }
        self.contents.traces -= traces;
        self.contents.spans -= spans;
        let connection = &self.connection;
        connection
            .prepare_cached("DELETE FROM trace WHERE number <= ?1")?
            .execute([last])?;
        connection
            .prepare_cached("DELETE FROM block WHERE number < ?1")?
            .execute([(last + 1) / TRACES])?;
        self.drop_spans()?;
        Ok(traces > 0)
    }

    /// Lets some spans go whose trace has gone. `false`: there are none.
    fn drop_spans(&mut self) -> Result<bool> {
        let Self {
            connection,
            numbers,
            ..
        } = self;
        let sql = "SELECT number, operation, resource, scope FROM span
            WHERE number < coalesce((SELECT min(number) FROM trace) << ?1, 9223372036854775807) ORDER BY number LIMIT ?2";
        let mut last = None;
        {
            let mut find = connection.prepare_cached(sql)?;
            let mut service = connection.prepare_cached(
                "SELECT s.number FROM operation s JOIN operation o USING (service) WHERE o.number = ?1 AND s.kind = -1",
            )?;
            let mut services = std::collections::HashMap::new();
            let mut rows = find.query([i64::from(PLACE), ROWS])?;
            while let Some(row) = rows.next()? {
                last = Some(row.get::<_, i64>(0)?);
                let operation: i64 = row.get(1)?;
                let of_service: i64 = match services.get(&operation) {
                    Some(service) => *service,
                    None => {
                        let found = service.query_row([operation], |row| row.get(0))?;
                        services.insert(operation, found);
                        found
                    }
                };
                numbers.use_by(Table::Operation, operation, -1);
                numbers.use_by(Table::Operation, of_service, -1);
                numbers.use_by(Table::Resource, row.get(2)?, -1);
                numbers.use_by(Table::Scope, row.get(3)?, -1);
            }
        }
        let Some(last) = last else {
            return Ok(false);
        };
        connection
            .prepare_cached("DELETE FROM span WHERE number <= ?1")?
            .execute([last])?;
        Ok(true)
    }

    fn drop_logs(&mut self) -> Result<bool> {
        let find = "SELECT number, resource, scope FROM log ORDER BY number LIMIT ?1";
        let uses = [Table::Resource, Table::Scope];
        let went = self.drop_rows("log", find, self.contents.logs, &uses)?;
        self.contents.logs -= went;
        Ok(went > 0)
    }

    fn drop_points(&mut self) -> Result<bool> {
        let find = "SELECT p.number, metric, resource, scope FROM point p JOIN metric m ON m.number = metric
            ORDER BY p.number LIMIT ?1";
        let uses = [Table::Metric, Table::Resource, Table::Scope];
        let went = self.drop_rows("point", find, self.contents.points, &uses)?;
        self.contents.points -= went;
        Ok(went > 0)
    }

    /// Lets the oldest rows of a table of `kept` rows go. `find` gives their numbers, and those of what they use. Returns
    /// how many went.
    fn drop_rows(&mut self, table: &str, find: &str, kept: i64, uses: &[Table]) -> Result<i64> {
        let few = (ROWS / 4).min(kept / 8 + 1);
        let mut last = None;
        let mut find = self.connection.prepare_cached(find)?;
        let mut rows = find.query([few])?;
        while let Some(row) = rows.next()? {
            last = Some(row.get::<_, i64>(0)?);
            for (used, column) in uses.iter().zip(1..) {
                self.numbers.use_by(*used, row.get::<usize, _>(column)?, -1);
            }
        }
        drop(rows);
        let sql = format!("DELETE FROM {table} WHERE number <= ?1");
        let went = self.connection.prepare_cached(&sql)?.execute([last])?;
        Ok(i64::try_from(went).unwrap_or(0))
    }
}
