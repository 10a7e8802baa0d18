//! Numbers for what many rows share: resources, scopes, operations. One that no row uses any more goes.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Params, Result, params};

use super::row::SERVICE;

/// Bytes of keys that are remembered.
const REMEMBERED: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Resource,
    Scope,
    Operation,
    Metric,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Operation => "operation",
            Self::Metric => "metric",
        }
    }
}

pub(super) struct Numbers {
    /// Goes up while the process runs, so that what a reader remembers of a number stays true.
    next: i64,
    known: HashMap<Table, HashMap<Vec<u8>, i64>>,
    bytes: usize,
    /// Changes to `users` that have not been written.
    users: HashMap<(Table, i64), i64>,
    key: Vec<u8>,
}

impl Numbers {
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        let sql = "SELECT max(coalesce((SELECT max(number) FROM resource), 0), coalesce((SELECT max(number) FROM scope), 0),
            coalesce((SELECT max(number) FROM operation), 0), coalesce((SELECT max(operation) FROM block), 0),
            coalesce((SELECT max(number) FROM metric), 0))";
        let last: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Self {
            next: last + 1,
            known: HashMap::new(),
            bytes: 0,
            users: HashMap::new(),
            key: Vec::new(),
        })
    }

    /// Of an encoded resource.
    pub(super) fn resource(
        &mut self,
        connection: &Connection,
        service: &str,
        message: &[u8],
    ) -> Result<i64> {
        let find = "SELECT number FROM resource WHERE message = ?1";
        let insert = "INSERT INTO resource VALUES (?1, ?2, ?3, 0)";
        self.number(
            Table::Resource,
            message,
            || first(connection, find, [message]),
            |number| {
                let values = params![number, service, message];
                connection.prepare_cached(insert)?.execute(values)
            },
        )
    }

    /// Of an encoded scope.
    pub(super) fn scope(&mut self, connection: &Connection, message: &[u8]) -> Result<i64> {
        let find = "SELECT number FROM scope WHERE message = ?1";
        let insert = "INSERT INTO scope VALUES (?1, ?2, 0)";
        self.number(
            Table::Scope,
            message,
            || first(connection, find, [message]),
            |number| {
                let values = params![number, message];
                connection.prepare_cached(insert)?.execute(values)
            },
        )
    }

    /// Of an encoded metric without its points.
    pub(super) fn metric(
        &mut self,
        connection: &Connection,
        resource: i64,
        scope: i64,
        message: &[u8],
    ) -> Result<i64> {
        let find = "SELECT number FROM metric WHERE resource = ?1 AND scope = ?2 AND message = ?3";
        if let Some(number) = first(connection, find, params![resource, scope, message])? {
            return Ok(number);
        }
        let number = self.take();
        let sql = "INSERT INTO metric VALUES (?1, ?2, ?3, ?4, 0)";
        connection
            .prepare_cached(sql)?
            .execute(params![number, resource, scope, message])?;
        Ok(number)
    }

    /// Of a service as a whole.
    pub(super) fn service(&mut self, connection: &Connection, service: &str) -> Result<i64> {
        self.operation(connection, service, "", SERVICE)
    }

    pub(super) fn operation(
        &mut self,
        connection: &Connection,
        service: &str,
        name: &str,
        kind: i32,
    ) -> Result<i64> {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.extend(kind.to_le_bytes());
        key.extend(service.as_bytes());
        key.push(0xff); // in no text
        key.extend(name.as_bytes());
        let find = "SELECT number FROM operation WHERE service = ?1 AND kind = ?2 AND name = ?3";
        let insert = "INSERT INTO operation VALUES (?1, ?2, ?3, ?4, 0)";
        let number = self.number(
            Table::Operation,
            &key,
            || first(connection, find, params![service, kind, name]),
            |number| {
                let values = params![number, service, name, kind];
                connection.prepare_cached(insert)?.execute(values)
            },
        );
        self.key = key;
        number
    }

    /// The number that is remembered for `key`, or found in the table, or new.
    fn number(
        &mut self,
        table: Table,
        key: &[u8],
        find: impl FnOnce() -> Result<Option<i64>>,
        insert: impl FnOnce(i64) -> Result<usize>,
    ) -> Result<i64> {
        if let Some(number) = self.known.get(&table).and_then(|known| known.get(key)) {
            return Ok(*number);
        }
        let number = match find()? {
            Some(number) => number,
            None => {
                let number = self.take();
                insert(number)?;
                number
            }
        };
        self.remember(table, key, number);
        Ok(number)
    }

    fn take(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }

    fn remember(&mut self, table: Table, key: &[u8], number: i64) {
        let bytes = key.len() + 100; // what stands around it
        if bytes > REMEMBERED / 4 {
            return;
        }
        if self.bytes + bytes > REMEMBERED {
            self.forget();
        }
        self.bytes += bytes;
        self.known
            .entry(table)
            .or_default()
            .insert(key.to_vec(), number);
    }

    fn forget(&mut self) {
        self.known.clear();
        self.bytes = 0;
    }

    /// `change` users more.
    pub(super) fn use_by(&mut self, table: Table, number: i64, change: i64) {
        *self.users.entry((table, number)).or_default() += change;
    }

    /// Writes how many users everything has, and lets go of what has none.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<()> {
        for ((table, number), change) in std::mem::take(&mut self.users) {
            let name = table.name();
            if change != 0 {
                let sql = format!("UPDATE {name} SET users = users + ?2 WHERE number = ?1");
                connection.prepare_cached(&sql)?.execute([number, change])?;
            }
            if change <= 0 {
                let sql = format!("DELETE FROM {name} WHERE number = ?1 AND users <= 0");
                if connection.prepare_cached(&sql)?.execute([number])? > 0 {
                    self.forget();
                    if table == Table::Operation {
                        connection
                            .prepare_cached("DELETE FROM block WHERE operation = ?1")?
                            .execute([number])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// After a transaction that was taken back.
    pub(super) fn reset(&mut self) {
        self.users.clear();
        self.forget();
    }
}

/// The number in the first row that `sql` finds.
fn first(connection: &Connection, sql: &str, values: impl Params) -> Result<Option<i64>> {
    let mut find = connection.prepare_cached(sql)?;
    find.query_row(values, |row| row.get(0)).optional()
}
