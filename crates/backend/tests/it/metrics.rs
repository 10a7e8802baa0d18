//! Every kind of metric point: kept, found by SQL, exported and loaded.

use backend::{Backend, Settings};
use serde_json::{Value, json};

use crate::{CLIENT, JSON, post, settings, start};

const METRICS: &str = r#"{"resourceMetrics": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "Ping"}}]},
  "scopeMetrics": [{"scope": {"name": "meter"}, "metrics": [
    {"name": "memory", "unit": "By", "description": "In use", "gauge": {"dataPoints": [
        {"timeUnixNano": "10", "asInt": "7", "attributes": [{"key": "pool", "value": {"stringValue": "a"}}]},
        {"timeUnixNano": "10", "asDouble": 1.5, "attributes": [{"key": "pool", "value": {"stringValue": "b"}}]}]}},
    {"name": "requests", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
        {"startTimeUnixNano": "5", "timeUnixNano": "20", "asInt": "100", "exemplars": [
            {"timeUnixNano": "19", "asInt": "1", "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}]}]}},
    {"name": "active", "sum": {"aggregationTemporality": 1, "dataPoints": [{"timeUnixNano": "30", "asInt": "-3"}]}},
    {"name": "duration", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {"timeUnixNano": "40", "count": "3", "sum": 2.5, "min": 0.5, "max": 1.5, "explicitBounds": [1], "bucketCounts": ["2", "1"]}]}},
    {"name": "sizes", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
        {"timeUnixNano": "50", "count": "4", "scale": 2, "zeroCount": "1", "positive": {"offset": -1, "bucketCounts": ["3"]}}]}},
    {"name": "old", "summary": {"dataPoints": [
        {"timeUnixNano": "60", "count": "2", "sum": 3, "quantileValues": [{"quantile": 0.5, "value": 1.25}]}]}}
  ]}]}]}"#;

pub(crate) async fn rows(backend: &Backend, sql: &str) -> Value {
    let url = format!("http://{}/api/sql", backend.query());
    let request = CLIENT.post(url).header("content-type", "application/json");
    let answer = request
        .body(json!({ "sql": sql }).to_string())
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["error"], Value::Null, "{sql}");
    json["rows"].take()
}

async fn text(backend: &Backend, path: &str) -> String {
    let url = format!("http://{}{path}", backend.query());
    CLIENT.get(url).send().await.unwrap().text().await.unwrap()
}

const ALL: &str = "select name, kind, temporality, monotonic, unit, time_unix_nanos, value, count, sum, min, max, attributes, buckets,
    service, scope_name, description from metrics order by time_unix_nanos, attributes";

#[tokio::test]
async fn every_kind_of_point_is_kept_found_exported_and_loaded() {
    let backend = start();
    assert_eq!(
        post(&backend, "/v1/metrics", &[JSON], METRICS)
            .await
            .status(),
        200
    );
    let of = |row: Value, buckets: Value| {
        let Value::Array(mut row) = row else {
            unreachable!()
        };
        row.push(if buckets.is_null() {
            buckets
        } else {
            buckets.to_string().into()
        });
        row.extend([
            "Ping".into(),
            "meter".into(),
            if row[0] == "memory" {
                "In use".into()
            } else {
                Value::Null
            },
        ]);
        Value::Array(row)
    };
    let exponential = json!({
        "scale": 2, "zero_count": 1, "zero_threshold": 0.0, "positive": {"offset": -1, "counts": [3]}, "negative": {"offset": 0, "counts": []}
    });
    let buckets = json!([{"le": 1.0, "count": 2}, {"le": null, "count": 1}]);
    let none = Value::Null;
    let expected = [
        of(
            json!([
                "memory",
                "gauge",
                null,
                null,
                "By",
                10,
                7.0,
                null,
                null,
                null,
                null,
                "{\"pool\":\"a\"}"
            ]),
            none.clone(),
        ),
        of(
            json!([
                "memory",
                "gauge",
                null,
                null,
                "By",
                10,
                1.5,
                null,
                null,
                null,
                null,
                "{\"pool\":\"b\"}"
            ]),
            none.clone(),
        ),
        of(
            json!([
                "requests",
                "sum",
                "cumulative",
                1,
                null,
                20,
                100.0,
                null,
                null,
                null,
                null,
                "{}"
            ]),
            none.clone(),
        ),
        of(
            json!([
                "active", "sum", "delta", 0, null, 30, -3.0, null, null, null, null, "{}"
            ]),
            none,
        ),
        of(
            json!([
                "duration",
                "histogram",
                "cumulative",
                null,
                "s",
                40,
                null,
                3,
                2.5,
                0.5,
                1.5,
                "{}"
            ]),
            buckets,
        ),
        of(
            json!([
                "sizes",
                "exponential_histogram",
                "delta",
                null,
                null,
                50,
                null,
                4,
                null,
                null,
                null,
                "{}"
            ]),
            exponential,
        ),
        of(
            json!([
                "old", "summary", null, null, null, 60, null, 2, 3.0, null, null, "{}"
            ]),
            json!([{"quantile": 0.5, "value": 1.25}]),
        ),
    ];
    assert_eq!(rows(&backend, ALL).await, Value::from(expected.to_vec()));
    let exemplars = "select start_unix_nanos, e.value ->> 'trace_id', e.value ->> 'value' from metrics, json_each(exemplars) e";
    assert_eq!(
        rows(&backend, exemplars).await,
        json!([[5, "5b8efff798038103d269b633813fc60c", 1]])
    );
    assert!(text(&backend, "/api/status").await.contains("\"points\":7"));

    let exported = text(&backend, "/api/export").await;
    let again = start();
    let loaded = again.store().load(exported.as_bytes()).unwrap();
    assert_eq!((loaded.points, loaded.faulty_lines), (7, 0), "{loaded:?}");
    assert_eq!(rows(&again, ALL).await, Value::from(expected.to_vec()));
    assert_eq!(text(&again, "/api/export").await, exported);
    backend.stop().await;
    again.stop().await;
}

#[tokio::test]
async fn the_oldest_points_go_first_and_with_the_last_of_a_metric_what_it_shared() {
    let backend = Backend::start(Settings {
        store_bytes: 1 << 20,
        ..settings()
    })
    .unwrap();
    let point = |number: usize| {
        METRICS
            .replace("\"requests\"", &format!("\"requests {number}\""))
            .replace("\"Ping\"", &format!("\"Ping {number}\""))
    };
    for number in 0..600 {
        assert_eq!(
            post(&backend, "/v1/metrics", &[JSON], point(number))
                .await
                .status(),
            200
        );
        assert!(backend.store().bytes() <= 1 << 20);
    }
    let found = rows(&backend, "select min(cast(substr(name, 10) as integer)), max(cast(substr(name, 10) as integer)), count(*) from metrics where name like 'requests %'").await;
    let [first, last, count] = [0, 1, 2].map(|place| found[0][place].as_i64().unwrap());
    assert!(
        first > 0 && last == 599 && last - first + 1 == count,
        "{found}"
    );
    let resources = rows(&backend, "select count(*) from resources").await[0][0]
        .as_i64()
        .unwrap();
    assert!(
        (count..=count + 1).contains(&resources),
        "{resources} resources of {count}"
    );
    backend.stop().await;
}
