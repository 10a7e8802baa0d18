//! Saving and loading.

use std::io::{BufReader, Read, repeat};

use backend::{Backend, Fault, Loaded, Store};
use serde_json::{Value, json};

use crate::{CLIENT, JSON, LIMIT, post, sample, start};

const LOGS: &str = r#"{"resourceLogs": [
    {"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "one"}}]}, "scopeLogs": [
        {"scope": {"name": "a"}, "schemaUrl": "https://example.com/a", "logRecords": [
            {"timeUnixNano": "3", "observedTimeUnixNano": "18446744073709551615", "severityNumber": 9, "severityText": "Information",
             "body": {"kvlistValue": {"values": [{"key": "k", "value": {"arrayValue": {"values": [{"doubleValue": "NaN"}, {}]}}}]}},
             "attributes": [{"key": "n", "value": {"intValue": "-9223372036854775808"}}], "droppedAttributesCount": 1, "flags": 1,
             "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "eventName": "happened"}
        ]},
        {"scope": {"name": "b"}, "logRecords": [{"timeUnixNano": "2"}]},
        {"scope": {"name": "a"}, "schemaUrl": "https://example.com/a", "logRecords": [{"timeUnixNano": "1"}]}
    ]}
]}"#;

fn one_line(json: &str) -> String {
    json.replace('\n', " ")
}

fn load(text: &str) -> (Store, Loaded) {
    let store = Store::temporary(64 << 20).unwrap();
    let loaded = store.load(text.as_bytes()).unwrap();
    (store, loaded)
}

fn save(store: &Store) -> String {
    let mut saved = Vec::new();
    store.save(&mut saved).unwrap();
    String::from_utf8(saved).unwrap()
}

#[track_caller]
fn assert_equal(one: &Store, other: &Store) {
    // NaN is not equal to itself, its text is.
    let contents = |store: &Store| format!("{:#?}{:#?}", store.latest(usize::MAX), store.logs());
    assert_eq!(contents(one), contents(other));
}

#[tokio::test]
async fn what_was_saved_loads_as_it_was() {
    let backend = start();
    let bare = sample::request(vec![sample::bare([9; 16], [9; 8])]);
    let bare = serde_json::to_string(&bare).unwrap();
    for (path, body) in [
        ("/v1/traces", sample::FULL_JSON),
        ("/v1/traces", &bare),
        ("/v1/logs", LOGS),
    ] {
        let answer = post(&backend, path, &[JSON], body.to_owned()).await;
        assert_eq!(answer.status(), 200);
    }
    let sent = backend.store();
    assert_eq!((sent.len(), sent.logs().len()), (2, 3));

    let (again, loaded) = load(&save(sent));
    let expected = Loaded {
        spans: 3,
        logs: 3,
        ..Loaded::default()
    };
    assert_eq!(loaded, expected);
    assert_equal(&again, sent);

    let url = format!("http://{}/api/export", backend.query());
    let answer = CLIENT.get(url).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    assert_eq!(answer.text().await.unwrap(), save(sent));

    // A trace that a browser has saved: as it is answered, and as the page's button writes it.
    let url = format!("http://{}/api/v3/traces/{}", backend.query(), sample::TRACE);
    let answer = CLIENT.get(url).send().await.unwrap().text().await.unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let indented = serde_json::to_string_pretty(&parsed["result"]).unwrap();
    let marked = format!("\u{feff}{}\n", indented.replace('\n', "\r\n"));
    let id = sample::TRACE.parse().unwrap();
    for text in [answer, indented, marked] {
        let (one, loaded) = load(&text);
        assert_eq!(loaded.faulty_lines, 0, "{loaded:?}");
        assert_eq!(one.trace(id), sent.wait_for_trace(2, LIMIT).await.ok());
    }
    backend.stop().await;
}

/// What a page does with a file that its user opens.
#[tokio::test]
async fn what_is_exported_loads_over_http_and_faults_are_answered() {
    let sent = start();
    for (path, body) in [("/v1/traces", sample::FULL_JSON), ("/v1/logs", LOGS)] {
        post(&sent, path, &[JSON], body.to_owned()).await;
    }
    let exported = save(sent.store());
    let again = start();
    let load = async |body: String| {
        let url = format!("http://{}/api/load", again.query());
        let answer = CLIENT.post(url).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (status, answer)
    };

    let (status, answer) = load(format!("{exported}junk\n\n{{}}\n")).await;
    assert_eq!(status, 200);
    for (what, count) in [
        ("spans", 2),
        ("logs", 3),
        ("points", 0),
        ("faulty_lines", 2),
    ] {
        assert_eq!(answer[what], count, "{answer}");
    }
    let lines = exported.lines().count() as u64;
    assert_eq!(answer["faults"][0]["line"], lines + 1);
    let last = "it has neither resourceSpans nor resourceLogs nor resourceMetrics";
    assert_eq!(
        answer["faults"][1],
        json!({"line": lines + 3, "message": last})
    );
    assert_equal(again.store(), sent.store());

    let (status, answer) = load(" ".repeat((16 << 20) + 1)).await;
    assert_eq!(status, 413);
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("larger than 16777216 bytes"), "{error}");
}

/// Jaeger's form has microseconds, and no counts of what was dropped.
#[tokio::test]
async fn what_jaegers_page_saves_loads_and_is_answered_as_it_was() {
    let backend = start();
    let sent = post(&backend, "/v1/traces", &[JSON], sample::FULL_JSON).await;
    assert_eq!(sent.status(), 200);
    let answer = async |backend: &Backend| {
        let url = format!("http://{}/api/traces/{}", backend.query(), sample::TRACE);
        let text = CLIENT.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let saved = answer(&backend).await;

    let again = start();
    let indented = serde_json::to_string_pretty(&saved).unwrap();
    let loaded = again.store().load(indented.as_bytes()).unwrap();
    let expected = Loaded {
        spans: 2,
        ..Loaded::default()
    };
    assert_eq!(loaded, expected);
    assert_eq!(answer(&again).await["data"], saved["data"]);

    let one_bad = r#"{"data": [{"spans": [{"traceID": "1", "spanID": "1"}, {"startTime": "x"}, {"traceID": "1", "spanID": ""}]}]}"#;
    let (store, loaded) = load(one_bad);
    assert_eq!(
        (loaded.spans, loaded.faulty_lines, store.span_count()),
        (1, 1, 1)
    );
    let fault = loaded.faults[0].to_string();
    assert!(
        fault.starts_with("line 1: 2 invalid, the first: "),
        "{fault}"
    );
}

#[test]
fn a_file_on_many_lines_that_is_cut_off_is_said_to_be() {
    let indented = "{\n  \"resourceSpans\": [\n";
    let (_, loaded) = load(indented);
    assert_eq!((loaded.spans, loaded.faulty_lines), (0, 2));
}

#[test]
fn a_trace_that_is_large_is_saved_as_several_lines() {
    let store = Store::temporary(64 << 20).unwrap();
    let spans: String = (1..=10_000)
        .map(|n| {
            format!(
                r#"{{"traceId": "{:032x}", "spanId": "{n:016x}", "name": "{n}"}},"#,
                1
            )
        })
        .collect();
    let spans = spans.trim_end_matches(',');
    let line = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{spans}]}}]}}]}}"#);
    assert_eq!(store.load(line.as_bytes()).unwrap().spans, 10_000);
    let saved = save(&store);
    let lines: Vec<_> = saved.lines().map(str::len).collect();
    assert!(
        lines.len() > 2 && lines.iter().all(|length| *length < 2 << 20),
        "{lines:?}"
    );
    assert_equal(&load(&saved).0, &store);
}

#[test]
fn a_line_that_cannot_be_read_is_reported_and_the_others_are_taken() {
    let good = one_line(sample::FULL_JSON);
    let invalid = good.replace(&sample::CHILD.to_uppercase(), "0000000000000000");
    let lines = [
        "",
        "junk",
        &good,
        "{",
        "[]",
        "{}",
        "  ",
        &invalid,
        r#"{"resourceSpans": null}"#,
        r#"{"resourceSpans": [], "resourceLogs": []}"#,
        r#"{"resourceSpans": [{"scopeSpans": 5}]}"#,
        &one_line(LOGS),
    ];
    let (store, loaded) = load(&lines.join("\n"));
    assert_eq!((loaded.spans, loaded.logs), (3, 3));
    assert_eq!((store.len(), store.logs().len()), (1, 3));
    let numbers: Vec<_> = loaded.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(numbers, [2, 4, 5, 6, 8, 9, 11]);
    assert_eq!(loaded.faulty_lines, 7);
    let texts: Vec<_> = loaded.faults.iter().map(Fault::to_string).collect();
    assert_eq!(
        texts[3],
        "line 6: it has neither resourceSpans nor resourceLogs nor resourceMetrics"
    );
    assert!(
        texts[4].starts_with("line 8: 1 invalid, the first: span_id of span \"ping-request\": "),
        "{texts:?}"
    );
}

#[test]
fn junk_without_end_costs_no_memory_and_hides_nothing_behind_it() {
    let good = one_line(sample::FULL_JSON);
    let endless = repeat(b'x').take(200 << 20);
    let file = endless.chain("\n".as_bytes()).chain(good.as_bytes());
    let store = Store::temporary(64 << 20).unwrap();
    let loaded = store.load(BufReader::new(file)).unwrap();
    assert_eq!((loaded.spans, loaded.faulty_lines), (2, 1));
    assert_eq!(
        loaded.faults[0].to_string(),
        "line 1: it is longer than 67108864 bytes"
    );

    let many = "junk\n".repeat(1_000);
    let (_, loaded) = load(&many);
    assert_eq!((loaded.faulty_lines, loaded.faults.len()), (1_000, 100));
}
