//! What a service prints, on the terminal: only what belongs to no trace. The page shows the rest beside its spans, where
//! a pong that fails a hundred times a second drowns nothing.

use serde_json::{Map, Value};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::ChildStdout,
};

use crate::{screen::Screen, text::Text};

/// Columns of a line, at most.
const COLUMNS: usize = 1_000;

/// Shows the lines of the service `name` until it has ended.
pub(crate) async fn show(name: &'static str, stdout: ChildStdout, screen: Screen) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(text) = text(name, &line) {
            screen.show(text + "\n").await;
        }
    }
}

/// A log line as it is shown, if it is; whatever else a service prints is shown as it is.
fn text(name: &str, line: &str) -> Option<String> {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return Some(Text::new(line, COLUMNS).as_str().to_owned());
    };
    if fields.contains_key("trace_id") {
        return None;
    }
    let mut take = |field| match fields.remove(field) {
        Some(Value::String(text)) => text,
        other => other.map(|value| value.to_string()).unwrap_or_default(),
    };
    let (time, level, message) = (take("timestamp"), take("level"), take("message"));
    take("target"); // the name says as much
    let time = time.get(11..19).unwrap_or_default();
    let mut text = format!("{time}Z  {level:5}  {name}: {message}");
    let Some(Value::Object(of_line)) = fields.remove("fields") else {
        return Some(Text::new(text, COLUMNS).as_str().to_owned());
    };
    for (field, value) in of_line {
        text.push_str(&match value {
            Value::String(value) => format!(" {field}={value}"),
            value => format!(" {field}={value}"),
        });
    }
    Some(Text::new(text, COLUMNS).as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_no_trace_is_shown_with_its_fields_and_any_other_is_not() {
        let line = r#"{"timestamp":"2026-11-25T15:34:45.560349Z","level":"WARN","target":"telemetry::otlp","message":"nothing listens","fields":{"tries":3,"error":"refused\u001b[2J"}}"#;
        let shown = "15:34:45Z  WARN   ping: nothing listens error=refused\\u{1b}[2J tries=3";
        assert_eq!(text("ping", line).as_deref(), Some(shown));
        let of_trace = line.replace(
            "\"fields\":",
            "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"fields\":",
        );
        assert_eq!(text("ping", &of_trace), None);
        assert_eq!(
            text("ping", "Span\x07 #0").as_deref(),
            Some("Span\\u{7} #0")
        );
    }
}
