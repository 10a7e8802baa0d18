//! Lines as they are written, without a process around them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use super::output::WAITING_LINES;
use super::*;

const JSON: Format = Format::Json;
const TERMINAL: Format = Format::Terminal { color: false };

/// Keeps what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The layer with this filter.
fn events(filter: &str, output: &Output) -> Events {
    let choice = Choice {
        filter: filter.to_owned(),
        ..Choice::default()
    };
    Events::new(&choice, output.clone(), None)
}

/// The lines that `log` writes through this filter.
fn lines(filter: &str, format: Format, log: impl FnOnce()) -> Vec<String> {
    let page = Page::default();
    let output = Output::new(page.clone(), format).unwrap();
    let subscriber = Registry::default().with(events(filter, &output));
    dispatcher::with_default(&Dispatch::new(subscriber), log);
    output.flush()();
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn json(line: &str) -> BTreeMap<String, Value> {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A line without the time it starts with.
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_at("00:00:00.000".len());
    assert!(
        time.chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ':' | '.')),
        "{line}"
    );
    rest
}

#[test]
fn json_line_has_exactly_these_members() {
    let tracer =
        opentelemetry::trace::TracerProvider::tracer(&SdkTracerProvider::default(), "test");
    let context = Context::new().with_span(tracer.start("span"));
    let lines = lines("info", JSON, || {
        let _attached = context.clone().attach();
        tracing::warn!(
            count = 3,
            name = "n",
            ratio = 0.5,
            ok = true,
            "said {}",
            "so"
        );
    });
    let mut line = json(&lines[0]);
    assert!(
        lines[0].starts_with("{\"timestamp\":\"20"),
        "time comes first: {}",
        lines[0]
    );
    let time = line.remove("timestamp").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    let span = context.span().span_context().clone();
    let expected = BTreeMap::from([
        ("level".to_owned(), "WARN".into()),
        ("target".to_owned(), "subscriber::tests".into()),
        ("message".to_owned(), "said so".into()),
        ("trace_id".to_owned(), span.trace_id().to_string().into()),
        ("span_id".to_owned(), span.span_id().to_string().into()),
        (
            "fields".to_owned(),
            serde_json::json!({"count": 3, "name": "n", "ratio": 0.5, "ok": true}),
        ),
    ]);
    assert_eq!(line, expected);
}

#[test]
fn line_outside_a_span_has_no_ids() {
    let lines = lines("info", JSON, || tracing::info!("alone"));
    let members: Vec<_> = json(&lines[0]).into_keys().collect();
    assert_eq!(members, ["level", "message", "target", "timestamp"]);
}

#[test]
fn line_on_a_terminal_is_for_people() {
    let tracer =
        opentelemetry::trace::TracerProvider::tracer(&SdkTracerProvider::default(), "test");
    let context = Context::new().with_span(tracer.start("span"));
    let lines = lines("info", TERMINAL, || {
        let _attached = context.clone().attach();
        tracing::info!(
            count = 3,
            text = "two words",
            empty = "",
            word = "one",
            "said so"
        );
    });
    let trace_id = context.span().span_context().trace_id().to_string();
    assert_eq!(
        without_time(&lines[0]),
        format!(
            " INFO  said so count=3 text=\"two words\" empty=\"\" word=one trace={}",
            &trace_id[..8]
        )
    );
}

#[test]
fn colors_are_for_terminals_that_want_them() {
    let colored = lines("info", Format::Terminal { color: true }, || {
        tracing::error!(a = 1, "m")
    });
    assert!(colored[0].contains("\x1b[31mERROR\x1b[0m"), "{colored:?}");
    let plain = lines("info", TERMINAL, || tracing::error!(a = 1, "m"));
    assert!(!plain[0].contains('\x1b'), "{plain:?}");
}

#[test]
fn values_cannot_forge_lines_or_steer_the_terminal() {
    let evil = "end\n00:00:00.000 ERROR forged\r\x1b[2K\u{9b}31m\u{202e}\u{2028}\" x=1 \\";
    for format in [TERMINAL, JSON] {
        let lines = lines(
            "info",
            format,
            || tracing::info!(value = evil, debug = ?evil, "{evil}"),
        );
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(!lines[0].contains(['\r', '\x1b', '\n']), "{lines:#?}");
        if format == JSON {
            assert_eq!(json(&lines[0])["message"], evil);
            assert_eq!(json(&lines[0])["fields"]["value"], evil);
        } else {
            assert!(
                !lines[0].contains(['\u{9b}', '\u{202e}', '\u{2028}']),
                "{lines:#?}"
            );
            assert!(
                lines[0].contains(r#"value="end\n00:00:00.000 ERROR forged\r"#),
                "{lines:#?}"
            );
        }
    }
}

#[test]
fn long_values_are_cut_and_short_ones_before_them_are_whole() {
    let long = "ä".repeat(1_000_000);
    for format in [TERMINAL, JSON] {
        let lines = lines(
            "info",
            format,
            || tracing::info!(short = "whole", long, debug = ?long, "message"),
        );
        assert!(lines[0].len() < 2 * line::LONGEST, "{}", lines[0].len());
        assert!(
            lines[0].contains("whole") && lines[0].contains("message") && lines[0].contains("ää…")
        );
    }
}

#[test]
fn filter_decides_by_level_and_target() {
    let log = || {
        tracing::error!("error");
        tracing::info!("info");
        tracing::debug!("debug");
        tracing::debug!(target: "other::module", "other");
    };
    let messages = |filter: &str| -> Vec<Value> {
        lines(filter, JSON, log)
            .iter()
            .map(|line| json(line)["message"].clone())
            .collect()
    };
    assert_eq!(messages("info"), ["error", "info"]);
    assert_eq!(messages("off"), [""; 0]);
    assert_eq!(messages("error"), ["error"]);
    assert_eq!(messages("warn,other=debug"), ["error", "other"]);
    assert_eq!(messages("debug"), ["error", "info", "debug", "other"]);
}

#[test]
fn filter_can_ask_for_the_lines_of_one_span() {
    let lines = lines("warn,[wanted]=debug", JSON, || {
        tracing::info_span!("wanted").in_scope(|| tracing::debug!("inside"));
        tracing::info_span!("other").in_scope(|| tracing::debug!("outside"));
        tracing::debug!("after");
    });
    let messages: Vec<_> = lines
        .iter()
        .map(|line| json(line)["message"].clone())
        .collect();
    assert_eq!(messages, ["inside"]);
}

#[test]
fn exporters_own_traffic_is_muted_at_debug_unless_asked_for() {
    let log = || {
        tracing::debug!(target: "hyper::client", "hyper");
        tracing::debug!(target: "h2", "h2");
        tracing::debug!(target: "reqwest::connect", "reqwest");
        tracing::info!(target: "tonic", "tonic");
        tracing::debug!(target: "hyperspace", "no library of ours");
    };
    let messages = |filter: &str| -> Vec<Value> {
        lines(filter, JSON, log)
            .iter()
            .map(|line| json(line)["message"].clone())
            .collect()
    };
    assert_eq!(messages("debug"), ["tonic", "no library of ours"]);
    assert_eq!(
        messages("debug,hyper=debug"),
        ["hyper", "tonic", "no library of ours"]
    );
    assert_eq!(messages("info,h2=trace"), ["h2", "tonic"]);
}

#[test]
fn warnings_of_the_sdk_and_of_http_crates_come_once_a_kind_and_ours_always() {
    let lines = lines("info", JSON, || {
        for _ in 0..100 {
            tracing::warn!(name: "One", target: "opentelemetry_sdk", "one");
            tracing::error!(name: "Two", target: "opentelemetry-otlp", "two");
            tracing::warn!(target: "h2::proto::streams::recv", "three");
        }
        for _ in 0..3 {
            tracing::warn!("ours");
        }
    });
    let mut counts = BTreeMap::<String, usize>::new();
    for line in &lines {
        *counts
            .entry(json(line)["message"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let expected = [("one", 1), ("ours", 3), ("three", 1), ("two", 1)]
        .map(|(message, count)| (message.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn failed_and_delayed_exports_are_told_by_us_not_by_the_sdk() {
    let lines = lines("info", JSON, || {
        tracing::error!(name: "BatchSpanProcessor.ExportError", target: "opentelemetry_sdk", "x");
        tracing::warn!(name: "Export.Failed.Exhausted", target: "opentelemetry-otlp", "x");
        tracing::info!(name: "Export.InProgress.Throttled", target: "opentelemetry-otlp", "x");
        tracing::warn!(name: "Export.Other", target: "opentelemetry_sdk", "kept");
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[test]
fn the_api_may_warn_while_it_holds_the_current_context() {
    let lines = lines("info", JSON, || {
        // The stack of contexts takes 65,534; attaching one more is warned of from inside.
        let guards: Vec<_> = (0..=u16::MAX).map(|_| Context::new().attach()).collect();
        guards.into_iter().rev().for_each(drop);
    });
    assert!(lines[0].contains("Context.AttachFailed"), "{lines:#?}");
}

/// A stdout that nobody reads.
struct Blocked(mpsc::Receiver<()>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Returns when the test is over.
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn blocked_stdout_blocks_nobody_and_lost_lines_are_counted() {
    let (unblock, blocked) = mpsc::channel();
    let output = Output::new(Blocked(blocked), JSON).unwrap();
    let subscriber = Registry::default().with(events("info", &output));
    dispatcher::with_default(&Dispatch::new(subscriber), || {
        for number in 0..10_000 {
            tracing::info!(number, "line");
        }
    });
    // One is in the writer's hands, or not yet.
    let dropped = usize::try_from(output.lost().next().unwrap().count).unwrap();
    assert!(
        (10_000 - WAITING_LINES - 1..=10_000 - WAITING_LINES).contains(&dropped),
        "{dropped}"
    );
    let (done, is_done) = mpsc::channel();
    let flush = output.flush();
    std::thread::spawn(move || {
        flush();
        let _ = done.send(());
    });
    let waited = is_done.recv_timeout(Duration::from_millis(10));
    assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout));
    drop(unblock);
}

#[test]
fn flush_writes_what_waits() {
    let page = Page::default();
    let output = Output::new(page.clone(), JSON).unwrap();
    let subscriber = Registry::default().with(events("info", &output));
    dispatcher::with_default(&Dispatch::new(subscriber), || {
        for number in 0..WAITING_LINES / 2 {
            tracing::info!(number, "line");
        }
    });
    output.flush()();
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), WAITING_LINES / 2);
    assert_eq!(output.lost().next(), None);
}

/// A stdout on a full disk.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn lines_that_stdout_refuses_are_counted_with_the_reason_and_do_not_hold_up_the_end() {
    let output = Output::new(Full, JSON).unwrap();
    let subscriber = Registry::default().with(events("info", &output));
    dispatcher::with_default(&Dispatch::new(subscriber), || {
        for number in 0..3 {
            tracing::info!(number, "line");
        }
    });
    output.flush()();
    assert_eq!(
        output.lost().collect::<Vec<_>>(),
        [LostLines {
            count: 3,
            error: Some(io::ErrorKind::StorageFull)
        }]
    );
}
