//! A real Jaeger, configured as the one of `docker-compose.yml` is, and a backend beside it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use backend::{Backend, Settings};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use crate::ports::free_port;

const PATIENCE: Duration = Duration::from_secs(30);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Backend,
    Jaeger,
}

/// Both, having been sent the same.
pub(crate) struct Both {
    backend: Backend,
    jaeger: Jaeger,
    http: Client,
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Both {
    pub(crate) async fn start() -> Self {
        let client = Client::builder().no_proxy().timeout(PATIENCE);
        let http = client.build().unwrap();
        let backend = Backend::start(Settings::on_free_ports()).unwrap();
        let jaeger = Jaeger::start(&http).await;
        Self {
            backend,
            jaeger,
            http,
        }
    }

    /// Sends an OTLP request to both. With no batches in between, it can be read back at once.
    pub(crate) async fn send(&self, request: &Value) {
        let body = request.to_string();
        for receiver in [
            self.backend.otlp_http().to_string(),
            self.jaeger.otlp.clone(),
        ] {
            let request = self.http.post(format!("http://{receiver}/v1/traces"));
            let request = request.header("content-type", "application/json");
            let answer = request.body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{receiver}");
            let rejected = answer.text().await.unwrap().contains("rejectedSpans");
            assert!(!rejected, "{receiver}");
        }
    }

    /// What one of them answers to `GET /api/{path}`.
    pub(crate) async fn ask(&self, who: Who, path: &str) -> Answer {
        self.answer(self.http.get(self.url(who, path))).await
    }

    /// What one of them answers to `POST /api/{path}` with `body`.
    pub(crate) async fn post(&self, who: Who, path: &str, body: &Value) -> Answer {
        let request = self.http.post(self.url(who, path));
        self.answer(request.body(body.to_string())).await
    }

    fn url(&self, who: Who, path: &str) -> Url {
        let address = match who {
            Who::Backend => self.backend.query().to_string(),
            Who::Jaeger => self.jaeger.query.clone(),
        };
        Url::parse(&format!("http://{address}/api/{path}")).unwrap()
    }

    async fn answer(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let content_type = answer.headers().get("content-type");
        Answer {
            status: answer.status(),
            content_type: content_type.map(|value| value.to_str().unwrap().to_owned()),
            text: answer.text().await.unwrap(),
        }
    }

    /// What the backend answers, and what Jaeger does. Both are well.
    pub(crate) async fn ask_both(&self, path: &str) -> (Value, Value) {
        let answers = [
            self.ask(Who::Backend, path).await,
            self.ask(Who::Jaeger, path).await,
        ];
        let [ours, theirs] = answers.map(|answer| {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            answer.json()
        });
        (ours, theirs)
    }
}

struct Jaeger {
    child: Child,
    folder: PathBuf,
    query: String,
    otlp: String,
}

impl Jaeger {
    async fn start(http: &Client) -> Self {
        let [query, query_grpc, health, otlp, otlp_grpc] =
            std::array::from_fn(|_| format!("127.0.0.1:{}", free_port()));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(query.replace(':', "-"));
        std::fs::create_dir_all(&folder).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jaeger/jaeger.yml");
        let mut command = Command::new("jaeger");
        command
            .env("OTEL_TRACES_SAMPLER", "always_off") // or it would trace its own API
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        for (endpoint, address) in [
            ("extensions.jaeger_query.http", &query),
            ("extensions.jaeger_query.grpc", &query_grpc),
            ("extensions.healthcheckv2.http", &health),
            ("receivers.otlp.protocols.http", &otlp),
            ("receivers.otlp.protocols.grpc", &otlp_grpc),
        ] {
            command.arg(format!("--set={endpoint}.endpoint={address}"));
        }
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("jaeger is not on PATH: {error}"));
        let jaeger = Self {
            child,
            folder,
            query,
            otlp,
        };
        let start = Instant::now();
        while !is_well(http, &format!("http://{health}/status")).await {
            let log = || std::fs::read_to_string(jaeger.folder.join("log"));
            assert!(
                start.elapsed() < PATIENCE,
                "jaeger is not ready: {:?}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        jaeger
    }
}

async fn is_well(http: &Client, url: &str) -> bool {
    let answer = http.get(url).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
