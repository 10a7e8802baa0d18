//! A real Prometheus scrapes both services.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::PATIENCE;
use crate::pair::{Pair, client};
use crate::parts::ports::free_port;
use crate::parts::prometheus;
use crate::program::{Program, repository};

pub(crate) struct Prometheus {
    _program: Program,
    pub(crate) url: String,
    pub(crate) api: prometheus::Prometheus,
}

impl Prometheus {
    /// Scrapes the pair, under the jobs and as `prometheus/prometheus.yml` says, but every second.
    pub(crate) async fn start(pair: &Pair) -> Self {
        let file = repository("prometheus/prometheus.yml");
        let file = std::fs::read_to_string(file).expect("there is a configuration");
        let mut configuration: Value = serde_saphyr::from_str(&file).expect("it is YAML");
        configuration["global"]["scrape_interval"] = json!("1s");
        let jobs = configuration["scrape_configs"].as_array_mut();
        let jobs = jobs.expect("there are jobs");
        let names: Vec<_> = jobs.iter().map(|job| job["job_name"].clone()).collect();
        assert_eq!(names, ["Ping", "Pong"]);
        for (job, (host, port, url)) in jobs.iter_mut().zip([
            ("ping", 8081, &pair.ping_url),
            ("pong", 8082, &pair.pong_url),
        ]) {
            let looked_up =
                json!([{"names": [host], "type": "A", "port": port, "refresh_interval": "5s"}]);
            let job = job.as_object_mut().expect("a job is a mapping");
            assert_eq!(job.remove("dns_sd_configs"), Some(looked_up));
            let target = url.trim_start_matches("http://");
            job.insert("static_configs".to_owned(), json!([{"targets": [target]}]));
        }
        // JSON is YAML.
        let configuration = configuration.to_string();
        let address = format!("127.0.0.1:{}", free_port());
        let url = format!("http://{address}");
        let program = Program::start("prometheus", |command, folder| {
            std::fs::write(folder.join("prometheus.yml"), configuration).expect("a file");
            std::fs::create_dir(folder.join("rules")).expect("a folder");
            for rules in std::fs::read_dir(repository("prometheus/rules")).expect("there are rules")
            {
                let rules = rules.expect("a folder can be read").path();
                if let (true, Some(name)) = (rules.is_file(), rules.file_name()) {
                    std::fs::copy(&rules, folder.join("rules").join(name)).expect("a file");
                }
            }
            command
                .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
                .arg(format!("--web.listen-address={address}"))
                .arg("--enable-feature=exemplar-storage");
        });
        program.ready(&format!("{url}/-/ready")).await;
        Self {
            _program: program,
            api: prometheus::Prometheus::at(url.clone()),
            url,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus"]
async fn a_real_prometheus_scrapes_both_services_and_finds_the_request() {
    let pair = Pair::start();
    let prometheus = Prometheus::start(&pair).await;
    pair.get("/ping").await;

    prometheus.api.results("up == 1", 2, PATIENCE).await;
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
        prometheus.api.results(query, count, PATIENCE).await;
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
