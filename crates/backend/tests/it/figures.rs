//! Figures from a service's metrics, over real connections.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, http::HeaderMap, routing::get};
use backend::{Backend, Settings, Target};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::{CLIENT, LIMIT, settings};

/// A service that says what it is told to. `None` is an answer that fails.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<Option<String>>>);

impl Service {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let said = self.clone();
        let answer = async move |headers: HeaderMap| {
            let accept = headers["accept"].to_str().unwrap();
            assert!(
                accept.starts_with("application/openmetrics-text"),
                "{accept}"
            );
            let said = said.0.lock().unwrap().clone();
            said.ok_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
        };
        let app = Router::new().route("/metrics", get(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn say(&self, text: impl Into<String>) {
        *self.0.lock().unwrap() = Some(text.into());
    }

    fn fail(&self) {
        *self.0.lock().unwrap() = None;
    }
}

fn scraping(targets: &[(&str, SocketAddr)]) -> Backend {
    let targets = targets.iter().map(|(name, address)| Target {
        name: (*name).to_owned(),
        url: format!("http://{address}"),
    });
    Backend::start(Settings {
        scraped: targets.collect(),
        ..settings()
    })
    .unwrap()
}

async fn get_json(backend: &Backend, path: &str) -> Value {
    let answer = CLIENT.get(format!("http://{}{path}", backend.query()));
    let answer = answer.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

/// The last point of the first service that is as wanted.
async fn point(backend: &Backend, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut figures = Value::Null;
    for _ in 0..LIMIT.as_millis() / 50 {
        figures = get_json(backend, "/api/figures").await;
        let points = figures["services"][0]["points"].as_array().unwrap();
        if let Some(point) = points.iter().rev().find(|point| wanted(point)) {
            return point.clone();
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("no such point in {figures}");
}

fn requests(fast: u64, all: u64, failed: u64) -> String {
    let name = "http_server_request_duration_seconds";
    let labels = "http_route=\"/ping\"";
    format!(
        "target_info{{service_instance_id=\"a\"}} 1\n\
         {name}_bucket{{{labels},le=\"0.1\"}} {fast} # {{span_id=\"00f067aa0ba902b7\",trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"}} 0.05\n\
         {name}_bucket{{{labels},le=\"0.2\"}} {all}\n\
         {name}_bucket{{{labels},le=\"+Inf\"}} {all}\n\
         {name}_count{{{labels},error_type=\"503\",http_response_status_code=\"503\"}} {failed}\n\
         # EOF\n"
    )
}

#[tokio::test]
async fn figures_are_derived_from_what_a_service_says_every_two_seconds() {
    let service = Service::default();
    service.say(requests(10, 10, 0));
    let backend = scraping(&[("Ping", service.start().await)]);
    let first = point(&backend, |point| point["up"] == true).await;
    service.say(requests(15, 20, 4));
    let is_asked = |point: &Value| point["routes"][0]["p50"].is_number();
    let busy = point(&backend, is_asked).await;
    let route = &busy["routes"][0];
    assert_eq!(route["route"], "/ping");
    assert_eq!(route["errors"], 0.4);
    for (quantile, expected) in [("p50", 100.0), ("p95", 190.0), ("p99", 198.0)] {
        let found = route[quantile].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-6, "{quantile} {found}");
    }
    let time = |point: &Value| point["time"].as_f64().unwrap();
    let requests = route["rate"].as_f64().unwrap() * 2.0;
    assert!(requests > 0.0 && time(&busy) > time(&first));

    let figures = get_json(&backend, "/api/figures").await;
    assert_eq!(figures["interval"], 2);
    let ping = &figures["services"][0];
    assert_eq!((&ping["name"], &ping["up"]), (&json!("Ping"), &json!(true)));
    let exemplar = json!({
        "time": first["time"], "value": 50.0, "route": "/ping",
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7",
    });
    assert_eq!(ping["exemplars"], json!([exemplar]));
}

#[tokio::test]
async fn readers_are_told_of_each_round_of_figures() {
    let service = Service::default();
    service.say("process_memory_usage_bytes 5\n");
    let backend = scraping(&[("Ping", service.start().await)]);
    let url = format!("http://{}/api/live", backend.query());
    let mut answer = CLIENT.get(url).send().await.unwrap();
    let mut read = String::new();
    let figures = loop {
        let chunk = timeout(LIMIT, answer.chunk()).await.unwrap().unwrap();
        read.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        if let Some((_, figures)) = read.split_once("event: figures\ndata: ")
            && let Some((figures, _)) = figures.split_once('\n')
        {
            break serde_json::from_str::<Value>(figures).unwrap();
        }
    };
    let ping = &figures["services"][0];
    assert_eq!((&ping["name"], &ping["up"]), (&json!("Ping"), &json!(true)));
    assert_eq!(
        ping["points"].as_array().unwrap().len(),
        1,
        "only the new one"
    );
    assert_eq!(ping["points"][0]["memory"], 5.0);
}

#[tokio::test]
async fn target_that_is_down_fails_or_says_too_much_is_down_and_the_others_go_on() {
    let (down, failing, endless, well) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        Service::default(),
        Service::default(),
        Service::default(),
    );
    let nobody = down.local_addr().unwrap();
    drop(down);
    failing.fail();
    endless.say("x".repeat((4 << 20) + 1));
    well.say("process_memory_usage_bytes 5\n");
    let backend = scraping(&[
        ("well", well.start().await),
        ("nobody", nobody),
        ("failing", failing.start().await),
        ("endless", endless.start().await),
    ]);
    let up = point(&backend, |point| point["memory"] == 5.0).await;
    assert_eq!(up["routes"], json!([]));
    let figures = get_json(&backend, "/api/figures").await;
    let services = figures["services"].as_array().unwrap();
    let are_up: Vec<_> = services.iter().map(|service| &service["up"]).collect();
    assert_eq!(are_up, [true, false, false, false]);
    let status = get_json(&backend, "/api/status").await;
    assert_eq!(status["services"][0]["up"], true);
    assert_eq!(status["services"][1]["up"], false);

    well.fail();
    point(&backend, |point| point["up"] == false).await;
    well.say("process_memory_usage_bytes 6\n");
    point(&backend, |point| point["memory"] == 6.0).await;
}

#[tokio::test]
async fn without_anything_to_scrape_figures_are_empty() {
    let backend = scraping(&[]);
    let figures = get_json(&backend, "/api/figures").await;
    assert_eq!(figures, json!({"interval": 2, "services": []}));
}

#[tokio::test]
async fn target_that_never_answers_holds_up_neither_the_others_nor_the_stop() {
    // Connections are taken by the system, and nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let well = Service::default();
    well.say("process_memory_usage_bytes 5\n");
    let backend = scraping(&[
        ("well", well.start().await),
        ("silent", silent.local_addr().unwrap()),
    ]);
    point(&backend, |point| point["memory"] == 5.0).await;
    well.say("process_memory_usage_bytes 6\n");
    point(&backend, |point| point["memory"] == 6.0).await;
    timeout(LIMIT, backend.stop()).await.unwrap();
}

/// OpenMetrics with every type, and one line that is not meant to be there.
const EXPOSITION: &str = r#"# TYPE target info
target_info{service_version="2.1",host_name="a"} 1
# TYPE jobs counter
# HELP jobs Jobs that ended, with a \"quote\"\nand a line.
jobs_total{queue="mail",otel_scope_name="worker",otel_scope_version="3",otel_scope_schema_url="https://example.com/1",otel_scope_team="blue"} 7.0 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7",size="3"} 1.0 1700000000.5
jobs_created{queue="mail",otel_scope_name="worker",otel_scope_version="3",otel_scope_schema_url="https://example.com/1",otel_scope_team="blue"} 1700000000.0
# TYPE waiting gauge
# UNIT waiting bytes_per_second
waiting{queue="mail"} 3
not a sample
# TYPE length_seconds histogram
# UNIT length_seconds seconds
length_seconds_bucket{le="0.5"} 1
length_seconds_bucket{le="0.1"} 1
length_seconds_bucket{le="+Inf"} 4
length_seconds_count 4
length_seconds_sum 6.5
# TYPE lost histogram
lost_bucket{le="+Inf"} 4
# TYPE old_seconds summary
old_seconds{quantile="0.5"} 0.25
old_seconds_count 2
# TYPE build info
build_info{commit="abc"} 1
# TYPE door stateset
door{door="open"} 1
# TYPE sizes gaugehistogram
sizes_bucket{le="+Inf"} 1
sizes_gcount 1
whatever_count 5
# EOF
"#;

#[tokio::test]
async fn what_a_service_says_is_kept_as_metric_points() {
    let service = Service::default();
    service.say(EXPOSITION);
    let address = service.start().await;
    let backend = scraping(&[("Shop", address)]);
    let mut rows = json!([]);
    for _ in 0..LIMIT.as_millis() / 50 {
        let sql = "select name, kind, temporality, monotonic, unit, value, count, sum, attributes, buckets, scope_name,
            scope_version, service from metrics order by name";
        rows = crate::metrics::rows(&backend, sql).await;
        if rows != json!([]) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let own = json!(["backend", null, "Shop"]);
    let row = |columns: Value, origin: &Value| {
        let mut row = columns.as_array().unwrap().clone();
        row.extend(origin.as_array().unwrap().clone());
        Value::Array(row)
    };
    let buckets = r#"[{"count":1,"le":0.1},{"count":0,"le":0.5},{"count":3,"le":null}]"#;
    let quantiles = r#"[{"quantile":0.5,"value":0.25}]"#;
    let worker = json!(["worker", "3", "Shop"]);
    let expected = [
        row(
            json!([
                "build_info",
                "sum",
                "cumulative",
                0,
                null,
                1.0,
                null,
                null,
                r#"{"commit":"abc"}"#,
                null
            ]),
            &own,
        ),
        row(
            json!([
                "door",
                "sum",
                "cumulative",
                0,
                null,
                1.0,
                null,
                null,
                r#"{"door":"open"}"#,
                null
            ]),
            &own,
        ),
        row(
            json!([
                "jobs_total",
                "sum",
                "cumulative",
                1,
                null,
                7.0,
                null,
                null,
                r#"{"queue":"mail"}"#,
                null
            ]),
            &worker,
        ),
        row(
            json!([
                "length_seconds",
                "histogram",
                "cumulative",
                null,
                "s",
                null,
                4,
                6.5,
                "{}",
                buckets
            ]),
            &own,
        ),
        row(
            json!([
                "old_seconds",
                "summary",
                null,
                null,
                null,
                null,
                2,
                0.0,
                "{}",
                quantiles
            ]),
            &own,
        ),
        row(
            json!([
                "waiting",
                "gauge",
                null,
                null,
                "By/s",
                3.0,
                null,
                null,
                r#"{"queue":"mail"}"#,
                null
            ]),
            &own,
        ),
        row(
            json!([
                "whatever_count",
                "gauge",
                null,
                null,
                null,
                5.0,
                null,
                null,
                "{}",
                null
            ]),
            &own,
        ),
    ];
    assert_eq!(rows, json!(expected));

    let sql = "select start_unix_nanos, description, exemplars, r.attributes ->> '$.service_version',
        r.attributes ->> '$.\"service.instance.id\"', r.attributes ->> '$.\"server.port\"', r.attributes ->> '$.host_name'
        from metrics m join resources r using (resource) where name = 'jobs_total' limit 1";
    let exemplars = r#"[{"attributes":{"size":"3"},"span_id":"00f067aa0ba902b7","time_unix_nanos":1700000000500000000,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","value":1.0}]"#;
    let description = "Jobs that ended, with a \"quote\"\nand a line.";
    let (instance, port) = (address.to_string(), address.port().to_string());
    assert_eq!(
        crate::metrics::rows(&backend, sql).await,
        json!([[
            1_700_000_000_000_000_000_u64,
            description,
            exemplars,
            "2.1",
            instance,
            port,
            "a"
        ]])
    );
    let all = backend.store().metrics();
    let [of_worker] = all[0]
        .scope_metrics
        .iter()
        .filter(|of| !of.schema_url.is_empty())
        .collect::<Vec<_>>()[..]
    else {
        panic!("{all:?}");
    };
    assert_eq!(of_worker.scope.as_ref().unwrap().attributes[0].key, "team");
    assert_eq!(of_worker.metrics[0].metadata[0].key, "prometheus.type");
}
