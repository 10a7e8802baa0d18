//! One log line: what it holds, and how it looks.

use std::fmt::Write;

use opentelemetry::trace::SpanContext;
use serde_json::Value;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::escape::{is_unsafe_on_terminal, push_escaped};
use super::fields::Fields;

/// The most text of one line, in bytes before escaping. The rest is cut off, so that the memory of queued lines is bounded.
pub(super) const LONGEST: usize = 4 * 1024;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal {
        /// With escape sequences.
        color: bool,
    },
    /// For machines: one object a line.
    Json,
}

/// Fields of enclosing spans that a line takes at most.
const ENCLOSING: usize = 32;

pub(super) struct Line<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
    trace: Option<(String, String)>,
    /// How much more text it takes.
    room: usize,
    enclosing: usize,
}

impl<'a> Line<'a> {
    /// `metadata` is the event's own, or that of the `log` record that it was made from.
    pub(super) fn of(event: &Event<'_>, metadata: &Metadata<'a>) -> Self {
        let mut fields = Fields::with_room(LONGEST);
        event.record(&mut fields);
        let Fields { mut list, room } = fields;
        let message = list.iter().position(|(name, _)| *name == "message");
        let message = match message.map(|at| list.remove(at).1) {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        Self {
            level: *metadata.level(),
            target: metadata.target(),
            message,
            fields: list,
            trace: None,
            room,
            enclosing: ENCLOSING,
        }
    }

    pub(super) fn field(&mut self, name: &'static str, value: Value) {
        self.fields.push((name, value));
    }

    /// The text of a field, or none if there is no such field or it is a number.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(field, _)| *field == name)?;
        value.as_str()
    }

    /// Adds the fields of an enclosing span, as far as there is room. The first field of a name wins, so add the
    /// innermost span first.
    pub(super) fn enclose(&mut self, fields: &Fields) {
        for (name, value) in &fields.list {
            let length = value.as_str().map_or(0, str::len);
            if self.fields.iter().any(|(field, _)| field == name) {
                continue;
            }
            if self.enclosing == 0 || length > self.room {
                return;
            }
            self.enclosing -= 1;
            self.room -= length;
            self.fields.push((name, value.clone()));
        }
    }

    /// The span that the line belongs to, if it is one.
    pub(super) fn span(&mut self, span: &SpanContext) {
        if span.is_valid() {
            self.trace = Some((span.trace_id().to_string(), span.span_id().to_string()));
        }
    }

    /// The line with its end.
    pub(super) fn render(&self, format: Format) -> String {
        let mut time = String::with_capacity(32);
        // Writing to a string does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        match format {
            Format::Json => self.json(&time),
            Format::Terminal { color } => self.terminal(&time, color),
        }
    }

    fn json(&self, time: &str) -> String {
        let mut line = format!("{{\"timestamp\":\"{time}\"");
        let mut member = |name: &str, value: Value| {
            // A `Value` displays as JSON.
            let _ = write!(line, ",{}:{value}", Value::from(name));
        };
        member("level", self.level.as_str().into());
        member("target", self.target.into());
        member("message", self.message.as_str().into());
        if let Some((trace_id, span_id)) = &self.trace {
            member("trace_id", trace_id.as_str().into());
            member("span_id", span_id.as_str().into());
        }
        if !self.fields.is_empty() {
            let fields = self.fields.iter();
            let fields = fields.map(|(name, value)| ((*name).to_owned(), value.clone()));
            member("fields", Value::Object(fields.collect()));
        }
        line.push_str("}\n");
        line
    }

    fn terminal(&self, time: &str, color: bool) -> String {
        let (dim, reset) = if color {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        let level = self.level;
        let level_color = match level {
            _ if !color => "",
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            _ => "\x1b[34m",
        };
        // Without the date, which a person at a terminal knows: 2026-11-24T09:10:02.123456Z
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

/// Whether a value is readable without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| {
            c.is_whitespace() || is_unsafe_on_terminal(c) || matches!(c, '"' | '=' | '\\')
        })
}
