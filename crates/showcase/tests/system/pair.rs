//! Ping, pong and a receiver for their spans, all on free ports.

use backend::{Backend, Settings, Store, Trace, TraceId};
use reqwest::{Client, RequestBuilder, Response};

use crate::PATIENCE;
pub(crate) use crate::parts::client;
use crate::parts::within;
use crate::process::{Ended, Process};

/// One setting: variable and value.
pub(crate) type Setting<'a> = (&'static str, &'a str);

pub(crate) struct Pair {
    pub(crate) backend: Backend,
    pub(crate) ping: Process,
    pub(crate) pong: Process,
    pub(crate) ping_url: String,
    pub(crate) pong_url: String,
    http: Client,
}

/// Settings with which a service listens on a free port and sends its spans to `backend`, soon.
pub(crate) fn settings<'a>(backend: &Backend, more: &[Setting<'a>]) -> Vec<(&'static str, String)> {
    let basic = [
        ("ADDRESS", "127.0.0.1:0".to_owned()),
        ("JAEGER_ADDRESS", backend.otlp_http().to_string()),
        // For whoever sets OTEL_METRICS_EXPORTER=otlp.
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            format!("http://{}/v1/metrics", backend.otlp_http()),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ];
    basic
        .into_iter()
        .chain(more.iter().map(|&(name, value)| (name, value.to_owned())))
        .collect()
}

/// A receiver on a free port.
pub(crate) fn backend() -> Backend {
    let settings = Settings {
        ..Settings::on_free_ports()
    };
    Backend::start(settings).expect("the receiver starts")
}

impl Pair {
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    pub(crate) fn start_with(for_ping: &[Setting<'_>], for_pong: &[Setting<'_>]) -> Self {
        let backend = backend();
        let mut pong = Process::start("pong", settings(&backend, for_pong));
        let pong_url = pong.url();
        let mut for_ping = for_ping.to_vec();
        if !for_ping.iter().any(|(name, _)| *name == "PONG_ENDPOINT") {
            for_ping.push(("PONG_ENDPOINT", &pong_url));
        }
        let mut ping = Process::start("ping", settings(&backend, &for_ping));
        let ping_url = ping.url();
        Self {
            backend,
            ping,
            pong,
            ping_url,
            pong_url,
            http: client(),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.backend.store()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.get_with(path, &[]).await
    }

    pub(crate) fn request(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.ping_url))
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.request(path);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.send().await.expect("ping answers")
    }

    /// The trace of that id once it has `spans` spans.
    pub(crate) async fn trace(&self, id: &str, spans: usize) -> Trace {
        let id: TraceId = id.parse().expect("a trace id");
        let found = self.store().wait_for(PATIENCE, |store| {
            store.trace(id).filter(|trace| trace.spans.len() >= spans)
        });
        found.await.unwrap_or_else(|late| panic!("{late}"))
    }

    /// The metrics of ping once they contain `text`.
    pub(crate) async fn metrics_with(&self, text: &str) -> String {
        let metrics = within(PATIENCE, async || {
            Some(self.get("/metrics").await.text().await.ok()?).filter(|all| all.contains(text))
        });
        metrics
            .await
            .unwrap_or_else(|| panic!("no {text} in the metrics"))
    }

    /// Stops ping, then pong; both must end well.
    pub(crate) fn stop(self) -> (Backend, [Ended; 2]) {
        let ended = [self.ping.stop(), self.pong.stop()];
        for ended in &ended {
            assert!(ended.status.success(), "{ended:#?}");
        }
        (self.backend, ended)
    }
}
