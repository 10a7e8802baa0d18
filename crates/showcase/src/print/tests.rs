use std::sync::Arc;

use anstream::adapter::strip_str;
use backend::{Attributes, Resource, Scope, SpanId, SpanKind, Status, StatusCode, TraceId};
use unicode_width::UnicodeWidthStr;

use super::*;

/// 12:04:31 UTC.
const START: u64 =
    1_700_000_000_000_000_000 / 86_400_000_000_000 * 86_400_000_000_000 + 43_471_000_000_000;

fn today() -> SystemTime {
    UNIX_EPOCH + std::time::Duration::from_nanos(START)
}

fn id(number: u64) -> SpanId {
    SpanId::try_from(number.to_be_bytes().as_slice()).unwrap()
}

/// A span from `from` to `to`, in microseconds from the start of the trace.
fn span(
    number: u64,
    parent: u64,
    name: &str,
    kind: SpanKind,
    service: &str,
    (from, to): (u64, u64),
) -> Span {
    Span {
        trace_id: TraceId::try_from([0x4b; 16].as_slice()).unwrap(),
        span_id: id(number),
        parent_span_id: (parent != 0).then(|| id(parent)),
        trace_state: String::new(),
        flags: 1,
        name: name.to_owned(),
        kind,
        start_unix_nanos: START + from * 1_000,
        end_unix_nanos: START + to * 1_000,
        status: Status::default(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        resource: Arc::new(Resource {
            attributes: [("service.name", service.into())].into(),
            ..Resource::default()
        }),
        scope: Arc::new(Scope::default()),
    }
}

fn with_events(mut span: Span, events: &[(u64, &str)]) -> Span {
    span.events = events
        .iter()
        .map(|(at, name)| Event {
            unix_nanos: START + at * 1_000,
            name: (*name).to_owned(),
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
        })
        .collect();
    span
}

fn with_error(mut span: Span, message: &str) -> Span {
    span.status = Status {
        code: StatusCode::Error,
        message: message.to_owned(),
    };
    span
}

fn trace(mut spans: Vec<Span>) -> Trace {
    spans.sort_by_key(|span| (span.start_unix_nanos, span.span_id));
    Trace {
        id: spans[0].trace_id,
        spans: spans.into_iter().map(Arc::new).collect(),
    }
}

/// One `GET /ping`, as the services make it.
fn ping() -> Vec<Span> {
    let internal = SpanKind::Internal;
    vec![
        span(1, 0, "GET /ping", SpanKind::Server, "Ping", (0, 4_120)),
        with_events(
            span(2, 1, "ping-request", internal, "Ping", (140, 4_050)),
            &[
                (150, "Start request processing"),
                (160, "Invoke external endpoint"),
                (3_900, "Response success"),
                (4_000, "Update metrics"),
            ],
        ),
        span(3, 2, "GET", SpanKind::Client, "Ping", (200, 3_850)),
        span(4, 3, "GET /pong", SpanKind::Server, "Pong", (1_500, 3_400)),
        with_events(
            span(5, 4, "pong-request", internal, "Pong", (1_600, 3_300)),
            &[(3_100, "Response success"), (3_200, "Update metrics")],
        ),
    ]
}

/// Without colours, and within `width`.
fn plain(trace: &Trace, width: usize) -> String {
    let text = strip_str(&print(trace, false, width, today())).to_string();
    for line in text.lines() {
        assert!(line.width() < width, "{} columns: {line}", line.width());
    }
    text
}

#[track_caller]
fn assert_text(text: &str, expected: &str) {
    // The first line is where the literal begins.
    assert!(text == &expected[1..], "\n{text}\nexpected:{expected}");
}

#[test]
fn five_spans_of_a_ping_are_a_tree_with_bars_and_events() {
    assert_text(
        &plain(&trace(ping()), 100),
        r"
12:04:31Z  4b4b4b4b  GET /ping  4.12 ms  5 spans, 2 services
  GET /ping             server    Ping  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    4.12 ms
  └ ping-request        internal  Ping   ╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     3.91 ms
    │ · Start request processing         ◆                                                  +150 µs
    │ · Invoke external endpoint          ◆                                                 +160 µs
    │ · Response success                                                             ◆     +3.90 ms
    │ · Update metrics                                                                ◆    +4.00 ms
    └ GET               client    Ping    ╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━       3.65 ms
      └ GET /pong       server    Pong                   ╺━━━━━━━━━━━━━━━━━━━━━╸            1.90 ms
        └ pong-request  internal  Pong                    ╺━━━━━━━━━━━━━━━━━━━╸             1.70 ms
            · Response success                                              ◆              +3.10 ms
            · Update metrics                                                 ◆             +3.20 ms

",
    );
}

#[test]
fn narrow_terminal_leaves_out_kind_then_service_then_bar() {
    let trace = trace(vec![ping().swap_remove(0), ping().swap_remove(1)]);
    assert_text(
        &[80, 60, 50, 41].map(|width| plain(&trace, width)).concat(),
        r"
12:04:31Z  4b4b4b4b  GET /ping  4.12 ms  2 spans, 1 service
  GET /ping       server    Ping  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    4.12 ms
  └ ping-request  internal  Ping   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸    3.91 ms
      · Start request processing   ◆                                    +150 µs
      · Invoke external endpoint   ◆                                    +160 µs
      · Response success                                          ◆    +3.90 ms
      · Update metrics                                             ◆   +4.00 ms

12:04:31Z  4b4b4b4b  GET /ping  4.12 ms  2 spans, 1 ser…
  GET /ping       server    Ping  ━━━━━━━━━━━━━━    4.12 ms
  └ ping-request  internal  Ping  ╺━━━━━━━━━━━━━    3.91 ms
      · Start request processing  ◆                 +150 µs
      · Invoke external endpoint  ◆                 +160 µs
      · Response success                       ◆   +3.90 ms
      · Update metrics                         ◆   +4.00 ms

12:04:31Z  4b4b4b4b  GET /ping  4.12 ms  2 sp…
  GET /ping       Ping  ━━━━━━━━━━━━━━    4.12 ms
  └ ping-request  Ping  ╺━━━━━━━━━━━━━    3.91 ms
      · Start request…  ◆                 +150 µs
      · Invoke extern…  ◆                 +160 µs
      · Response succ…               ◆   +3.90 ms
      · Update metrics               ◆   +4.00 ms

12:04:31Z  4b4b4b4b  GET /ping  4.12…
  GET /ping       ━━━━━━━━━━━    4.12 ms
  └ ping-request  ╺━━━━━━━━━━    3.91 ms
      · Start r…  ◆              +150 µs
      · Invoke …  ◆              +160 µs
      · Respons…            ◆   +3.90 ms
      · Update …            ◆   +4.00 ms

",
    );
}

#[test]
fn errors_are_marked_with_their_message_or_type() {
    let mut spans = vec![
        with_error(
            span(1, 0, "GET /ping", SpanKind::Server, "Ping", (0, 900)),
            "",
        ),
        with_error(
            span(2, 1, "ping-request", SpanKind::Internal, "Ping", (100, 800)),
            "pong cannot be reached",
        ),
        with_error(span(3, 2, "GET", SpanKind::Client, "Ping", (200, 700)), ""),
    ];
    spans[0].attributes = [("error.type", "502".into())].into();
    assert_text(
        &plain(&trace(spans), 100),
        r"
12:04:31Z  4b4b4b4b  GET /ping  900 µs  3 spans, 1 service  ✗ failed in Ping
✗ GET /ping       server    Ping  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     900 µs
  │ error: 502
✗ └ ping-request  internal  Ping        ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━           700 µs
    │ error: pong cannot be reached
✗   └ GET         client    Ping              ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━                 500 µs

",
    );
}

#[test]
fn siblings_orphans_and_circles_are_drawn() {
    let spans = vec![
        span(1, 0, "root", SpanKind::Internal, "a", (0, 1_000)),
        span(2, 1, "first", SpanKind::Producer, "a", (0, 100)),
        with_events(
            span(3, 2, "below first", SpanKind::Consumer, "b", (50, 80)),
            &[(60, "seen")],
        ),
        with_events(
            span(4, 1, "second", SpanKind::Unspecified, "a", (500, 500)),
            &[(700, "late")],
        ),
        span(
            5,
            9,
            "parent elsewhere",
            SpanKind::Server,
            "c",
            (900, 1_000),
        ),
        span(6, 7, "circle", SpanKind::Internal, "a", (950, 960)),
        span(7, 6, "circle", SpanKind::Internal, "a", (960, 970)),
    ];
    assert_text(
        &plain(&trace(spans), 100),
        r"
12:04:31Z  4b4b4b4b  root  1.00 ms  7 spans, 3 services  parent missing
  root                internal  a     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    1.00 ms
  ├ first             producer  a     ━━━━━                                                  100 µs
  │ └ below first     consumer  b       ╺━                                                  30.0 µs
  │     · seen                           ◆                                                 +60.0 µs
  └ second                      a                              ╸                               0 ns
      · late                                                             ◆                  +700 µs
  ┄ parent elsewhere  server    c                                                  ━━━━━     100 µs
  ┄ circle            internal  a                                                    ╺      10.0 µs
  └ circle            internal  a                                                     ╸     10.0 µs

",
    );
}

#[test]
fn hostile_text_stays_text_in_its_columns() {
    let mut evil = span(
        1,
        0,
        "\x1b[2J\x1b]0;owned\x07 支払い\u{202e}gnp.exe",
        SpanKind::Server,
        "支払い\x1b[31mサービス",
        (0, 10),
    );
    evil.status = Status {
        code: StatusCode::Error,
        message: "\r\nGET /ping  all is well\x08".repeat(20),
    };
    evil.events = vec![Event {
        unix_nanos: 0,
        name: "exception\n".repeat(1_000),
        attributes: [("\x1b[1A", "x".repeat(100_000).into())].into(),
        dropped_attributes_count: 0,
    }];
    let trace = trace(vec![
        evil,
        span(2, 1, &"e\u{301}".repeat(500), SpanKind::Client, "", (3, 2)),
    ]);
    for width in 41..170 {
        let text = plain(&trace, width);
        assert!(
            !text.contains(|char: char| char.is_control() && char != '\n'),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 6, "{text}");
    }
    assert_text(
        &plain(&trace, 100),
        r"
12:04:31Z  4b4b4b4b  \u{1b}[2J\u{1b}]…  10.0 µs  2 spans, 2 services  ✗ failed in 支払い\u{1b}[31m…
✗ \u{1b}[2J\u{1b}]0;owned\u{7} 支払い\u{…  server    支払い\u{1b}[31…  ━━━━━━━━━━━━━━━━━    10.0 µs
  │ error: \r\nGET /ping  all is well\u{8}\r\nGET /ping  all is well\u{8}\r\nGET /pin…
  │ · exception\nexception\nexception\nexception\nexception\nexcepti…  ◆                  -472212 h
  └ éééééééééééééééééééééééééééééééééééé…  client                           ╸                  0 ns

",
    );
}

#[test]
fn large_trace_is_cut_and_deep_one_stays_within_the_width() {
    let mut spans: Vec<_> = (1..=10_000)
        .map(|number| {
            span(
                number,
                number - 1,
                "deeper",
                SpanKind::Internal,
                "a",
                (number, 20_000),
            )
        })
        .collect();
    spans[0].events = with_events(spans[0].clone(), &[(1, "again"); 30]).events;
    let text = plain(&trace(spans), 41);
    assert_eq!(text.lines().count(), LINES + 2, "{text}");
    assert!(text.contains("  │ … and 10 more events\n"), "{text}");
    let spans = LINES - 1 - EVENTS - 1;
    assert!(
        text.ends_with(&format!("\n  … and {} more spans\n\n", 10_000 - spans)),
        "{text}"
    );
}

#[test]
fn every_span_is_seen_on_the_timeline_wherever_its_clock_is() {
    let timeline = Timeline::new(1_000, 100, 4);
    for (start, end, bar) in [
        (1_000, 1_100, "━━━━"),
        (1_025, 1_075, " ━━ "),
        (1_013, 1_063, "╺━╸ "),
        (1_050, 1_050, "  ╸ "),
        (1_100, 1_100, "   ╺"),
        (0, 0, "╸   "),
        (5_000, 9_000, "   ╺"),
        (1_075, 1_000, "   ╸"),
    ] {
        let mut span = span(1, 0, "", SpanKind::Internal, "", (0, 0));
        (span.start_unix_nanos, span.end_unix_nanos) = (start, end);
        assert_eq!(timeline.bar(&span), bar, "{start} to {end}");
    }
    assert_eq!(
        [0, 1_000, 1_050, 1_100, u64::MAX].map(|moment| timeline.tick(moment)),
        ["◆   ", "◆   ", "  ◆ ", "   ◆", "   ◆"]
    );
    assert_eq!(
        Timeline::new(0, u64::MAX, 80).tick(u64::MAX).trim_start(),
        "◆"
    );
}

#[test]
fn updated_trace_says_so() {
    let text = strip_str(&print(&trace(ping()), true, 100, today())).to_string();
    assert!(
        text.lines()
            .next()
            .unwrap()
            .ends_with("5 spans, 2 services  updated"),
        "{text}"
    );
}

#[test]
fn services_of_a_trace_have_different_colours_and_a_service_the_same_in_every_trace() {
    let both = Colours::new(&["Ping", "Pong"]);
    assert_ne!(both.of("Ping"), both.of("Pong"));
    for service in ["Ping", "Pong"] {
        assert_eq!(Colours::new(&[service]).of(service), both.of(service));
    }
    let five = Colours::new(&["a", "b", "c", "d", "e"]);
    for (one, other) in [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("a", "e")] {
        assert_ne!(five.of(one), five.of(other));
    }
}

#[test]
fn error_is_red_in_mark_name_and_bar_only() {
    let mut spans = ping();
    spans[3] = with_error(spans[3].clone(), "");
    let text = print(&trace(spans), false, 100, today());
    for line in text.lines() {
        assert_eq!(
            line.contains(&ERROR.render().to_string()),
            line.contains('✗') || line.contains("GET /pong"),
            "{line}"
        );
    }
}

#[test]
fn trace_of_another_day_has_its_date() {
    for (day, expected) in [
        (0, "1970-01-01 00:00:00Z"),
        (58, "1970-02-28 00:00:00Z"),
        (59, "1970-03-01 00:00:00Z"),
        (11_016, "2000-02-29 00:00:00Z"),
        (11_017, "2000-03-01 00:00:00Z"),
        (20_787, "2026-11-30 00:00:00Z"),
        (47_540, "2100-02-28 00:00:00Z"),
        (47_541, "2100-03-01 00:00:00Z"),
    ] {
        assert_eq!(moment(day * 86_400_000_000_000, today()), expected);
    }
    assert_eq!(moment(START, today()), "12:04:31Z");
}

#[test]
fn trace_whose_caller_sends_no_spans_here_is_called_from_outside() {
    let spans = |kind| trace(vec![span(1, 9, "first", kind, "Shop", (0, 5))]);
    assert!(plain(&spans(SpanKind::Server), 100).contains("called from outside"));
    assert!(plain(&spans(SpanKind::Internal), 100).contains("parent missing"));
}

#[test]
fn failures_are_counted_where_they_begin() {
    let mut spans = ping();
    spans[4] = with_error(spans[4].clone(), "out of order");
    for place in [3, 2, 1, 0] {
        spans[place] = with_error(spans[place].clone(), "");
    }
    assert!(plain(&trace(spans.clone()), 100).contains("✗ failed in Pong"));
    spans[3].status = Status::default();
    assert!(plain(&trace(spans), 100).contains("✗ 2 failures"));
}
