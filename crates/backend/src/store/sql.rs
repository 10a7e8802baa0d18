//! SQL for whoever asks: views of what is kept, and connections that can do nothing but read them.
//!
//! Such a connection is opened for reading. An authorizer lets a statement read the views and call functions, and nothing
//! else; a progress handler ends it when its time is over. Rows and bytes of an answer are bounded, and so are the length
//! of a value and of the statement. What is sorted goes to a file when it is large.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, Error, ErrorCode, InterruptHandle, Result, ToSql,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    params_from_iter,
    types::{Value, ValueRef},
};
use serde::Serialize;

use super::{functions, schema::SPANS_OF_TRACES};
use crate::model::id::hex;

/// How long a query may take.
pub(super) const TIME: Duration = Duration::from_secs(5);

/// Bytes of an answer, and of one value.
const ANSWER: usize = 8 << 20;
const VALUE: i32 = 32 << 20;

/// Instructions between two looks at the time.
const INSTRUCTIONS: i32 = 1000;

/// The views, as `live` documents them.
pub(super) const VIEWS: [&str; 6] = ["events", "links", "logs", "metrics", "resources", "spans"];

/// Rows are found by their own table alone, which has no index by what the others say. `CROSS JOIN` keeps it first: for a
/// service SQLite would otherwise read all spans once for each operation.
fn definitions() -> String {
    let ids = "lower(hex(t.id)) AS trace_id, id_text(s.id) AS span_id";
    format!(
        "CREATE TEMP VIEW resources AS SELECT number AS resource, service, resource_part(message, 'attributes') AS attributes,
            resource_part(message, 'schema_url') AS schema_url FROM main.resource;
        CREATE TEMP VIEW spans AS SELECT {ids}, id_text(s.parent) AS parent_span_id, o.service AS service, o.name AS name,
            kind_text(o.kind) AS kind, s.start AS start_unix_nanos, s.start + s.duration AS end_unix_nanos,
            s.duration / 1e6 AS duration_ms, status_text(s.status) AS status, span_part(s.body, 'message') AS status_message,
            span_part(s.body, 'trace_state') AS trace_state, span_part(s.body, 'attributes') AS attributes,
            scope_part(c.message, 'name') AS scope_name, scope_part(c.message, 'version') AS scope_version, s.resource AS resource
            FROM {SPANS_OF_TRACES} CROSS JOIN main.operation o ON o.number = s.operation CROSS JOIN main.scope c ON c.number = s.scope;
        CREATE TEMP VIEW events AS SELECT {ids}, e.value ->> 'unix_nanos' AS time_unix_nanos, e.value ->> 'name' AS name,
            e.value -> 'attributes' AS attributes
            FROM {SPANS_OF_TRACES} CROSS JOIN json_each(span_part(s.body, 'events')) e;
        CREATE TEMP VIEW links AS SELECT {ids}, e.value ->> 'trace_id' AS linked_trace_id, e.value ->> 'span_id' AS linked_span_id,
            e.value ->> 'trace_state' AS trace_state, e.value -> 'attributes' AS attributes
            FROM {SPANS_OF_TRACES} CROSS JOIN json_each(span_part(s.body, 'links')) e;
        CREATE TEMP VIEW logs AS SELECT iif(l.trace IS NULL, NULL, lower(hex(l.trace))) AS trace_id, id_text(l.span) AS span_id,
            l.time AS time_unix_nanos, l.severity AS severity_number, log_part(l.body, 'severity_text') AS severity_text,
            log_part(l.body, 'event_name') AS event_name, log_part(l.body, 'body') AS body,
            log_part(l.body, 'attributes') AS attributes, r.service AS service, scope_part(c.message, 'name') AS scope_name,
            scope_part(c.message, 'version') AS scope_version, l.resource AS resource
            FROM main.log l CROSS JOIN main.resource r ON r.number = l.resource CROSS JOIN main.scope c ON c.number = l.scope;
        CREATE TEMP VIEW metrics AS SELECT metric_part(m.message, 'name') AS name, metric_part(m.message, 'kind') AS kind,
            metric_part(m.message, 'unit') AS unit, metric_part(m.message, 'description') AS description,
            metric_part(m.message, 'temporality') AS temporality, metric_part(m.message, 'monotonic') AS monotonic,
            point_part(m.message, p.body, 'start') AS start_unix_nanos, p.time AS time_unix_nanos, p.value AS value,
            point_part(m.message, p.body, 'count') AS count, point_part(m.message, p.body, 'sum') AS sum,
            point_part(m.message, p.body, 'min') AS min, point_part(m.message, p.body, 'max') AS max,
            point_part(m.message, p.body, 'attributes') AS attributes, point_part(m.message, p.body, 'buckets') AS buckets,
            point_part(m.message, p.body, 'exemplars') AS exemplars, r.service AS service,
            scope_part(c.message, 'name') AS scope_name, scope_part(c.message, 'version') AS scope_version, m.resource AS resource
            FROM main.point p CROSS JOIN main.metric m ON m.number = p.metric CROSS JOIN main.resource r ON r.number = m.resource
            CROSS JOIN main.scope c ON c.number = m.scope;"
    )
}

/// A connection for queries.
pub(super) struct Asked {
    connection: Connection,
    /// When the query is over, in milliseconds since `start`.
    deadline: Arc<AtomicU64>,
    start: Instant,
}

/// What a query found.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Whether there is more.
    pub(crate) truncated: bool,
}

/// A value. Bytes are hex digits; there are none in the views.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Cell {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(integer) => Self::Integer(integer),
            ValueRef::Real(real) if real.is_finite() => Self::Real(real),
            ValueRef::Real(infinite) => Self::Text(infinite.to_string()),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Text(hex(bytes)),
        }
    }

    /// Bytes that it takes in an answer, roughly.
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Text(text) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + text
    }
}

impl Asked {
    pub(super) fn new(mut connection: Connection) -> Result<Self> {
        functions::add(&connection)?;
        connection.execute_batch("PRAGMA temp.cache_size = -1024")?;
        connection.execute_batch(&definitions())?;
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_LENGTH, VALUE),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 64 << 10),
            (Limit::SQLITE_LIMIT_COLUMN, 200),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
        ] {
            connection.set_limit(limit, most)?;
        }
        connection.authorizer(Some(authorize))?;
        let (start, deadline) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let until = deadline.clone();
        let is_over = move || milliseconds(start.elapsed()) >= until.load(Ordering::Relaxed);
        connection.progress_handler(INSTRUCTIONS, Some(is_over))?;
        Ok(Self {
            connection,
            deadline,
            start,
        })
    }

    pub(super) fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// The first `limit` rows of what `sql` finds, or fewer if they are long.
    pub(super) fn query(&self, sql: &str, parameters: &[Value], limit: usize) -> Result<Table> {
        let deadline = milliseconds(self.start.elapsed() + TIME);
        self.deadline.store(deadline, Ordering::Relaxed);
        let mut statement = self.connection.prepare(sql)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut found = Table {
            rows: Vec::new(),
            truncated: false,
            columns,
        };
        let parameters = parameters.iter().map(|value| value as &dyn ToSql);
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let cells: Vec<_> = (0..found.columns.len())
                .map(|column| row.get_ref(column).map(Cell::of))
                .collect::<Result<_>>()?;
            bytes += cells.iter().map(Cell::bytes).sum::<usize>();
            if found.rows.len() == limit || bytes > ANSWER {
                found.truncated = true;
                break;
            }
            found.rows.push(cells);
        }
        Ok(found)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Lets a statement read the views and what they read, and call functions that compute.
fn authorize(context: AuthContext<'_>) -> Authorization {
    let is_view = |name: &str| VIEWS.contains(&name);
    match context.action {
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        // Without a column, rows are counted: a name may be one that the statement itself has given.
        AuthAction::Read {
            table_name,
            column_name,
        } if column_name.is_empty()
            || is_view(table_name)
            || ["json_each", "json_tree"].contains(&table_name)
            || context.accessor.is_some_and(is_view) =>
        {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// Why a query was not answered, for people.
pub(super) fn reason(error: &Error) -> String {
    let said = match error {
        Error::SqlInputError { msg, offset, .. } if *offset >= 0 => {
            format!("{msg} (at character {offset})")
        }
        Error::SqlInputError { msg, .. } | Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        other => other.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            let views = VIEWS.join(", ");
            format!("{said}: one select is answered, and it reads from {views}")
        }
        Some(ErrorCode::OperationInterrupted) => {
            let seconds = TIME.as_secs();
            format!(
                "it took longer than {seconds} s, or held up what arrives: ask for less, with a where or a limit"
            )
        }
        Some(ErrorCode::TooBig) => format!("{said}: a value has at most {} MiB", VALUE >> 20),
        _ => said,
    }
}
