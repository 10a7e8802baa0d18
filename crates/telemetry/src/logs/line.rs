//! One log line: what it holds, and how it looks.

use std::error::Error;
use std::fmt::{self, Write};

use opentelemetry::trace::SpanContext;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// How much text one line takes, in bytes before escaping; the rest is cut off, so that lines that wait are bounded in
/// memory.
pub(super) const LONGEST: usize = 4 * 1024;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Terminal {
        /// With escape sequences.
        color: bool,
    },
    /// For machines: one object a line.
    Json,
}

pub(super) struct Line {
    metadata: &'static Metadata<'static>,
    message: String,
    fields: Vec<(&'static str, Value)>,
    trace: Option<(String, String)>,
    /// How much more text it takes.
    room: usize,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Self {
            metadata: event.metadata(),
            message: String::new(),
            fields: Vec::new(),
            trace: None,
            room: LONGEST,
        };
        event.record(&mut line);
        line
    }

    pub(super) fn field(&mut self, name: &'static str, value: Value) {
        if name == "message" {
            self.message = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
        } else {
            self.fields.push((name, value));
        }
    }

    /// The span that the line belongs to, if it is one.
    pub(super) fn span(&mut self, span: &SpanContext) {
        if span.is_valid() {
            self.trace = Some((span.trace_id().to_string(), span.span_id().to_string()));
        }
    }

    /// The line with its end.
    pub(super) fn render(self, format: Format) -> String {
        let mut time = String::with_capacity(32);
        // Writing to a string does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        match format {
            Format::Json => self.json(&time),
            Format::Terminal { color } => self.terminal(&time, color),
        }
    }

    fn json(self, time: &str) -> String {
        let mut line = format!("{{\"timestamp\":\"{time}\"");
        let mut member = |name: &str, value: Value| {
            // A `Value` displays as JSON.
            let _ = write!(line, ",{}:{value}", Value::from(name));
        };
        member("level", self.metadata.level().as_str().into());
        member("target", self.metadata.target().into());
        member("message", self.message.into());
        if let Some((trace_id, span_id)) = self.trace {
            member("trace_id", trace_id.into());
            member("span_id", span_id.into());
        }
        if !self.fields.is_empty() {
            member(
                "fields",
                Value::Object(
                    self.fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                ),
            );
        }
        line.push_str("}\n");
        line
    }

    fn terminal(self, time: &str, color: bool) -> String {
        let (dim, reset) = if color {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        let level = self.metadata.level();
        let level_color = match *level {
            _ if !color => "",
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            _ => "\x1b[34m",
        };
        // The date is known to whoever watches a terminal: 2026-11-24T09:10:02.123456Z
        let time = time.get(11..23).unwrap_or(time);
        let mut line = format!("{dim}{time}{reset} {level_color}{level:<5}{reset} ");
        push_escaped(&mut line, &self.message);
        for (name, value) in &self.fields {
            let _ = write!(line, " {dim}{name}={reset}");
            match value {
                Value::String(text) if is_plain(text) => line.push_str(text),
                Value::String(text) => {
                    line.push('"');
                    push_escaped(&mut line, &text.replace('\\', "\\\\").replace('"', "\\\""));
                    line.push('"');
                }
                other => {
                    let _ = write!(line, "{other}");
                }
            }
        }
        if let Some((trace_id, _)) = &self.trace {
            let _ = write!(line, " {dim}trace={}{reset}", &trace_id[..8]);
        }
        line.push('\n');
        line
    }
}

/// Text that ends where a line's room ends.
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
            // Stops whoever formats: a value may be larger than memory.
            self.text.push('…');
            return Err(fmt::Error);
        }
        Ok(())
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut cut = Cut {
            text: String::new(),
            room: &mut self.room,
        };
        // An error means that the text was cut.
        let _ = write!(cut, "{value:?}");
        let text = cut.text;
        self.field(field.name(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), value.into());
    }
}

/// Whether a value needs no quotes to be told from its neighbours.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| {
            c.is_whitespace() || is_treacherous(c) || matches!(c, '"' | '=' | '\\')
        })
}

/// Control characters end lines and steer terminals; the others reorder or hide text.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Appends `text` so that it stays on its line.
fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_treacherous(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}
