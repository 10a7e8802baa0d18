//! SQL over what is kept.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use backend::Backend;
use serde_json::{Value, json};

use crate::{CLIENT, JSON, plain, post, sample, start};

const LOGS: &str = r#"{"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "Ping"}}]},
    "scopeLogs": [{"scope": {"name": "ping::handler"}, "logRecords": [
        {"timeUnixNano": "1544712660300000000", "severityNumber": 17, "severityText": "ERROR", "eventName": "failed",
         "body": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}, "attributes": [{"key": "n", "value": {"intValue": "2"}}],
         "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b173"},
        {"observedTimeUnixNano": "5", "body": {"stringValue": "plain"}}
    ]}]}]}"#;

async fn answer(backend: &Backend, question: &Value) -> reqwest::Response {
    let url = format!("http://{}/api/sql", backend.query());
    let request = CLIENT.post(url).header("content-type", "application/json");
    request.body(question.to_string()).send().await.unwrap()
}

async fn rows(backend: &Backend, sql: &str) -> Value {
    let answer = answer(backend, &json!({ "sql": sql })).await;
    let text = answer.text().await.unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["error"], Value::Null, "{sql}");
    json["rows"].take()
}

/// Why it is refused.
async fn refusal(backend: &Backend, sql: &str) -> String {
    let answer = answer(backend, &json!({ "sql": sql })).await;
    assert_eq!(answer.status(), 400, "{sql}");
    let text = answer.text().await.unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    json["error"].as_str().unwrap().to_owned()
}

async fn filled() -> Backend {
    let backend = start();
    for (path, body) in [
        ("/v1/traces", sample::FULL_JSON),
        ("/v1/logs", LOGS),
        ("/v1/metrics", sample::METRICS_JSON),
    ] {
        assert_eq!(post(&backend, path, &[JSON], body).await.status(), 200);
    }
    backend
}

/// The views with their columns are a promise: `live.rs` documents them.
#[tokio::test]
async fn the_views_have_these_columns() {
    let backend = filled().await;
    for (view, columns) in [
        (
            "spans",
            "trace_id span_id parent_span_id service name kind start_unix_nanos end_unix_nanos duration_ms status status_message \
             trace_state attributes scope_name scope_version resource",
        ),
        ("events", "trace_id span_id time_unix_nanos name attributes"),
        (
            "links",
            "trace_id span_id linked_trace_id linked_span_id trace_state attributes",
        ),
        (
            "logs",
            "trace_id span_id time_unix_nanos severity_number severity_text event_name body attributes service scope_name \
             scope_version resource",
        ),
        (
            "metrics",
            "name kind unit description temporality monotonic start_unix_nanos time_unix_nanos value count sum min max attributes \
             buckets exemplars service scope_name scope_version resource",
        ),
        ("resources", "resource service attributes schema_url"),
    ] {
        let answer = answer(&backend, &json!({ "sql": format!("select * from {view}") })).await;
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let found: Vec<_> = answer["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(found.join(" "), columns, "{view}");
        assert!(!answer["rows"].as_array().unwrap().is_empty(), "{view}");
    }
    backend.stop().await;
}

#[tokio::test]
async fn spans_events_links_and_logs_are_there_with_types_and_units() {
    let backend = filled().await;
    let sql = "select trace_id, span_id, parent_span_id, service, name, kind, start_unix_nanos, status, status_message, trace_state,
        attributes ->> 'truth', attributes ->> 'int', attributes ->> 'double', attributes ->> 'bytes', attributes ->> '$.array[1]',
        duration_ms from spans order by start_unix_nanos";
    let expected = json!([
        [
            sample::TRACE,
            sample::ROOT,
            null,
            "Ping",
            "GET /ping",
            "server",
            1_544_712_660_000_000_000_i64,
            "unset",
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            1000.0
        ],
        [
            sample::TRACE,
            sample::CHILD,
            sample::ROOT,
            "Ping",
            "ping-request",
            "internal",
            1_544_712_660_300_000_000_i64,
            "error",
            "broken",
            "vendor=état",
            1,
            i64::MIN,
            1.5,
            "AP8Q",
            2,
            9_223_372_036_854.775
        ]
    ]);
    let mut found = rows(&backend, sql).await;
    assert!(
        found[1][15].as_f64().unwrap() > 9e12,
        "the end is the last there is"
    );
    found[1][15] = expected[1][15].clone();
    assert_eq!(found, expected);

    let sql = "select span_id, time_unix_nanos, name, attributes from events";
    let expected = json!([[
        sample::CHILD,
        1_544_712_660_400_000_000_i64,
        "Start request processing",
        "{\"n\":1}"
    ]]);
    assert_eq!(rows(&backend, sql).await, expected);

    let sql = "select span_id, linked_trace_id, linked_span_id, trace_state, attributes ->> 'why' from links";
    let linked = (
        sample::TRACE.replace('5', "6"),
        sample::ROOT.replace('e', "f"),
    );
    let expected = json!([[sample::CHILD, linked.0, linked.1, "a=b", "batch"]]);
    assert_eq!(rows(&backend, sql).await, expected);

    let sql = "select trace_id, span_id, time_unix_nanos, severity_number, severity_text, event_name, body, body ->> 'a',
        attributes ->> 'n', service, scope_name from logs where json_valid(body) order by 3";
    let expected = json!([[
        sample::TRACE,
        sample::CHILD,
        1_544_712_660_300_000_000_i64,
        17,
        "ERROR",
        "failed",
        "{\"a\":1}",
        1,
        2,
        "Ping",
        "ping::handler"
    ]]);
    assert_eq!(rows(&backend, sql).await, expected);
    let plain = rows(
        &backend,
        "select trace_id, span_id, time_unix_nanos, body from logs where body = 'plain'",
    )
    .await;
    assert_eq!(plain, json!([[null, null, 5, "plain"]]));

    let sql = "select service, attributes ->> 'service.name', count(*) from spans join resources using (resource, service, attributes)";
    assert_eq!(
        rows(&backend, sql).await,
        json!([[null, null, 0]]),
        "attributes are a span's own"
    );
    let sql = "select r.attributes ->> '$.\"service.name\"', count(*) from spans s join resources r using (resource) group by 1";
    assert_eq!(rows(&backend, sql).await, json!([["Ping", 2]]));
    backend.stop().await;
}

#[tokio::test]
async fn parameters_limits_and_csv() {
    let backend = filled().await;
    let question = json!({
        "sql": "select ?1, ?2, ?3, ?4, ?5 union all select name, 'a \"quoted\", field', null, 1.5, kind from spans limit 10",
        "parameters": ["text", 1, true, null, 2.5], "limit": 2
    });
    let found = answer(&backend, &question).await;
    let found: Value = serde_json::from_str(&found.text().await.unwrap()).unwrap();
    assert_eq!(found["error"], Value::Null);
    assert_eq!(found["columns"], json!(["?1", "?2", "?3", "?4", "?5"]));
    assert_eq!(found["rows"][0], json!(["text", 1, 1, null, 2.5]));
    assert_eq!(
        (found["rows"].as_array().unwrap().len(), &found["truncated"]),
        (2, &json!(true))
    );

    let url = format!("http://{}/api/sql", backend.query());
    let request = CLIENT
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "text/csv");
    let csv = request.body(question.to_string()).send().await.unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(csv.headers()["x-truncated"], "true");
    let text = csv.text().await.unwrap();
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines[..2], ["?1,?2,?3,?4,?5", "text,1,1,,2.5"]);
    assert!(
        lines[2].ends_with(",\"a \"\"quoted\"\", field\",,1.5,internal")
            || lines[2].ends_with(",1.5,server"),
        "{lines:?}"
    );
    backend.stop().await;
}

#[tokio::test]
async fn what_is_no_question_is_refused_in_a_sentence() {
    let backend = start();
    for (question, expected) in [
        (json!({}), "missing field `sql`"),
        (
            json!({ "sql": "select 1", "colour": 1 }),
            "unknown field `colour`",
        ),
        (
            json!({ "sql": "select ?1", "parameters": [[1]] }),
            "a parameter is text, a number",
        ),
        (json!({ "sql": "select ?1" }), "Wrong number of parameters"),
        (json!({ "sql": "" }), "empty"),
        (
            json!({ "sql": "select colour from spans" }),
            "no such column: colour",
        ),
        (json!({ "sql": "selec 1" }), "syntax error (at character 0)"),
    ] {
        let answer = answer(&backend, &question).await;
        assert_eq!(answer.status(), 400, "{question}");
        let text = answer.text().await.unwrap();
        assert!(
            text.contains(expected) || text.to_lowercase().contains(expected),
            "{question}: {text}"
        );
    }
    let url = format!("http://{}/api/sql", backend.query());
    let request = CLIENT
        .post(url)
        .header("content-type", "application/json")
        .header("origin", "http://evil.example");
    let foreign = request
        .body(json!({ "sql": "select 1" }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    backend.stop().await;
}

#[tokio::test]
async fn nothing_but_reading_the_views_is_allowed() {
    let backend = filled().await;
    let file = std::env::temp_dir().join("never-made-by-a-query.db");
    for sql in [
        "insert into spans values (1)",
        "delete from span",
        "update trace set spans = 0",
        "drop table span",
        "drop view spans",
        "create table t (a)",
        "create temp table t (a)",
        "create temp view v as select 1",
        &format!("attach '{}' as other", file.display()),
        "detach main",
        &format!("vacuum into '{}'", file.display()),
        "pragma user_version",
        "pragma query_only = off",
        "begin",
        "commit",
        "savepoint s",
        "reindex",
        "analyze",
        "select load_extension('x')",
        "select * from span",
        "select body from main.span",
        "select * from sqlite_schema",
        "select * from temp.sqlite_schema",
        "select * from pragma_table_list",
        "select * from operation",
        "select 1; select 2",
        "select 1; delete from span",
        "explain select * from span",
    ] {
        refusal(&backend, sql).await;
    }
    assert!(
        refusal(&backend, "select * from span")
            .await
            .contains("reads from events, links, logs, metrics, resources, spans")
    );
    assert!(!file.exists());
    assert_eq!(
        rows(&backend, "select count(*) from spans").await,
        json!([[2]]),
        "nothing has changed"
    );
    backend.stop().await;
}

/// Queries without end, while spans come: each is cut off, and the spans are taken.
#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_or_too_much_is_cut_off_while_spans_come() {
    let backend = filled().await;
    /// Also when the test fails: a scope waits for its threads.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let writer = scope.spawn(|| {
            let (mut traces, mut slowest) = (100.., Duration::ZERO);
            while !is_over.load(Ordering::Relaxed) {
                let some: Vec<_> = traces
                    .by_ref()
                    .take(100)
                    .map(|trace| plain::span(trace, 1))
                    .collect();
                let start = Instant::now();
                assert_eq!(backend.store().insert_spans(some), 0);
                slowest = slowest.max(start.elapsed());
            }
            (traces.start, slowest)
        });
        let queries = async {
            let endless = "with recursive n (x) as (select 1 union all select x + 1 from n) select count(*) from n";
            let crossed = "select count(*) from spans a, spans b, spans c, spans d, spans e where a.name > b.name || c.name";
            let sorted = "select a.name from spans a, spans b, spans c, spans d order by random(), a.name || b.name";
            for sql in [endless, crossed, sorted] {
                assert!(
                    refusal(&backend, sql).await.contains("ask for less"),
                    "{sql}"
                );
            }
            for sql in [
                "select zeroblob(1000000000)",
                "select hex(randomblob(100000000))",
                "with recursive n (x) as (select 1 union all select x + 1 from n limit 100000) select group_concat(printf('%1000d', x)) from n",
                "select printf('%*d', 1000000000, 1)",
                "select replace(hex(zeroblob(1000000)), '00', hex(zeroblob(1000000)))",
            ] {
                assert!(
                    refusal(&backend, sql)
                        .await
                        .contains("a value has at most 32 MiB"),
                    "{sql}"
                );
            }
            let long = "with recursive n (x) as (select 1 union all select x + 1 from n limit 100000) select printf('%1000d', x) from n";
            let question = json!({ "sql": long, "limit": 100_000 });
            let text = answer(&backend, &question).await.text().await.unwrap();
            assert!(
                text.len() < 16 << 20 && text.ends_with("\"truncated\":true}"),
                "{}",
                text.len()
            );
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(queries));
        drop(over);
        let (traces, slowest) = writer.join().unwrap();
        println!("{traces} spans came meanwhile, the slowest hundred in {slowest:?}");
        assert!(traces > 5_000, "{traces}");
    });
    backend.stop().await;
}
