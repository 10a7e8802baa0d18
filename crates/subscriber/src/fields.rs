//! The fields of an event or of a span, bounded in size.

use std::error::Error;
use std::fmt::{self, Write};

use serde_json::Value;
use tracing::field::{Field, Visit};

/// Fields that are kept of an event or of a span at most. `tracing`'s macros take no more than this.
const MOST: usize = 32;

/// Causes of an error that are printed at most.
const CAUSES: usize = 16;

/// Fields that are instructions and not data: how `tracing-log` describes a record, which its metadata repeats, and how
/// `tracing-opentelemetry` is told to make the span.
const DIRECTIONS: [&str; 8] = [
    "log.target",
    "log.module_path",
    "log.file",
    "log.line",
    "otel.name",
    "otel.kind",
    "otel.status_code",
    "otel.status_description",
];

/// Fields in the order in which they were first recorded. Text that exceeds the room is cut off.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) list: Vec<(&'static str, Value)>,
    /// How much more text fits, in bytes before escaping.
    pub(super) room: usize,
}

impl Fields {
    pub(super) fn with_room(room: usize) -> Self {
        Self {
            list: Vec::new(),
            room,
        }
    }

    /// Adds `later` ones, of which those whose text has no room are left out.
    pub(super) fn merge(&mut self, later: Self) {
        for (name, value) in later.list {
            let length = value.as_str().map_or(0, str::len);
            if let Some(room) = self.room.checked_sub(length) {
                self.room = room;
                self.put(name, value);
            }
        }
    }

    fn push(&mut self, field: &Field, value: Value) {
        self.put(field.name(), value);
    }

    fn put(&mut self, name: &'static str, value: Value) {
        if let Some((_, earlier)) = self.list.iter_mut().find(|(field, _)| *field == name) {
            *earlier = value;
        } else if self.list.len() < MOST && !DIRECTIONS.contains(&name) {
            self.list.push((name, value));
        }
    }

    fn push_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let mut cut = Cut {
            text: String::new(),
            room: &mut self.room,
        };
        // An error means that the text was cut.
        let _ = cut.write_fmt(text);
        let text = cut.text;
        self.push(field, text.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() <= self.room {
            self.room -= value.len();
            self.push(field, value.into());
        } else {
            self.push_text(field, format_args!("{value}"));
        }
    }

    /// The error and its causes: `cannot save the order: connection refused`.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.push_text(field, format_args!("{}", Chain(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity.
        if value.is_finite() {
            self.push(field, value.into());
        } else {
            self.push_text(field, format_args!("{value}"));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }
}

/// An error and its causes, outermost first.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        for _ in 0..CAUSES {
            let Some(cause) = error.source() else {
                break;
            };
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}

/// Text that ends where the room ends.
struct Cut<'a> {
    text: String,
    room: &'a mut usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(*self.room);
        self.text.push_str(&text[..end]);
        *self.room -= end;
        if end < text.len() {
            // Stops the formatting: a value can be larger than memory.
            self.text.push('…');
            return Err(fmt::Error);
        }
        Ok(())
    }
}
