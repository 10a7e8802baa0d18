//! When the machine is not what it should be: outputs that take nothing, no descriptors, a clock that is set back, no CA
//! files, one core, one worker. The service goes on, or says one clear line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backend::{Backend, SpanKind};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;
use crate::pair::{Pair, Setting, backend, client, settings};
use crate::parts::ports::free_port;
use crate::parts::within;
use crate::process::Process;

/// Its text once it answers 200.
async fn answer_of(url: &str) -> String {
    let http = client();
    let answer = within(PATIENCE, async || {
        let answer = http.get(url).send().await.ok()?;
        (answer.status() == StatusCode::OK).then_some(answer)
    });
    let answer = answer.await.unwrap_or_else(|| panic!("{url} answers"));
    answer.text().await.unwrap()
}

/// A service whose outputs a test redirects: it has to know the port by itself.
fn pong_on(backend: &Backend, port: u16, wrapper: &[&str]) -> Command {
    let mut env = settings(backend, &[]);
    env.push(("ADDRESS", format!("127.0.0.1:{port}")));
    Process::command(wrapper, "pong", env)
}

fn full_disk() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe whose reader has gone.
fn no_reader() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_are_full_or_closed_cost_lines_but_no_request_and_no_span() {
    for (name, lost) in [("full disk", 2), ("no reader", 2), ("closed", 0)] {
        let (backend, port) = (backend(), free_port());
        let mut command = match name {
            // That is /dev/null to a program in Rust: nothing is lost.
            "closed" => pong_on(&backend, port, &["sh", "-c", "exec \"$@\" >&- 2>&-", "sh"]),
            _ => pong_on(&backend, port, &[]),
        };
        match name {
            "full disk" => command.stdout(full_disk()).stderr(full_disk()),
            "no reader" => command.stdout(no_reader()).stderr(no_reader()),
            _ => &mut command,
        };
        let pong = Process::spawn(&mut command);
        let url = format!("http://127.0.0.1:{port}");
        assert_eq!(answer_of(&format!("{url}/pong")).await, "pong", "{name}");
        let lost =
            format!("telemetry_log_line_dropped_total{{otel_scope_name=\"telemetry\"}} {lost}\n");
        let counted = within(PATIENCE, async || {
            let metrics = answer_of(&format!("{url}/metrics")).await;
            metrics.contains(&lost).then_some(())
        });
        counted.await.unwrap_or_else(|| panic!("{name}: {lost}"));
        backend.store().wait_for_trace(2, PATIENCE).await.unwrap();
        let ended = pong.stop();
        assert_eq!(ended.status.code(), Some(0), "{name}: {ended:#?}");
    }
}

#[test]
fn a_wrong_setting_exits_2_even_if_nobody_can_read_why() {
    for stderr in [full_disk, no_reader] {
        let mut command = Process::command(&[], "ping", [("ADDRESS", "nonsense")]);
        let ended = Process::spawn(command.stderr(stderr())).wait();
        assert_eq!(ended.status.code(), Some(2), "{ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_the_end_is_said_with_the_number_of_lines() {
    let (backend, port) = (backend(), free_port());
    let mut command = pong_on(&backend, port, &[]);
    let pong = Process::spawn(command.stdout(full_disk()));
    answer_of(&format!("http://127.0.0.1:{port}/pong")).await;
    let ended = pong.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert_eq!(
        ended.stderr,
        "telemetry was lost: 3 log lines not written: stdout: no storage space\n"
    );
}

/// Descriptors that a process may have: for one that has started, since at the start it plans with them.
fn limit_descriptors(process: &Process, limit: usize) {
    let status = Command::new("prlimit")
        .arg(format!("--pid={}", process.id()))
        .arg(format!("--nofile={limit}"))
        .status();
    assert!(status.unwrap().success());
}

fn descriptors(process: &Process) -> usize {
    let folder = format!("/proc/{}/fd", process.id());
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_descriptors_others_are_served_and_one_line_says_so() {
    let mut pair = Pair::start();
    assert_eq!(pair.get("/ping").await.status(), StatusCode::OK);
    for process in [&pair.ping, &pair.pong] {
        limit_descriptors(process, descriptors(process) + 8);
    }
    let mut idle = Vec::new();
    for url in [&pair.ping_url, &pair.pong_url] {
        for _ in 0..100 {
            let address = url.trim_start_matches("http://");
            idle.push(TcpStream::connect(address).await.unwrap());
        }
    }
    pair.ping.line_with("connections cannot be accepted");
    pair.pong.line_with("connections cannot be accepted");
    // New connections, each of which needs descriptors of both.
    for path in ["/ping", "/healthz", "/metrics"] {
        let url = format!("{}{path}", pair.ping_url);
        answer_of(&url).await;
    }
    drop(idle);
    let (backend, ended) = pair.stop();
    for ended in ended {
        let lines = ended.log.iter();
        let warnings = lines.filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""));
        // A request for which no descriptor was left to call pong says so itself, and is made again above.
        let warnings = warnings.filter(|line| !line.contains("ping has no answer from pong"));
        // What `line_with` has read included; ten seconds lie between two.
        assert!(warnings.count() <= 3, "{:#?}", ended.log);
        assert_eq!(ended.stderr, "");
    }
    assert!(backend.store().latest(10).len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_descriptors_to_start_with_are_one_line_and_no_panic() {
    let backend = backend();
    let start = |limit| {
        let ulimit = format!("ulimit -n {limit}; exec \"$@\"");
        // Ends what does start.
        let wrapper = ["timeout", "2", "sh", "-c", &ulimit, "sh"];
        Process::spawn(&mut Process::command(
            &wrapper,
            "ping",
            settings(&backend, &[]),
        ))
    };
    let started: Vec<_> = (8..=24).map(|limit| (limit, start(limit))).collect();
    for (limit, ping) in started {
        let ended = ping.wait();
        assert!(!ended.stderr.contains("panicked"), "{limit}: {ended:#?}");
        assert!(ended.stderr.lines().count() <= 1, "{limit}: {ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ca_files_http_works_and_https_says_one_line() {
    const NO_CA: [Setting<'_>; 2] = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let pair = Pair::start_with(&NO_CA, &NO_CA);
    assert_eq!(pair.get("/ping").await.status(), StatusCode::OK);
    pair.store().wait_for_trace(5, PATIENCE).await.unwrap();
    pair.stop();

    let mut env = settings(&backend(), &NO_CA);
    env.push(("PONG_ENDPOINT", "https://localhost:1".to_owned()));
    let ended = Process::start("ping", env).wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    assert!(ended.log.is_empty(), "{ended:#?}");
    assert!(ended.stderr.contains("No CA certificates"), "{ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");

    // Telemetry never keeps a service from starting.
    for protocol in ["http/protobuf", "grpc"] {
        let mut env = settings(&backend(), &NO_CA);
        env.push(("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()));
        env.push((
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "https://localhost:1".to_owned(),
        ));
        let mut pong = Process::start("pong", env);
        let warning = pong.line_with("cannot be built");
        assert!(warning.contains("https://localhost:1"), "{warning}");
        let url = pong.url();
        assert_eq!(answer_of(&format!("{url}/pong")).await, "pong");
        pong.stop();
    }
}

/// Debian's package `faketime` puts it there; the loader knows what `$LIB` is.
const FAKE_TIME: &str = "/usr/$LIB/faketime/libfaketime.so.1";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libfaketime"]
async fn a_clock_that_is_set_back_in_the_midst_of_a_request_breaks_neither_it_nor_its_spans() {
    let file = std::env::temp_dir().join(format!("clock-{}", std::process::id()));
    let set = |offset: &str| std::fs::write(&file, offset).unwrap();
    set("+0");
    let clock = [
        ("LD_PRELOAD", FAKE_TIME),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Of a real machine, too, only one of the two clocks can be set.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    const LATENCY: Duration = Duration::from_millis(500);
    let pair = Pair::start_with(&clock, &[("PONG_LATENCY", "500ms")]);
    let request = async || assert_eq!(pair.get("/ping").await.status(), StatusCode::OK);
    request().await;
    tokio::join!(request(), async {
        tokio::time::sleep(LATENCY / 2).await;
        set("-3600");
    });
    request().await;

    let all = pair.store().wait_for(PATIENCE, |store| {
        let traces = store.latest(usize::MAX);
        let whole = traces.iter().all(|trace| trace.spans.len() == 5);
        (traces.len() == 3 && whole).then_some(traces)
    });
    let all = all.await.unwrap_or_else(|late| panic!("{late}"));
    std::fs::remove_file(&file).unwrap();
    let spans = all.iter().flat_map(|trace| &trace.spans);
    let spans: Vec<_> = spans.filter(|span| span.service() == "Ping").collect();
    let starts = spans.iter().map(|span| span.start_unix_nanos);
    let hour = Duration::from_secs(3_600).as_nanos() as u64;
    let (first, last) = (starts.clone().min().unwrap(), starts.max().unwrap());
    assert!(
        last - first > hour / 2,
        "the clock was not set back: {spans:#?}"
    );
    for span in spans {
        assert!(span.end_unix_nanos >= span.start_unix_nanos, "{span:#?}");
        // The manual span is timed by `tracing-opentelemetry`, which looks at this clock alone.
        if span.kind != SpanKind::Internal {
            assert!((LATENCY..PATIENCE).contains(&span.duration()), "{span:#?}");
        }
    }
    pair.stop();
}

/// Asks `/ping` until the connection is refused or closed. Counts the whole answers.
async fn ask_until_the_end(url: String, answered: Arc<AtomicUsize>) {
    let address = url.trim_start_matches("http://").to_owned();
    while let Ok(mut stream) = TcpStream::connect(&address).await {
        loop {
            let request = format!("GET /ping HTTP/1.1\r\nHost: {address}\r\n\r\n");
            if stream.write_all(request.as_bytes()).await.is_err() {
                break;
            }
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nok") {
                match stream.read_buf(&mut answer).await {
                    Ok(1..) => {}
                    // It was told to close by the answer before.
                    _ => break,
                }
            }
            if answer.is_empty() {
                break;
            }
            let text = String::from_utf8(answer).unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            answered.fetch_add(1, Ordering::Relaxed);
            if text.contains("connection: close") {
                break;
            }
        }
    }
}

/// Load, a stop in the midst of it, and every answered request's five spans.
async fn load_and_stop(wrapper: &[&str], more: &[Setting<'_>]) {
    let backend = backend();
    let start = |service, more: &[Setting<'_>]| {
        Process::spawn(&mut Process::command(
            wrapper,
            service,
            settings(&backend, more),
        ))
    };
    let mut pong = start("pong", more);
    let pong_url = pong.url();
    let mut ping = start("ping", &[more, &[("PONG_ENDPOINT", &pong_url)]].concat());
    let url = ping.url();

    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..16)
        .map(|_| tokio::spawn(ask_until_the_end(url.clone(), Arc::clone(&answered))))
        .collect();
    let enough = within(PATIENCE, async || {
        (answered.load(Ordering::Relaxed) > 200).then_some(())
    });
    enough
        .await
        .unwrap_or_else(|| panic!("only {answered:?} answers"));
    let ended = ping.stop();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:#?}"
    );
    for client in clients {
        client.await.unwrap();
    }
    let ended = pong.stop();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:#?}"
    );

    let answered = answered.load(Ordering::Relaxed);
    let traces = backend.store().latest(usize::MAX);
    let whole = traces.iter().filter(|trace| trace.spans.len() == 5).count();
    assert_eq!(whole, answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_core_a_stop_under_load_loses_neither_answer_nor_span() {
    load_and_stop(&["taskset", "-c", "0"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_worker_a_stop_under_load_loses_neither_answer_nor_span() {
    load_and_stop(&[], &[("TOKIO_WORKER_THREADS", "1")]).await;
}
