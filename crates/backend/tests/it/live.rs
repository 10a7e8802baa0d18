//! What the page shows, over real connections.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use backend::Backend;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::timeout,
};

use crate::{CLIENT, JSON, LIMIT, post, start};

async fn get(backend: &Backend, path: &str) -> Value {
    let (status, answer) = ask(backend, path).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn ask(backend: &Backend, path: &str) -> (u16, Value) {
    let url = format!("http://{}{path}", backend.query());
    let answer = CLIENT.get(url).send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
    )
}

const START: u64 = 1_700_000_000_000_000_000;

/// Span `id` of trace `trace`, `ms` milliseconds after a start that all share, below `parent` if that is not 0.
struct Span(u64, u64, u64, &'static str, &'static str, u64, bool);

/// Sends spans as any exporter would.
async fn send(backend: &Backend, spans: &[Span]) {
    let spans: Vec<_> = spans
        .iter()
        .map(|Span(trace, id, parent, service, name, ms, error)| {
            let parent = if *parent == 0 { String::new() } else { format!("{parent:016x}") };
            json!({
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                "scopeSpans": [{"spans": [{
                    "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "parentSpanId": parent,
                    "name": name, "kind": 2, "status": {"code": if *error { 2 } else { 0 }},
                    "startTimeUnixNano": (START + ms * 1_000_000).to_string(),
                    "endTimeUnixNano": (START + ms * 1_000_000 + 2_500_000).to_string(),
                    "attributes": [{"key": "number", "value": {"intValue": id.to_string()}}],
                }]}],
            })
        })
        .collect();
    let body = json!({"resourceSpans": spans}).to_string();
    assert_eq!(
        post(backend, "/v1/traces", &[JSON], body).await.status(),
        200
    );
}

fn id(trace: u64) -> String {
    format!("{trace:032x}")
}

#[tokio::test]
async fn summary_of_a_trace_has_its_root_its_services_and_its_errors() {
    let backend = start();
    let spans = [
        Span(7, 1, 0, "Ping", "GET /ping", 0, false),
        Span(7, 2, 1, "Pong", "GET /pong", 3, true),
        Span(7, 3, 2, "Pong", "pong-request", 4, true),
    ];
    send(&backend, &spans).await;
    let expected = json!({
        "traces": [{
            "id": id(7), "start": 1_700_000_000_000.0, "duration": 6.5,
            "root": {"service": "Ping", "name": "GET /ping"}, "caller": "none",
            "services": [{"name": "Ping", "spans": 1}, {"name": "Pong", "spans": 2}],
            "spans": 3, "errors": 2, "complete": true,
            "failures": 1, "failed": {"service": "Pong", "name": "pong-request"},
        }],
        "kept": 1,
    });
    assert_eq!(get(&backend, "/api/summaries").await, expected);

    send(&backend, &[Span(8, 2, 1, "Pong", "GET /pong", 5000, false)]).await;
    let both = get(&backend, "/api/summaries").await;
    assert_eq!(both["traces"][0]["id"], id(8), "the newest first");
    let root = json!({"service": "Pong", "name": "GET /pong"});
    assert_eq!(both["traces"][0]["root"], root, "what is there of it");
    assert_eq!(both["traces"][0]["caller"], "outside");
    assert_eq!(both["traces"][0]["complete"], false);
    assert_eq!(both["kept"], 2);
}

#[tokio::test]
async fn caller_of_a_trace_without_a_root_is_outside_if_its_first_span_says_so() {
    let backend = start();
    for (trace, more, caller) in [
        (1, json!({"kind": 2}), "outside"),
        (2, json!({"kind": 5}), "outside"),
        (3, json!({"kind": 1, "flags": 0x301}), "outside"),
        (4, json!({"kind": 1, "flags": 0x101}), "missing"),
        (5, json!({"kind": 3}), "missing"),
    ] {
        let mut span = json!({
            "traceId": id(trace), "spanId": format!("{:016x}", 1), "parentSpanId": format!("{:016x}", 9),
            "name": "first", "startTimeUnixNano": "1000", "endTimeUnixNano": "2000",
        });
        for (key, value) in more.as_object().unwrap() {
            span[key] = value.clone();
        }
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string();
        post(&backend, "/v1/traces", &[JSON], body).await;
        let answer = get(&backend, &format!("/api/summaries?text={}", id(trace))).await;
        let found = &answer["traces"][0];
        assert_eq!(found["caller"], caller, "{more}");
        assert_eq!(found["root"]["name"], "first", "{more}");
    }
}

#[tokio::test]
async fn failures_are_where_errors_begin_and_the_one_that_ended_first_is_named() {
    let backend = start();
    let spans = [
        Span(7, 1, 0, "Shop", "GET /", 0, true),
        Span(7, 2, 1, "Cart", "slow", 30, true),
        Span(7, 3, 1, "Cart", "fast", 9, true),
        Span(7, 4, 3, "Cart", "well", 10, false),
        Span(7, 5, 5, "Loop", "its own parent", 50, true),
    ];
    send(&backend, &spans).await;
    let trace = &get(&backend, "/api/summaries").await["traces"][0];
    assert_eq!(trace["errors"], 4);
    assert_eq!(trace["failures"], 3);
    assert_eq!(trace["failed"], json!({"service": "Cart", "name": "fast"}));
}

#[tokio::test]
async fn summaries_are_those_that_match_everything_asked_for() {
    let backend = start();
    let spans = [
        Span(1, 1, 0, "Ping", "GET /ping", 0, false),
        Span(1, 2, 1, "Pong", "GET /pong", 9, false),
        Span(2, 3, 0, "Ping", "GET /ping", 20, true),
        Span(3, 4, 0, "Pong", "GET /pong?a=b&c", 30, false),
    ];
    send(&backend, &spans).await;
    for (asked, expected) in [
        ("", &[3, 2, 1][..]),
        ("limit=2", &[3, 2]),
        ("limit=0", &[]),
        ("service=Pong", &[3, 1]),
        ("service=Pong&operation=GET%20/pong", &[1]),
        ("service=Pong&operation=", &[3, 1]),
        ("errors=true", &[2]),
        ("errors=false", &[3, 2, 1]),
        ("text=%3FA%3DB%26C", &[3]),
        ("attribute=number%3D2", &[1]),
        ("attribute=number%3D2&attribute=number%3D1", &[]),
        ("attribute=number%3D2&attribute=service.name%3DPong", &[1]),
        ("minDuration=2.5", &[3, 2, 1]),
        ("minDuration=2.6", &[]),
        ("service=Nobody", &[]),
    ] {
        let answer = get(&backend, &format!("/api/summaries?{asked}")).await;
        let found: Vec<_> = answer["traces"].as_array().unwrap().iter().collect();
        let found: Vec<_> = found.iter().map(|trace| trace["id"].clone()).collect();
        let expected: Vec<_> = expected.iter().map(|trace| id(*trace)).collect();
        assert_eq!(found, expected, "{asked}");
        assert_eq!(answer["kept"], 3, "{asked}");
    }
}

#[tokio::test]
async fn question_that_is_not_understood_is_answered_with_what_is_wrong() {
    let backend = start();
    for (path, words) in [
        ("/api/summaries?limit=many", "limit is not understood"),
        ("/api/summaries?limit=-1", "limit is not understood"),
        ("/api/summaries?minDuration=NaN", "minDuration is not"),
        ("/api/summaries?minDuration=-1", "minDuration is not"),
        ("/api/summaries?minDuration=1e300", "minDuration is not"),
        ("/api/summaries?errors=yes", "errors is not understood"),
        ("/api/summaries?attribute=x", "attribute is key=value"),
        ("/api/logs?trace=x", "trace is not understood"),
        ("/api/logs?span=00f067aa0ba902b7", "trace is missing"),
        ("/api/logs?attribute=n", "attribute is key=value"),
        ("/api/logs?severity=high", "severity is not understood"),
    ] {
        let (status, answer) = ask(&backend, path).await;
        assert_eq!(status, 400, "{path}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(words), "{path}: {error}");
    }
}

#[tokio::test]
async fn summary_stays_a_line_whatever_a_trace_holds() {
    let backend = start();
    let long: &str = Box::leak("ä".repeat(1 << 20).into_boxed_str());
    let mut spans = vec![Span(1, 1, 0, long, long, 0, false)];
    for number in 2..500 {
        let service = Box::leak(format!("service-{number}").into_boxed_str());
        spans.push(Span(1, number, 1, service, "x", 1, false));
    }
    send(&backend, &spans).await;
    let answer = get(&backend, "/api/summaries").await;
    assert_eq!(answer["traces"][0]["spans"], 499);
    assert!(answer.to_string().len() < 8_000);
}

#[tokio::test]
async fn logs_are_found_by_trace_and_by_span() {
    let backend = start();
    let records: Vec<_> = [(1, 11, 5), (1, 12, 3), (2, 21, 4), (0, 0, 6)]
        .iter()
        .map(|(trace, span, ms)| {
            json!({
                "traceId": if *trace == 0 { String::new() } else { format!("{trace:032x}") },
                "spanId": if *span == 0 { String::new() } else { format!("{span:016x}") },
                "timeUnixNano": (START + ms * 1_000_000).to_string(),
                "severityNumber": 13, "body": {"stringValue": format!("line {span}")},
                "attributes": [{"key": "n", "value": {"intValue": "5"}}],
            })
        })
        .collect();
    let body = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "Ping"}}]},
        "scopeLogs": [{"scope": {"name": "logger", "version": "1"}, "logRecords": records}],
    }]});
    let sent = post(&backend, "/v1/logs", &[JSON], body.to_string()).await;
    assert_eq!(sent.status(), 200);

    let of_span = get(
        &backend,
        &format!("/api/logs?trace={}&span={:016x}", id(1), 12),
    )
    .await;
    let expected = json!({"logs": [{
        "time": 1_700_000_000_003.0, "severity": "WARN", "body": "line 12", "event": "", "service": "Ping",
        "scope": {"name": "logger", "version": "1"}, "traceId": id(1), "spanId": format!("{:016x}", 12),
        "attributes": {"n": 5}, "resource": {"service.name": "Ping"},
    }], "truncated": false});
    assert_eq!(of_span, expected);
    let short = format!("/api/logs?trace={:016x}&span={:016x}", 1, 12);
    assert_eq!(get(&backend, &short).await, expected);
    let bodies = async |path: String| -> Vec<String> {
        let answer = get(&backend, &path).await;
        let logs = answer["logs"].as_array().unwrap();
        logs.iter()
            .map(|log| log["body"].as_str().unwrap().to_owned())
            .collect()
    };
    let of_trace = bodies(format!("/api/logs?trace={}", id(1))).await;
    assert_eq!(of_trace, ["line 12", "line 11"], "by time");
    let all = bodies("/api/logs".to_owned()).await;
    assert_eq!(all, ["line 12", "line 21", "line 11", "line 0"]);
    let none = bodies(format!("/api/logs?trace={}", id(9))).await;
    assert_eq!(none, Vec::<String>::new());
}

#[tokio::test]
async fn structured_log_records_are_answered_as_json() {
    let backend = start();
    let map = r#"{"kvlistValue": {"values": [
        {"key": "a", "value": {"arrayValue": {"values": [{"intValue": "9007199254740993"}, {"boolValue": true}, {}]}}},
        {"key": "b", "value": {"bytesValue": "AQI="}}, {"key": "c", "value": {"doubleValue": 0.5}}]}}"#;
    let record = format!(
        r#"{{"eventName": "order.placed", "body": {map}, "attributes": [{{"key": "order", "value": {map}}}]}}"#
    );
    let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    assert_eq!(
        post(&backend, "/v1/logs", &[JSON], body).await.status(),
        200
    );
    let answer = get(&backend, "/api/logs").await;
    let expected = json!({"a": [9_007_199_254_740_993_u64, true, null], "b": "AQI=", "c": 0.5});
    let log = &answer["logs"][0];
    assert_eq!(log["event"], "order.placed");
    assert_eq!(log["body"], expected);
    assert_eq!(log["attributes"], json!({"order": expected}));
}

#[tokio::test]
async fn logs_are_found_by_service_severity_text_and_attribute() {
    let backend = start();
    for (service, records) in [
        ("Ping", [(9, "ready", "a"), (17, "no Answer", "b")]),
        ("Pong", [(13, "slow answer", "a"), (0, "{}", "")]),
    ] {
        let records: Vec<_> = records
            .iter()
            .map(|(severity, body, n)| {
                json!({
                    "timeUnixNano": START.to_string(), "severityNumber": severity, "body": {"stringValue": body},
                    "attributes": [{"key": "n", "value": {"stringValue": n}}],
                })
            })
            .collect();
        let body = json!({"resourceLogs": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeLogs": [{"scope": {"name": "logger"}, "logRecords": records}],
        }]});
        let sent = post(&backend, "/v1/logs", &[JSON], body.to_string()).await;
        assert_eq!(sent.status(), 200);
    }
    for (query, bodies, truncated) in [
        ("", &["ready", "no Answer", "slow answer", "{}"][..], false),
        ("service=Pong", &["slow answer", "{}"], false),
        ("severity=13", &["no Answer", "slow answer"], false),
        ("text=ANSWER", &["no Answer", "slow answer"], false),
        ("text=logger&service=Ping", &["ready", "no Answer"], false),
        ("attribute=n%3Da", &["ready", "slow answer"], false),
        (
            "attribute=n%3Da&attribute=service.name%3DPong",
            &["slow answer"],
            false,
        ),
        ("limit=3", &["no Answer", "slow answer", "{}"], true),
        ("limit=1&severity=13", &["slow answer"], true),
        ("service=none", &[], false),
    ] {
        let answer = get(&backend, &format!("/api/logs?{query}")).await;
        let found: Vec<_> = answer["logs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|log| &log["body"])
            .collect();
        assert_eq!(found, bodies, "{query}");
        assert_eq!(answer["truncated"], truncated, "{query}");
    }
}

/// Why telemetry does not arrive is said where one looks for it.
#[tokio::test]
async fn status_says_what_was_refused_and_why() {
    let backend = start();
    let cut = "{";
    let long = format!(r#"{{"resourceSpans": "{}"}}"#, "x".repeat(10_000));
    let partly = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"bad"}]}]}]}"#;
    for (origin, body) in [
        ("http://first", ""),
        ("", cut),
        ("", cut),
        ("", &long),
        ("", partly),
        ("http://second", ""),
        ("http://third", ""),
        ("", cut),
    ] {
        let origin = (!origin.is_empty()).then_some(("origin", origin));
        let headers = [JSON].into_iter().chain(origin).collect::<Vec<_>>();
        post(&backend, "/v1/traces", &headers, body.to_owned()).await;
    }

    let status = get(&backend, "/api/status").await;
    let [receiver, other] = [0, 1].map(|place| &status["receivers"][place]);
    assert_eq!(receiver["refused"], 8);
    let refusals = receiver["refusals"].as_array().unwrap();
    let expected = [
        (3, "the body cannot be decoded: EOF"),
        (
            1,
            "web pages of http://third may not send here; --allow-origin http://third lets them",
        ),
        (1, "web pages of http://second"),
        (1, "1 invalid, the first: trace_id of span \"bad\": "),
        (1, "the body cannot be decoded: invalid type: string \"xxx"),
    ];
    assert_eq!(
        refusals.len(),
        expected.len(),
        "the last few: {refusals:#?}"
    );
    for (refusal, (times, start)) in refusals.iter().zip(expected) {
        let reason = refusal["reason"].as_str().unwrap();
        assert!(reason.starts_with(start), "{reason}");
        assert!(reason.chars().count() <= 301, "{reason}");
        assert_eq!(refusal["times"], times, "{reason}");
        assert!(refusal["last"].as_u64() > Some(1_700_000_000_000));
    }
    assert_eq!(other["refusals"], json!([]));
}

/// A reader of `/api/live`, as a browser is one.
struct Reader {
    answer: reqwest::Response,
    read: String,
    last: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    data: Value,
}

impl Reader {
    async fn connect(backend: &Backend, last: Option<&str>) -> Self {
        let request = CLIENT.get(format!("http://{}/api/live", backend.query()));
        let request = last.iter().fold(request, |request, last| {
            request.header("last-event-id", *last)
        });
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut reader = Self {
            answer,
            read: String::new(),
            last: String::new(),
        };
        // It is there once it has its greeting.
        while !reader.read.contains("id:") {
            assert!(reader.more().await);
        }
        reader
    }

    async fn more(&mut self) -> bool {
        let chunk = timeout(LIMIT, self.answer.chunk()).await.unwrap();
        let Ok(Some(chunk)) = chunk else { return false };
        self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        true
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        timeout(LIMIT, self.read_event()).await.unwrap()
    }

    async fn read_event(&mut self) -> Option<Event> {
        loop {
            let Some((block, rest)) = self.read.split_once("\n\n") else {
                if !self.more().await {
                    return None;
                }
                continue;
            };
            let (block, rest) = (block.to_owned(), rest.to_owned());
            self.read = rest;
            let field = |name: &str| {
                let mut lines = block.lines();
                lines.find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            if let Some(id) = field("id:") {
                self.last = id;
            }
            if let Some(data) = field("data:") {
                let name = field("event:").unwrap_or_default();
                let data = serde_json::from_str(&data).unwrap();
                return Some(Event { name, data });
            }
        }
    }

    /// Reads until the trace has so many spans.
    async fn read_to(&mut self, trace: u64, spans: u64) -> Value {
        while let Some(event) = self.next().await {
            if event.name == "trace"
                && event.data["id"] == id(trace)
                && event.data["spans"] == spans
            {
                return event.data;
            }
        }
        panic!("the stream has ended");
    }
}

#[tokio::test]
async fn reader_is_told_of_new_and_of_changed_traces_as_they_are_then() {
    let backend = start();
    send(&backend, &[Span(1, 1, 0, "Ping", "before", 0, false)]).await;
    let mut reader = Reader::connect(&backend, None).await;
    send(&backend, &[Span(2, 1, 0, "Ping", "GET /ping", 0, false)]).await;
    let summary = reader.read_to(2, 1).await;
    assert_eq!(summary["errors"], 0);
    send(&backend, &[Span(2, 2, 1, "Pong", "GET /pong", 1, true)]).await;
    let summary = reader.read_to(2, 2).await;
    let all = get(&backend, "/api/summaries").await;
    assert_eq!(summary, all["traces"][0], "the same line as in the list");
}

#[tokio::test]
async fn many_changes_of_a_trace_are_few_events() {
    let backend = start();
    let mut reader = Reader::connect(&backend, None).await;
    let begin = Instant::now();
    for number in 1..=100 {
        send(&backend, &[Span(1, number, 0, "Ping", "x", number, false)]).await;
    }
    let mut events = 0;
    while let Some(event) = reader.next().await {
        events += 1;
        if event.data["spans"] == 100 {
            break;
        }
    }
    let most = begin.elapsed().as_millis() / 200 + 2;
    assert!(events <= most && events < 100, "{events} events");
}

#[tokio::test]
async fn reader_that_comes_again_goes_on_where_it_was() {
    let backend = start();
    let mut reader = Reader::connect(&backend, None).await;
    send(&backend, &[Span(1, 1, 0, "Ping", "x", 0, false)]).await;
    reader.read_to(1, 1).await;
    let last = reader.last.clone();
    drop(reader);

    let mut other = Reader::connect(&backend, None).await;
    for trace in 2..=4 {
        send(&backend, &[Span(trace, 1, 0, "Ping", "x", 0, false)]).await;
        other.read_to(trace, 1).await;
    }
    let mut again = Reader::connect(&backend, Some(&last)).await;
    for trace in 2..=4 {
        let event = again.next().await.unwrap();
        assert_eq!(
            (event.name.as_str(), &event.data["id"]),
            ("trace", &json!(id(trace)))
        );
    }
    // One that was told of nothing yet has an id to come again with all the same.
    let greeted = Reader::connect(&backend, None).await;
    let greeting = greeted
        .read
        .lines()
        .find_map(|line| line.strip_prefix("id: "));
    let mut again = Reader::connect(&backend, greeting).await;
    send(&backend, &[Span(5, 1, 0, "Ping", "x", 0, false)]).await;
    assert_eq!(again.next().await.unwrap().data["id"], id(5));
}

#[tokio::test]
async fn reader_whose_last_event_is_not_known_is_told_to_look_anew() {
    let reset = Event {
        name: "reset".to_owned(),
        data: json!({}),
    };
    let before = start();
    let reader = Reader::connect(&before, None).await;
    let stale = reader
        .read
        .lines()
        .find_map(|line| line.strip_prefix("id: "));
    let stale = stale.unwrap().to_owned();
    before.stop().await;

    let backend = start();
    for last in [stale.as_str(), "0", "nonsense"] {
        let mut reader = Reader::connect(&backend, Some(last)).await;
        assert_eq!(reader.next().await.unwrap(), reset, "{last}");
        send(&backend, &[Span(1, next(), 0, "Ping", "x", 0, false)]).await;
        assert_eq!(reader.next().await.unwrap().name, "trace", "{last}");
    }
}

/// A span id that no other has.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[tokio::test]
async fn streams_end_when_the_backend_stops() {
    let backend = start();
    let mut reader = Reader::connect(&backend, None).await;
    timeout(LIMIT, backend.stop()).await.unwrap();
    // An end, not a connection that was cut because it held up the stop.
    let end = timeout(LIMIT, reader.answer.chunk()).await.unwrap();
    assert_eq!(end.unwrap(), None);
}

/// Traces whose lines are long: they name 32 services, each with a long name.
const LONG: u64 = 100;

/// Sends spans of these numbers to each of the [`LONG`] traces.
async fn send_long(backend: &Backend, numbers: std::ops::RangeInclusive<u64>) {
    let service = |number: u64| -> &'static str {
        Box::leak(format!("{:02}{}", number % 32, "x".repeat(190)).into_boxed_str())
    };
    let services: Vec<_> = numbers.map(|id| (id, service(id))).collect();
    let spans = (1..=LONG).flat_map(|trace| {
        services
            .iter()
            .map(move |(id, service)| Span(trace, *id, 0, service, "x", 0, false))
    });
    send(backend, &spans.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn reader_that_does_not_read_is_dropped_while_others_go_on() {
    let backend = start();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(128 << 10).unwrap();
    let mut slow = socket.connect(backend.query()).await.unwrap();
    let request = format!(
        "GET /api/live HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        backend.query()
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 16];
    slow.read_exact(&mut read).await.unwrap();

    let mut other = Reader::connect(&backend, None).await;
    // More than what is kept and what the system takes for the slow one, which is up to 4 MB.
    let mut sent = 0;
    send_long(&backend, 1..=32).await;
    for spans in 33..=45 {
        send_long(&backend, spans..=spans).await;
        let line = other.read_to(LONG, spans).await.to_string();
        sent += line.len() * 100;
    }
    // What waits for the slow one is in the system's buffers; then its stream ends.
    timeout(LIMIT, slow.read_to_end(&mut read))
        .await
        .unwrap()
        .unwrap();
    let read = String::from_utf8(read).unwrap();
    assert!(read.len() < sent, "{} of {sent} bytes", read.len());
    assert!(read.ends_with("\r\n0\r\n\r\n"), "an end, not a cut");

    let mut ids = read
        .lines()
        .rev()
        .filter_map(|line| line.strip_prefix("id: "));
    let mut again = Reader::connect(&backend, ids.next()).await;
    assert_eq!(again.next().await.unwrap().name, "reset");
}
