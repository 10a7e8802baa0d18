//! The showcase as whoever types `cargo run` has it: the real executable, its real children, signals.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod figures;
mod try_it;
#[path = "../parts/within.rs"]
mod within;

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, getpgid, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use within::within;

/// For whatever has to happen; far more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// The flags of all ports, and who needs them.
const PORTS: [(&str, &str); 6] = [
    ("--ping-port", "ping"),
    ("--pong-port", "pong"),
    ("--page-port", "the page"),
    ("--otlp-port", "the receiver of traces"),
    ("--otlp-grpc-port", "the receiver of traces over gRPC"),
    ("--zipkin-port", "the receiver of Zipkin's traces"),
];

/// The environment of the tests does not reach it.
fn showcase(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_showcase"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn output(arguments: &[&str]) -> Output {
    timeout(LIMIT, showcase(arguments).output())
        .await
        .unwrap()
        .unwrap()
}

/// A running showcase. Dropped, it is killed, and its children with it.
struct Running {
    process: Child,
    /// Until nobody reads them any more.
    lines: Option<Lines<BufReader<ChildStdout>>>,
    printed: String,
    ping: u16,
    pong: u16,
    page: u16,
}

impl Running {
    /// On ports of its own, with these variables set, until it says that it is ready.
    async fn start(env: &[(&str, &str)]) -> Self {
        Self::start_with(&[], env).await
    }

    /// The same with these arguments.
    async fn start_with(arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = showcase(PORTS.map(|(flag, _)| [flag, "0"]).as_flattened());
        command.args(arguments);
        let mut process = command.envs(env.iter().copied()).spawn().unwrap();
        let lines = Some(BufReader::new(process.stdout.take().unwrap()).lines());
        let mut running = Self {
            process,
            lines,
            printed: String::new(),
            ping: 0,
            pong: 0,
            page: 0,
        };
        running.read_to("pong's: port").await;
        running.ping = running.number_after("curl http://localhost:");
        running.page = running.number_after("http://localhost:");
        running.pong = running.number_after("pong's: port ");
        running
    }

    fn number_after(&self, text: &str) -> u16 {
        let (_, after) = self.printed.split_once(text).unwrap();
        after
            .split(|char: char| !char.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Reads up to the line that contains `text`.
    async fn read_to(&mut self, text: &str) {
        while let Some(line) = self.line(text).await {
            if line.contains(text) {
                return;
            }
        }
        panic!("no {text:?} in\n{}", self.printed);
    }

    /// Reads to the end.
    async fn read_to_end(&mut self) {
        while self.line("the end").await.is_some() {}
    }

    async fn line(&mut self, wanted: &str) -> Option<String> {
        let lines = self.lines.as_mut().unwrap();
        let Ok(line) = timeout(LIMIT, lines.next_line()).await else {
            panic!("no {wanted} after {LIMIT:?}, but\n{}", self.printed);
        };
        let line = line.unwrap()?;
        self.printed.push_str(&line);
        self.printed.push('\n');
        Some(line)
    }

    async fn get(&self, port: u16, path: &str) -> String {
        let url = format!("http://127.0.0.1:{port}{path}");
        timeout(LIMIT, async {
            reqwest::get(url).await.unwrap().text().await.unwrap()
        })
        .await
        .unwrap()
    }

    /// The status and the JSON that the page gets from its server.
    async fn api(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}{path}", self.page);
        let request = match body {
            None => reqwest::Client::new().get(url),
            Some(body) => reqwest::Client::new()
                .post(url)
                .header("content-type", "application/json")
                .body(body.to_string()),
        };
        let answer = timeout(LIMIT, request.send()).await.unwrap().unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let json = serde_json::from_str(&text);
        (status, json.unwrap_or_else(|_| panic!("{status} {text}")))
    }

    /// What is asked until it is as wanted.
    async fn api_until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut answer = Value::Null;
        let found = within(LIMIT, async || {
            answer = self.api(path, None).await.1;
            wanted(&answer).then(|| answer.clone())
        });
        match found.await {
            Some(found) => found,
            None => panic!("{path} is still {answer}"),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().unwrap().try_into().unwrap()).unwrap()
    }

    /// The process id of the service at `port`, as its metrics say.
    async fn pid_of(&self, port: u16) -> Pid {
        let metrics = self.get(port, "/metrics").await;
        let (_, pid) = metrics.split_once("process_pid=\"").unwrap();
        Pid::from_raw(pid.split('"').next().unwrap().parse().unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    async fn exit(&mut self) -> ExitStatus {
        timeout(LIMIT, self.process.wait()).await.unwrap().unwrap()
    }

    /// What it has said on stderr, once it and its children have ended.
    async fn errors(self) -> String {
        let output = timeout(LIMIT, self.process.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    }

    /// Children can outlive the showcase by a moment, if that was killed.
    async fn assert_ports_are_free(&self) {
        for port in [self.ping, self.pong, self.page] {
            let free = within(LIMIT, async || {
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
            });
            assert!(free.await.is_some(), "port {port} is taken");
        }
    }
}

/// The lines of `printed` that are spans, without their bars and times.
fn spans(printed: &str) -> Vec<String> {
    let kinds = ["server  ", "internal  ", "client  "];
    let spans = printed
        .lines()
        .filter(|line| kinds.iter().any(|kind| line.contains(kind)));
    spans
        .map(|line| {
            line.split(['━', '╸', '╺'])
                .next()
                .unwrap()
                .trim_end()
                .to_owned()
        })
        .collect()
}

const PING: [&str; 5] = [
    "  GET /ping             server    Ping",
    "  └ ping-request        internal  Ping",
    "    └ GET               client    Ping",
    "      └ GET /pong       server    Pong",
    "        └ pong-request  internal  Pong",
];

#[tokio::test]
async fn one_ping_is_printed_as_one_tree_of_five_spans_with_their_events() {
    let mut showcase = Running::start(&[]).await;
    assert_eq!(showcase.get(showcase.ping, "/ping").await, "ok");
    // On a machine that stumbles, the spans of one service can be too late, and the tree comes in two steps.
    showcase.read_to("5 spans, 2 services").await;
    let tree = showcase.printed.lines().count() - 1;
    showcase.signal(Signal::TERM);
    showcase.read_to_end().await;

    let tree = showcase
        .printed
        .lines()
        .skip(tree)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        tree.lines().next().unwrap().contains("  GET /ping  "),
        "{tree}"
    );
    assert_eq!(spans(&tree), PING);
    let events: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split_once("· ")?.1.split("  ").next())
        .collect();
    assert_eq!(
        events,
        [
            "Start request processing",
            "Invoke external endpoint",
            "Response success",
            "Update metrics",
            "Response success",
            "Update metrics",
        ]
    );
    assert!(
        showcase
            .printed
            .lines()
            .all(|line| line.chars().count() < 100),
        "{}",
        showcase.printed
    );
    assert_eq!(showcase.errors().await, "");
}

#[tokio::test]
async fn beyond_loopback_it_warns_and_its_services_find_it_all_the_same() {
    let arguments = [
        "--host",
        "0.0.0.0",
        "--allow-origin",
        "http://localhost:5173",
    ];
    let mut showcase = Running::start_with(&arguments, &[]).await;
    showcase
        .read_to("listen on 0.0.0.0. There is no password")
        .await;
    showcase.get(showcase.ping, "/ping").await;
    showcase.read_to("5 spans, 2 services").await;

    let status = showcase.api("/api/status", None).await.1;
    let port = status["receivers"][0]["address"].as_str().unwrap();
    let (_, port) = port.split_once(':').unwrap();
    let url = format!("http://127.0.0.1:{port}/v1/traces");
    let request = reqwest::Client::new().post(url).body("{}");
    let request = request.header("content-type", "application/json");
    let answer = request.header("origin", "http://localhost:5173").send();
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_refused_is_told_with_the_reason() {
    let mut showcase = Running::start(&[]).await;
    let status = showcase.api("/api/status", None).await.1;
    let address = status["receivers"][0]["address"].as_str().unwrap();
    for _ in 0..3 {
        let url = format!("http://{address}/v1/traces");
        let request = reqwest::Client::new().post(url).body("\u{1b}");
        let request = request.header("content-type", "application/json");
        assert_eq!(request.send().await.unwrap().status(), 400);
    }
    showcase.read_to("otlp/http refused ").await;
    let line = showcase.printed.lines().last().unwrap();
    assert!(
        line.contains("The last: the body cannot be decoded: "),
        "{line}"
    );
}

#[tokio::test]
async fn services_get_the_environment_and_errors_are_marked() {
    let mut showcase = Running::start(&[("PONG_FAILURE_RATE", "1")]).await;
    showcase.get(showcase.ping, "/ping").await;
    showcase.read_to("✗ failed in Pong").await;
    showcase.read_to("✗ GET /ping").await;
    showcase
        .read_to("error: failed as PONG_FAILURE_RATE asks")
        .await;
}

#[tokio::test]
async fn log_lines_of_a_trace_are_on_the_page_and_the_others_on_the_terminal() {
    let env = [
        ("PONG_FAILURE_RATE", "1"),
        ("OTEL_TRACES_SAMPLER", "nonsense"),
    ];
    let mut showcase = Running::start(&env).await;
    showcase.get(showcase.ping, "/ping").await;
    let is_there = |answer: &Value| answer["logs"].to_string().contains("no answer from pong");
    let logs = showcase.api_until("/api/logs", is_there).await;
    let logs = logs["logs"].as_array().unwrap();
    let line = logs
        .iter()
        .find(|log| log["service"] == "Ping" && !log["traceId"].is_null());
    let line = line.unwrap();
    assert_eq!(line["severity"], "WARN");
    let id = |name: &str| line[name].as_str().unwrap();
    let path = format!("/api/logs?trace={}&span={}", id("traceId"), id("spanId"));
    assert_eq!(
        showcase.api(&path, None).await.1["logs"],
        serde_json::json!([line])
    );

    showcase.read_to("✗ failed in Pong").await;
    showcase.signal(Signal::TERM);
    showcase.read_to_end().await;
    let printed = &showcase.printed;
    assert!(!printed.contains("no answer from pong"), "{printed}");
    for service in ["ping", "pong"] {
        let warned = |line: &str| {
            line.contains(&format!("WARN   {service}: ")) && line.contains("OTEL_TRACES_SAMPLER")
        };
        assert_eq!(
            printed.lines().filter(|line| warned(line)).count(),
            1,
            "{printed}"
        );
    }
}

#[tokio::test]
async fn whoever_sets_a_log_filter_sees_every_line_on_the_terminal() {
    let env = [("PONG_FAILURE_RATE", "1"), ("RUST_LOG", "info")];
    let mut showcase = Running::start(&env).await;
    showcase.get(showcase.ping, "/ping").await;
    showcase.read_to("no answer from pong").await;
    assert!(showcase.printed.contains("ping listens on"));
}

#[tokio::test]
async fn port_in_use_is_named_with_who_needs_it_and_the_flag_before_anything_is_started() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (place, (flag, who)) in PORTS.into_iter().enumerate() {
        let mut arguments = PORTS.map(|(flag, _)| [flag, "0"]);
        arguments[place][1] = &port;
        let output = output(arguments.as_flattened()).await;
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        let line = format!("port {port} is in use: {who} needs it; choose another with {flag}\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), line);
    }
}

#[tokio::test]
async fn a_second_showcase_says_in_one_line_that_one_runs_and_where() {
    let taken = PORTS.map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let ports = taken.each_ref().map(|listener| {
        let address = listener.local_addr().unwrap();
        address.port().to_string()
    });
    let arguments: Vec<_> = PORTS
        .iter()
        .zip(&ports)
        .flat_map(|((flag, _), port)| [*flag, port])
        .collect();
    let output = output(&arguments).await;
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    let line = format!(
        "the ports are in use: the showcase seems to run already, on http://localhost:{};",
        ports[PORTS
            .iter()
            .position(|(flag, _)| *flag == "--page-port")
            .unwrap()]
    );
    assert!(
        told.starts_with(&line) && told.lines().count() == 1,
        "{told}"
    );
}

#[tokio::test]
async fn setting_that_a_service_would_refuse_is_one_line_and_nothing_is_started() {
    let program = env!("CARGO_BIN_EXE_showcase");
    for (variable, value) in [("PONG_LATENCY", "abc"), ("JAEGER_ADDRESS", "nowhere")] {
        let output = tokio::process::Command::new(program)
            .args(PORTS.map(|(flag, _)| [flag, "0"]).as_flattened())
            .env_clear()
            .env(variable, value)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.starts_with(&format!("{variable} is {value:?}; wanted: "))
                && told.lines().count() == 1,
            "{told}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn file_is_loaded_before_anything_is_received_and_its_faults_are_told() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load.jsonl");
    let id = "5b8efff798038103d269b633813fc60c";
    let span = format!(r#"{{"traceId": "{id}", "spanId": "eee19b7ec3c1b174"}}"#);
    let line = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span}]}}]}}]}}"#);
    std::fs::write(&file, format!("{line}\n{{}}\n")).unwrap();
    let file = file.to_str().unwrap();
    let showcase = Running::start_with(&["--load", file], &[]).await;
    let told = format!(
        "{file}: 1 spans, 0 log records and 0 metric points loaded.\n  \
         line 2: it has neither resourceSpans nor resourceLogs nor resourceMetrics\n"
    );
    assert!(showcase.printed.starts_with(&told), "{}", showcase.printed);
    let trace = showcase
        .get(showcase.page, &format!("/api/traces/{id}"))
        .await;
    assert!(trace.contains("eee19b7ec3c1b174"), "{trace}");
}

#[tokio::test]
async fn file_that_cannot_be_loaded_is_named_and_nothing_is_started() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (file, reason) in [
        ("no/such/file", "No such file or directory (os error 2)"),
        (manifest, "nothing in it is a line of OTLP's JSON; line 1: "),
        ("/dev/null", "nothing in it is a line of OTLP's JSON"),
    ] {
        let output = output(
            &[
                PORTS.map(|(flag, _)| [flag, "0"]).as_flattened(),
                &["--load", file],
            ]
            .concat(),
        )
        .await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        let line = format!("the showcase cannot start: {file}: {reason}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.starts_with(&line) && told.lines().count() == 1,
            "{told}"
        );
    }
}

#[tokio::test]
async fn child_that_dies_is_said_and_shown_and_takes_nothing_with_it_and_can_be_started_again() {
    let mut showcase = Running::start(&[]).await;
    assert_eq!(showcase.get(showcase.ping, "/ping").await, "ok");
    showcase.read_to("5 spans, 2 services").await;
    for (name, port) in [("ping", showcase.ping), ("pong", showcase.pong)] {
        kill_process(showcase.pid_of(port).await, Signal::KILL).unwrap();
        let ended = format!("{name} has ended by itself (signal: 9 (SIGKILL))");
        let page = showcase.page;
        let line = format!("{ended}. Start it again on http://localhost:{page}/#/try");
        showcase.read_to(&line).await;
        let shown = showcase.api("/api/try", None).await.1;
        assert_eq!(shown[name]["ended"], ended);
        assert_eq!(shown[name]["running"], false);
        let kept = showcase.api("/api/summaries", None).await.1;
        assert_eq!(kept["kept"], 1, "the trace from before");

        let start = serde_json::json!({"service": name});
        let (status, started) = showcase.api("/api/try/start", Some(start)).await;
        assert_eq!(status, 200, "{started}");
        assert_eq!(started[name]["ended"], Value::Null);
        let pid = showcase.pid_of(port).await.as_raw_nonzero().get();
        assert_eq!(started[name]["pid"], pid);
    }
    assert_eq!(showcase.get(showcase.ping, "/ping").await, "ok");
    showcase.read_to("5 spans, 2 services").await;
    showcase.signal(Signal::TERM);
    assert_eq!(showcase.exit().await.code(), Some(0));
    showcase.read_to_end().await;
    showcase.assert_ports_are_free().await;
    assert_eq!(showcase.errors().await, "");
}

#[tokio::test]
async fn signal_shows_the_last_spans_and_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM] {
        // Spans would leave the services after an hour.
        let mut showcase = Running::start(&[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]).await;
        assert_eq!(showcase.get(showcase.ping, "/ping").await, "ok");
        showcase.signal(signal);
        assert_eq!(showcase.exit().await.code(), Some(0));
        showcase.read_to_end().await;
        assert_eq!(spans(&showcase.printed), PING, "{}", showcase.printed);
        showcase.assert_ports_are_free().await;
        assert_eq!(showcase.errors().await, "");
    }
}

#[tokio::test]
async fn children_end_when_the_showcase_is_killed() {
    let mut showcase = Running::start(&[]).await;
    showcase.signal(Signal::KILL);
    assert_eq!(showcase.exit().await.code(), None);
    showcase.read_to_end().await;
    showcase.assert_ports_are_free().await;
}

#[tokio::test]
async fn ctrl_c_of_a_terminal_reaches_the_showcase_alone() {
    let showcase = Running::start(&[]).await;
    let own = getpgid(Some(showcase.pid())).unwrap();
    let ping = getpgid(Some(showcase.pid_of(showcase.ping).await)).unwrap();
    let pong = getpgid(Some(showcase.pid_of(showcase.pong).await)).unwrap();
    assert!(own != ping && own != pong && ping != pong);
}

#[tokio::test]
async fn second_signal_ends_at_once_and_the_children_follow() {
    // With a filter, the children print on the terminal themselves.
    let env = [("PONG_LATENCY", "1h"), ("RUST_LOG", "warn")];
    let mut showcase = Running::start(&env).await;
    let _unanswered = tokio::spawn(reqwest::get(format!(
        "http://127.0.0.1:{}/ping",
        showcase.ping
    )));
    let active =
        |line: &str| line.starts_with("http_server_active_requests{") && line.ends_with(" 1");
    timeout(LIMIT, async {
        while !showcase
            .get(showcase.pong, "/metrics")
            .await
            .lines()
            .any(active)
        {}
    })
    .await
    .unwrap();
    showcase.signal(Signal::INT);
    showcase.read_to("Stopping").await;
    let lines = showcase.printed.lines().count();
    showcase.signal(Signal::INT);
    assert_eq!(showcase.exit().await.code(), Some(130));
    showcase.read_to_end().await;
    showcase.assert_ports_are_free().await;
    let after: Vec<_> = showcase.printed.lines().skip(lines + 1).collect();
    assert!(after.is_empty(), "over the prompt: {after:?}");
    assert_eq!(showcase.errors().await, "");
}

#[tokio::test]
async fn showcase_whose_output_nobody_reads_any_more_stops() {
    let mut showcase = Running::start(&[]).await;
    showcase.lines = None;
    assert_eq!(showcase.get(showcase.ping, "/ping").await, "ok");
    assert_eq!(showcase.exit().await.code(), Some(1));
    showcase.assert_ports_are_free().await;
    let errors = showcase.errors().await;
    assert!(
        errors.starts_with("nothing can be printed any more: ") && errors.lines().count() == 1,
        "{errors}"
    );
}

#[tokio::test]
async fn colours_are_for_terminals_and_no_color_wins() {
    for (env, has_colours) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let mut showcase = Running::start(env).await;
        showcase.get(showcase.ping, "/ping").await;
        showcase.read_to("Update metrics").await;
        assert_eq!(
            showcase.printed.contains('\x1b'),
            has_colours,
            "{env:?}: {:?}",
            showcase.printed
        );
    }
}

#[tokio::test]
async fn wrong_arguments_exit_with_2_and_help_names_the_flags() {
    for arguments in [
        &["--nonsense"][..],
        &["--ping-port", "x"],
        &["pung"],
        &["ping", "--nonsense"],
    ] {
        let output = output(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    for (arguments, words) in [
        (
            &["--help"][..],
            &[
                "--ping-port",
                "--pong-port",
                "--page-port",
                "--otlp-port",
                "--otlp-grpc-port",
                "--port-offset",
                "--open",
                "--load",
                "8081",
                "PONG_LATENCY",
            ][..],
        ),
        (&["--version"], &["showcase ", env!("CARGO_PKG_VERSION")]),
        (&["ping", "--help"], &["PONG_ENDPOINT"]),
        (&["pong", "--version"], &["pong "]),
    ] {
        let output = output(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            words.iter().all(|word| text.contains(word)) && !text.contains("stop-with-stdin"),
            "{text}"
        );
    }
}
