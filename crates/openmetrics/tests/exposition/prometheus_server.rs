//! A real Prometheus scrapes the exposition, and hands its exemplars out again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use openmetrics::Exposition;
use serde_json::{Value, json};

use crate::families::{exposition, gauge, histogram};
use crate::registry::filled;

const LIMIT: Duration = Duration::from_secs(30);

/// Answers every connection with the exposition that its `Accept` asks for.
fn serve(exposition: Exposition) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let accept = head
                .take_while(|line| !line.is_empty())
                .find_map(|line| line.strip_prefix("Accept: ").map(str::to_owned));
            let answer = exposition.encode(accept.as_deref());
            let head = format!(
                "HTTP/1.0 200 OK\r\nContent-Type: {}\r\nVary: Accept\r\n\r\n",
                answer.content_type
            );
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&answer.body));
        }
    });
    address
}

struct Prometheus {
    child: Child,
    folder: PathBuf,
    address: String,
}

impl Prometheus {
    /// Scrapes the addresses, each as a job of its own, named as given.
    fn start(jobs: &[(&str, SocketAddr)]) -> Prometheus {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("prometheus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let jobs = jobs.iter().map(|(name, address)| {
            json!({"job_name": name, "static_configs": [{"targets": [address.to_string()]}]})
        });
        // JSON is YAML.
        let config = json!({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": jobs.collect::<Vec<_>>(),
        });
        std::fs::write(folder.join("prometheus.yml"), config.to_string()).unwrap();
        let mut child = Command::new("prometheus")
            .current_dir(&folder)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--enable-feature=exemplar-storage",
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (said, address) = mpsc::channel();
        // Reads on, so that the log never fills its pipe.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("Listening on") {
                    let address = line.split("address=").nth(1).unwrap_or_default();
                    let _ = said.send(address.trim_matches('"').to_owned());
                }
            }
        });
        let address = address.recv_timeout(LIMIT);
        let prometheus = Prometheus {
            child,
            folder,
            address: address.clone().unwrap_or_default(),
        };
        assert!(address.is_ok(), "prometheus does not say where it listens");
        prometheus
    }

    /// `data` of an API's answer, once `good` is content with it.
    fn ask(&self, path: &str, good: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path).unwrap_or_default();
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let data = serde_json::from_str(body)
                .map_or(Value::Null, |answer: Value| answer["data"].clone());
            if good(&data) {
                return data;
            }
            assert!(started.elapsed() < LIMIT, "{path}: {answer}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
#[ignore = "needs prometheus"]
fn prometheus_scrapes_even_a_hostile_registry_and_returns_the_exemplars() {
    let (_provider, good) = filled();
    let series = good.exemplars().series(
        "http_server_request_duration_seconds",
        &[("http_route".to_owned(), "/ping".to_owned())],
        &[0.005, 0.25, 1.0],
    );
    series.record(0.5, SystemTime::now(), [0x4b; 16], [0x5c; 8]);
    let odd: &[(&str, &str)] = &[("__name__", "x"), ("le", "\0\"\\\n"), ("2:ü", "\r")];
    let hostile = exposition(vec![
        gauge("2ü", "\\\"\0\n\r", &[(odd, f64::NAN), (&[], f64::INFINITY)]),
        histogram("h", "", &[odd], &[(-1.0, 1)], (-1.0, 2)),
    ]);
    let prometheus = Prometheus::start(&[("good", serve(good)), ("hostile", serve(hostile))]);

    let value = |data: &Value| data["result"][0]["value"][1].as_str().map(str::to_owned);
    for (job, samples) in [("good", "24"), ("hostile", "4")] {
        let path = format!("/api/v1/query?query=scrape_samples_scraped%7Bjob=%22{job}%22%7D");
        let data = prometheus.ask(&path, |data| value(data).is_some());
        assert_eq!(value(&data).unwrap(), samples, "{job}");
    }

    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let path = format!(
        "/api/v1/query_exemplars?query=http_server_request_duration_seconds_bucket&start={}&end={}",
        now - 600,
        now + 600
    );
    let data = prometheus.ask(&path, |data| data[0].is_object());
    assert_eq!(data.as_array().map(Vec::len), Some(1));
    let (labels, exemplars) = (&data[0]["seriesLabels"], &data[0]["exemplars"]);
    assert_eq!(
        (&labels["http_route"], &labels["le"]),
        (&json!("/ping"), &json!("1.0"))
    );
    assert_eq!(exemplars.as_array().map(Vec::len), Some(1));
    assert_eq!(
        exemplars[0]["labels"],
        json!({"span_id": "5c".repeat(8), "trace_id": "4b".repeat(16)})
    );
    assert_eq!(exemplars[0]["value"], json!("0.5"));
}
