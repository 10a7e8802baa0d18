//! The parts of `docker-compose.yml` under a name and on ports of their own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use tokio::sync::{Mutex, MutexGuard};

use super::{PATIENCE, docker, output};
use crate::parts::caller::{trace_id, traceparent};
use crate::parts::client;
use crate::parts::jaeger::Jaeger;
use crate::parts::ports::free_port;
use crate::parts::prometheus::Prometheus;
use crate::parts::within;

/// One stack at a time: each takes a gigabyte. Whether the image has been built is known to whoever's turn it is.
static TURN: Mutex<bool> = Mutex::const_new(false);

/// All containers, volumes and networks of one test. They are removed when it is dropped, however the test ends.
pub(crate) struct Stack {
    pub(crate) http: Client,
    project: String,
    settings: Vec<(&'static str, String)>,
    ports: [u16; 4],
    _turn: MutexGuard<'static, bool>,
}

/// Variables that the file looks up, beside ports: what they are where the tests run must not reach them.
const LOOKED_UP: [&str; 9] = [
    "JAEGER_ADDRESS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "PONG_FAILURE_RATE",
    "PONG_LATENCY",
];

impl Stack {
    /// What `docker-compose ARGUMENTS` starts, with these settings in its environment.
    pub(crate) async fn up(arguments: &[&str], settings: &[(&'static str, &str)]) -> Self {
        let stack = Self::new(settings).await;
        let began = Instant::now();
        stack.compose(arguments);
        eprintln!("{arguments:?}: {:.1} s", began.elapsed().as_secs_f64());
        stack
    }

    /// The image alone, for a test that starts its containers itself.
    pub(crate) async fn image() -> Self {
        Self::new(&[]).await
    }

    async fn new(settings: &[(&'static str, &str)]) -> Self {
        let mut turn = TURN.lock().await;
        let ports: [u16; 4] = std::array::from_fn(|_| free_port());
        let names = ["PING_PORT", "PONG_PORT", "JAEGER_PORT", "PROMETHEUS_PORT"];
        let asked = names.into_iter().zip(ports);
        let unasked = [
            "OTLP_GRPC_PORT",
            "OTLP_HTTP_PORT",
            "GRAFANA_PORT",
            "ZIPKIN_PORT",
        ];
        let unasked = unasked.map(|name| (name, free_port()));
        let settings = asked
            .chain(unasked)
            .map(|(name, port)| (name, port.to_string()))
            .chain(
                settings
                    .iter()
                    .map(|&(name, value)| (name, value.to_owned())),
            );
        let is_built = std::mem::replace(&mut *turn, true);
        let stack = Self {
            http: client(),
            project: format!("test{}", ports[0]),
            settings: settings.collect(),
            ports,
            _turn: turn,
        };
        if !is_built {
            let began = Instant::now();
            stack.compose(&["build", "ping"]);
            eprintln!("image built: {:.1} s", began.elapsed().as_secs_f64());
        }
        stack
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker-compose");
        for name in LOOKED_UP {
            command.env_remove(name);
        }
        command
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .args(["-p", &self.project]);
        command
    }

    /// What `docker-compose` prints, which must succeed.
    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        output(self.command().args(arguments))
    }

    /// Ids of the containers of one service.
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        let service = format!("label=com.docker.compose.service={service}");
        self.list(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &service])
    }

    pub(crate) fn container(&self, service: &str) -> String {
        let [container] = self.containers(service).try_into().expect("one container");
        container
    }

    /// What a listing of docker finds that belongs to this stack.
    fn list(&self, command: &[&str]) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.project);
        let found = docker(&[command, &["--filter", &project]].concat());
        found.lines().map(str::to_owned).collect()
    }

    fn url(&self, port: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[port])
    }

    pub(crate) fn ping(&self) -> String {
        format!("{}/ping", self.url(0))
    }

    pub(crate) fn pong(&self) -> String {
        format!("{}/pong", self.url(1))
    }

    pub(crate) fn jaeger(&self) -> Jaeger {
        Jaeger::at(self.url(2))
    }

    pub(crate) fn prometheus(&self) -> Prometheus {
        Prometheus::at(self.url(3))
    }

    /// Waits until the engine's health checks of these services pass.
    pub(crate) async fn healthy(&self, services: &[&str]) {
        for service in services {
            let container = self.container(service);
            let health = || {
                let format = ["--format", "{{.State.Health.Status}}"];
                docker(&[&["inspect"], &format[..], &[&container]].concat())
            };
            let healthy = within(PATIENCE, async || (health() == "healthy").then_some(())).await;
            let state = || docker(&["inspect", "--format", "{{json .State}}", &container]);
            assert!(healthy.is_some(), "{service}: {}", state());
        }
    }

    /// Calls `url` until it answers with that status; the id of that call's trace.
    pub(crate) async fn call(&self, url: &str, status: StatusCode) -> String {
        let mut last = None;
        let found = within(PATIENCE, async || {
            let id = trace_id();
            let call = self.http.get(url).header("traceparent", traceparent(&id));
            let answer = call.send().await;
            last = Some(format!("{answer:?}"));
            (answer.ok()?.status() == status).then_some(id)
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("{url} does not answer {status}, but {last:?}"))
    }

    /// `down -v`, after which nothing may be left.
    pub(crate) fn down(self) {
        let volumes = self.volumes();
        let began = Instant::now();
        self.compose(&["down", "-v"]);
        eprintln!("down: {:.1} s", began.elapsed().as_secs_f64());

        let nothing: [String; 0] = [];
        assert_eq!(self.list(&["ps", "--all", "--quiet"]), nothing);
        assert_eq!(self.list(&["network", "ls", "--quiet"]), nothing);
        assert_eq!(self.list(&["volume", "ls", "--quiet"]), nothing);
        // Volumes that an image declares bear no label.
        let left = docker(&["volume", "ls", "--quiet"]);
        for volume in volumes {
            assert!(!left.lines().any(|name| name == volume), "{volume} is left");
        }
    }

    /// Names of all volumes that its containers have mounted.
    fn volumes(&self) -> Vec<String> {
        let containers = self.list(&["ps", "--all", "--quiet"]);
        let names = "{{range .Mounts}}{{with .Name}}{{println .}}{{end}}{{end}}";
        let volumes = containers.iter().flat_map(|id| {
            docker(&["inspect", "--format", names, id])
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        volumes.filter(|name| !name.is_empty()).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Profiles do not matter to what is there already.
        let arguments = ["down", "--volumes", "--remove-orphans", "--timeout", "1"];
        let _ = self.command().args(arguments).output();
    }
}

/// How long the engine waits between SIGTERM and SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
