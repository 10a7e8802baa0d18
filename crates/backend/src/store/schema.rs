//! The tables, and how a connection to them is set up.
//!
//! | table | a row |
//! | --- | --- |
//! | `resource`, `scope` | OTLP's message; `users` counts the rows that name it |
//! | `operation` | a service, or a name and kind of its spans; `users` counts these |
//! | `trace` | a trace, numbered in the order of arrival, with the extremes of its spans |
//! | `span` | its number is its trace's and its place in it, so that a trace lies together; the body is OTLP's message without what the columns say |
//! | `block` | of 64 traces in a row, those in which an operation occurs, one bit each: the index of searches |
//! | `log` | a log record, numbered in the order of arrival; the body is OTLP's message |
//! | `metric` | OTLP's message of a metric without its points, of a resource and a scope |
//! | `point` | a point of a metric, numbered in the order of arrival; the body is OTLP's message |
//! | `latest` | the last metrics of a resource |

use rusqlite::{Connection, Result};

/// Marks a file as a store. Four letters, as `file` prints them.
pub(super) const APPLICATION: i32 = i32::from_be_bytes(*b"otlp");

/// Changes with the tables: a file of another version is refused.
pub(super) const VERSION: i32 = 1;

pub(super) const PAGE: u64 = 4096;

/// Bits of a span's number that are its place in the trace.
pub(super) const PLACE: u32 = 24;

/// Each trace `t` with its spans `s`.
pub(super) const SPANS_OF_TRACES: &str = "main.trace t CROSS JOIN main.span s
    ON s.number BETWEEN t.number << 24 AND (t.number << 24) + 16777215";

const TABLES: &str = "
    CREATE TABLE resource (number INTEGER PRIMARY KEY, service TEXT NOT NULL, message BLOB NOT NULL UNIQUE, users INTEGER NOT NULL) STRICT;
    CREATE TABLE scope (number INTEGER PRIMARY KEY, message BLOB NOT NULL UNIQUE, users INTEGER NOT NULL) STRICT;
    CREATE TABLE operation (
        number INTEGER PRIMARY KEY, service TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, users INTEGER NOT NULL,
        UNIQUE (service, kind, name)
    ) STRICT;
    CREATE TABLE trace (
        number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, arrived INTEGER NOT NULL, earliest INTEGER NOT NULL,
        latest INTEGER NOT NULL, longest INTEGER NOT NULL, errors INTEGER NOT NULL, spans INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE span (
        number INTEGER PRIMARY KEY, id INTEGER NOT NULL, parent INTEGER, operation INTEGER NOT NULL, resource INTEGER NOT NULL,
        scope INTEGER NOT NULL, start INTEGER NOT NULL, duration INTEGER NOT NULL, status INTEGER NOT NULL,
        many INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX span_id ON span (number >> 24, id) WHERE many;
    CREATE INDEX span_start ON span (number >> 24, start, id) WHERE many;
    CREATE TABLE block (
        operation INTEGER, number INTEGER, traces INTEGER NOT NULL, errors INTEGER NOT NULL, longest INTEGER NOT NULL,
        earliest INTEGER NOT NULL, latest INTEGER NOT NULL, PRIMARY KEY (operation, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX block_number ON block (number);
    CREATE TABLE log (
        number INTEGER PRIMARY KEY, arrived INTEGER NOT NULL, trace BLOB, span INTEGER, time INTEGER NOT NULL,
        severity INTEGER NOT NULL, resource INTEGER NOT NULL, scope INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX log_trace ON log (trace) WHERE trace IS NOT NULL;
    CREATE TABLE metric (
        number INTEGER PRIMARY KEY, resource INTEGER NOT NULL, scope INTEGER NOT NULL, message BLOB NOT NULL, users INTEGER NOT NULL,
        UNIQUE (resource, scope, message)
    ) STRICT;
    CREATE TABLE point (
        number INTEGER PRIMARY KEY, arrived INTEGER NOT NULL, metric INTEGER NOT NULL, time INTEGER NOT NULL, value REAL,
        body BLOB NOT NULL
    ) STRICT;
";

/// Makes the tables in an empty database.
pub(super) fn create(connection: &Connection) -> Result<()> {
    let begin = "BEGIN IMMEDIATE";
    let end =
        format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT");
    connection.execute_batch(&format!("{begin}; {TABLES} {end}"))
}
