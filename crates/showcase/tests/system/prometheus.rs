//! A real Prometheus scrapes both services.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::Url;
use serde_json::Value;

use crate::eventually;
use crate::pair::{Pair, client};

/// A Prometheus server of its own folder; both go when it is dropped.
struct Prometheus {
    server: Child,
    folder: PathBuf,
    url: String,
}

impl Prometheus {
    fn start(jobs: &[(&str, &str)]) -> Self {
        let folder =
            std::env::temp_dir().join(format!("prometheus-{}-{}", std::process::id(), jobs.len()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut configuration = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
        for (job, url) in jobs {
            let target = url.trim_start_matches("http://");
            configuration += &format!(
                "  - {{job_name: {job}, static_configs: [{{targets: [\"{target}\"]}}]}}\n"
            );
        }
        std::fs::write(folder.join("prometheus.yml"), configuration).unwrap();
        // Prometheus takes no port 0: this one was free a moment ago.
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let server = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is on PATH");
        Self {
            server,
            folder,
            url: format!("http://{address}"),
        }
    }

    /// The results of a query once there are `count` of them.
    async fn query(&self, query: &str, count: usize) -> Vec<Value> {
        let http = client();
        let found = eventually(async || {
            let url =
                Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", query)])
                    .ok()?;
            let answer = http.get(url).send().await.ok()?.text().await.ok()?;
            let answer: Value = serde_json::from_str(&answer).ok()?;
            answer["data"]["result"]
                .as_array()
                .filter(|results| results.len() == count)
                .cloned()
        });
        found
            .await
            .unwrap_or_else(|| panic!("not {count} results of {query}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus"]
async fn a_real_prometheus_scrapes_both_services_and_finds_the_request() {
    let pair = Pair::start();
    let prometheus = Prometheus::start(&[("Ping", &pair.ping_url), ("Pong", &pair.pong_url)]);
    pair.get("/ping").await;

    prometheus.query("up == 1", 2).await;
    for (query, count) in [
        (
            r#"request_count_total{userAgent="tester/1.0",job="Ping"} == 1"#,
            1,
        ),
        (
            r#"http_server_request_duration_seconds_count{http_route=~"/p.ng",http_response_status_code="200"} == 1"#,
            2,
        ),
        (
            r#"http_client_request_duration_seconds_count{job="Ping"} == 1"#,
            1,
        ),
        ("http_server_active_requests == 0", 2),
        (r#"target_info{service_namespace="ping-pong"}"#, 2),
        ("process_memory_usage_bytes > 1e6", 2),
        ("otel_sdk_exporter_span_exported_total > 0", 2),
    ] {
        prometheus.query(query, count).await;
    }
}

/// What `promtool check metrics` finds wrong with names that are wanted as they are.
const FINDINGS: [&str; 6] = [
    // `remoteAddr` and `userAgent` are the names of the Go original.
    "duration_milliseconds label names should be written in 'snake_case' not 'camelCase'",
    "request_count_total label names should be written in 'snake_case' not 'camelCase'",
    // So is a duration in milliseconds.
    "duration_milliseconds use base unit \"seconds\" instead of \"milliseconds\"",
    // The semantic conventions call these `process.thread.count` and `process.unix.file_descriptor.count` …
    "process_thread_count non-histogram and non-summary metrics should not have \"_count\" suffix",
    "process_unix_file_descriptor_count non-histogram and non-summary metrics should not have \"_count\" suffix",
    // … and the runtime's figures are named alike.
    "tokio_worker_count non-histogram and non-summary metrics should not have \"_count\" suffix",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs promtool"]
async fn promtool_parses_both_and_finds_exactly_what_is_known() {
    let pair = Pair::start();
    pair.get("/ping").await;
    for url in [&pair.ping_url, &pair.pong_url] {
        let metrics = client()
            .get(format!("{url}/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is on PATH");
        promtool
            .stdin
            .take()
            .unwrap()
            .write_all(metrics.as_bytes())
            .unwrap();
        let output = promtool.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(3),
            "parsed, with findings: {output:?}"
        );
        let found =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            found.lines().collect::<BTreeSet<_>>(),
            BTreeSet::from(FINDINGS)
        );
    }
}
