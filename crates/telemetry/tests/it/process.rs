//! What can only be seen from outside a process: its stdout, its globals, its end. Each test runs a part of this very
//! binary as a child; by itself, without [`CHILD`] among the arguments, a part does nothing.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use telemetry::{Error, Losses};

use crate::help::{PATIENCE, SERVICE, eventually, sample, sending, settings, span, telemetry};
use crate::receiver::{Answer, HOUR, Receiver, SOON, attributes, nobody};

/// A name of no test, to be skipped: the test harness lets no other argument through.
const CHILD: &str = "a-child-of-another-test";

fn is_child() -> bool {
    std::env::args().any(|argument| argument == CHILD)
}

/// The part of that name, to be run by itself.
fn part(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "--nocapture",
            "--test-threads=1",
            "--skip",
            CHILD,
        ])
        .arg(format!("process::{name}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What it printed.
fn output(name: &str) -> String {
    let output = part(name).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
    stdout
}

/// The log lines in it; the test harness leaves the name of a test before the first.
fn json_lines(output: &str) -> Vec<serde_json::Value> {
    let lines = output
        .lines()
        .filter_map(|line| line.find("{\"timestamp\"").map(|start| &line[start..]));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn part_console() {
    if !is_child() {
        return;
    }
    let telemetry = telemetry(&[
        ("OTEL_TRACES_EXPORTER", "logging"),
        ("OTEL_METRICS_EXPORTER", "console"),
    ]);
    span(&telemetry, "a-span-on-the-console");
    telemetry
        .meter("m")
        .u64_counter("a_counter_on_the_console")
        .build()
        .add(1, &[]);
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
}

#[test]
fn console_exporters_print_to_stdout() {
    let output = output("part_console");
    assert!(output.contains("a-span-on-the-console"), "{output}");
    assert!(output.contains("a_counter_on_the_console"), "{output}");
}

#[tokio::test]
async fn part_warned() {
    if !is_child() {
        return;
    }
    let receiver = Receiver::answering(|_| Answer::Partial(0));
    let settings = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    for _ in 0..3 {
        span(&telemetry, "span");
        telemetry.force_flush(PATIENCE).await.unwrap();
    }
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
}

#[test]
fn what_a_receiver_warns_of_is_said_once_and_is_no_loss() {
    let output = output("part_warned");
    let lines = json_lines(&output);
    let warnings: Vec<_> = lines
        .iter()
        .filter(|line| line["level"] == "WARN")
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let [warning] = &warnings[..] else {
        panic!("{warnings:#?}")
    };
    assert!(
        warning.starts_with("spans were exported, but 127.0.0.1:")
            && warning.ends_with(r#" warns: "too\nold""#),
        "{warning}"
    );
}

/// Everything that every crate in the process says, at every level.
const ALL: &str = "trace,h2=trace,hyper=trace,hyper_util=trace,opentelemetry=trace,opentelemetry_sdk=trace,\
    opentelemetry-otlp=trace,opentelemetry_http=trace,reqwest=trace,rustls=trace,tonic=trace,tower=trace";

#[tokio::test(flavor = "multi_thread")]
async fn part_secrets() {
    if !is_child() {
        return;
    }
    for (protocol, is_first) in [("http/protobuf", true), ("grpc", false)] {
        // One that takes what comes, one that refuses it, and one that is not there.
        let [taking, refusing] =
            [Answer::Ok, Answer::Status(403)].map(|answer| Receiver::answering(move |_| answer));
        let url = |address| format!("http://us3r:p%40ssw0rd@{address}/?key=t0ken");
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url(taking.address)),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &url(refusing.address)),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &url(nobody())),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k3y"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("RUST_LOG", ALL),
        ]);
        // Only one can be the process's; the other's lines go through its subscriber.
        let telemetry = match is_first {
            true => telemetry::init(SERVICE, &settings),
            false => telemetry::build(SERVICE, &settings),
        }
        .unwrap();
        span(&telemetry, "request");
        tracing::info!("a line");
        let request = taking.first();
        println!(
            "authorization: {} {}",
            request.header("authorization").unwrap(),
            request.header("x-api-key").unwrap().len(),
        );
        telemetry.shutdown(SOON).await.report();
    }
}

#[test]
fn no_secret_of_an_endpoint_or_a_header_is_in_any_line_at_any_level() {
    let output = part("part_secrets").output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(&String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{text}");
    // The receiver gets them: `us3r:p@ssw0rd`.
    let header = "authorization: Basic dXMzcjpwQHNzdzByZA== 3";
    assert_eq!(text.matches(header).count(), 2, "{text}");
    let printed = text.replace(header, "");
    // That they would have been seen: the crates below do speak.
    assert!(printed.contains("\"target\":\"hyper_util"), "{printed}");
    for secret in ["us3r", "p%40ssw0rd", "p@ssw0rd", "t0ken", "k3y", "dXMzcj"] {
        let line = printed.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test]
async fn part_log() {
    if !is_child() {
        return;
    }
    let receiver = Receiver::start();
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("RUST_LOG", "info,chatty=debug,quiet=off"),
    ]);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    tracing::info_span!("order", id = 7).in_scope(|| {
        log::warn!(target: "driver::pool", "pool is {}", "full");
        log::error!(target: "driver::pool", "pool is gone");
    });
    log::debug!(target: "chatty", "asked for");
    log::debug!(target: "driver::pool", "not asked for");
    log::error!(target: "quiet", "switched off");
    log::debug!(target: "hyper::client", "muted");
    assert!(telemetry.shutdown(SOON).await.is_empty());

    let requests = receiver.requests();
    let logs = requests.iter().filter(|request| request.path == "/v1/logs");
    let resources = logs.flat_map(|request| request.logs().resource_logs);
    for scope in resources.flat_map(|resource| resource.scope_logs) {
        for record in scope.log_records {
            println!(
                "record: {} {:?} {:?}",
                scope.scope.as_ref().unwrap().name,
                record.event_name,
                attributes(&record.attributes)
            );
        }
    }
    let traces = requests.iter().find(|request| request.path == "/v1/traces");
    let resource = &traces.unwrap().traces().resource_spans[0];
    let span = &resource.scope_spans[0].spans[0];
    println!("span: {}", span.status.as_ref().unwrap().message);
}

#[test]
fn what_libraries_say_through_log_is_printed_exported_and_marks_spans() {
    let output = output("part_log");
    let lines = json_lines(&output);
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] != "telemetry")
        .map(|line| {
            format!(
                "{} {} {} in a span: {}",
                line["level"].as_str().unwrap(),
                line["target"].as_str().unwrap(),
                line["message"].as_str().unwrap(),
                line.get("trace_id").is_some() && line["fields"]["id"] == 7
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "WARN driver::pool pool is full in a span: true",
            "ERROR driver::pool pool is gone in a span: true",
            "DEBUG chatty asked for in a span: false",
        ]
    );
    let records: BTreeSet<_> = output
        .lines()
        .filter_map(|line| line.strip_prefix("record: "))
        .filter(|line| !line.starts_with("telemetry "))
        .collect();
    assert_eq!(
        records,
        BTreeSet::from(["chatty \"\" {}", "driver::pool \"\" {\"id\": \"7\"}",])
    );
    assert!(output.contains("span: pool is gone"), "{output}");
}

#[tokio::test]
async fn part_init() {
    if !is_child() {
        return;
    }
    let address = nobody().to_string();
    let settings = settings(&[
        ("JAEGER_ADDRESS", &address),
        ("OTEL_TRACES_EXPORTER", "otlp,pigeon"),
        ("OTEL_BSP_SCHEDULE_DELAY", HOUR),
    ]);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    println!("summary: {}", telemetry.summary());
    assert!(matches!(
        telemetry::init(SERVICE, &settings),
        Err(Error::Installed)
    ));

    // All of it is global now.
    let tracer = opentelemetry::global::tracer("global");
    opentelemetry::trace::Span::end(&mut opentelemetry::trace::Tracer::start(&tracer, "span"));
    opentelemetry::global::meter("global")
        .u64_counter("global")
        .build()
        .add(1, &[]);
    assert_eq!(
        crate::help::sample(&telemetry, "global_total", &[]),
        Some(1.0)
    );
    let fields: BTreeSet<String> = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.fields().map(str::to_owned).collect()
    });
    assert_eq!(
        fields,
        BTreeSet::from(["baggage", "traceparent", "tracestate"].map(str::to_owned))
    );
    // The SDK's own count would go to the global meter; ours is the only one.
    let another = sending(nobody(), &[]);
    let lines = crate::help::scrape(&telemetry);
    let counts = lines
        .iter()
        .filter(|line| line.starts_with("otel_sdk_processor_span_processed_total{"));
    assert_eq!(counts.count(), 2);
    assert_eq!(another.shutdown(SOON).await, Losses::default());

    assert!(!telemetry.shutdown(SOON).await.is_empty());
}

#[test]
fn init_logs_what_is_in_effect_the_warnings_and_once_why_nothing_arrives() {
    let output = output("part_init");
    let summary = output
        .lines()
        .find_map(|line| Some(line.split_once("summary: ")?.1))
        .unwrap();
    let lines = json_lines(&output);
    let said: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["level"].as_str().unwrap(),
                line["message"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(said[0], ("INFO", format!("telemetry: {summary}").as_str()));
    assert_eq!(
        said[1],
        (
            "WARN",
            "OTEL_TRACES_EXPORTER is \"otlp,pigeon\"; wanted: otlp, console or none; used instead: the rest of the list"
        )
    );
    assert!(
        said[2]
            .1
            .starts_with("spans were not exported: nothing listens at 127.0.0.1:"),
        "{said:#?}"
    );
    assert_eq!(said.len(), 3, "{said:#?}");
}

#[tokio::test]
async fn part_filter() {
    if !is_child() {
        return;
    }
    let settings = settings(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("RUST_LOG", "orders=debug,wran,info;debug"),
    ]);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    tracing::debug!(target: "orders", "an order");
    tracing::warn!("not asked for");
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
}

#[test]
fn what_is_wrong_with_the_filter_is_logged_though_the_filter_would_keep_it_out() {
    let lines = json_lines(&output("part_filter"));
    let said: Vec<_> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let [wrong, meant, order] = said[..] else {
        panic!("{said:#?}")
    };
    assert!(wrong.contains("\"info;debug\""), "{wrong}");
    assert!(meant.contains("\"wran\""), "{meant}");
    assert_eq!(order, "an order");
}

#[tokio::test]
async fn part_flood() {
    if !is_child() {
        return;
    }
    let settings = settings(&[
        ("JAEGER_ADDRESS", &nobody().to_string()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ]);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    for _ in 0..1_000 {
        tracing::info_span!("span").in_scope(|| ());
    }
    eprintln!("{}", telemetry.shutdown(SOON).await);
}

#[test]
fn flood_of_lost_spans_makes_one_line_a_kind_of_loss() {
    let said: Vec<_> = json_lines(&output("part_flood"))
        .iter()
        .skip(1)
        .map(|line| line["message"].as_str().unwrap().to_owned())
        // Whether the first attempt comes before the shutdown is chance.
        .filter(|line| !line.ends_with("; trying again for 10s"))
        .collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    for start in [
        "spans are dropped, because the queue of 10 is full: ",
        "spans were not exported: nothing listens at 127.0.0.1:",
    ] {
        assert!(said.iter().any(|line| line.starts_with(start)), "{said:#?}");
    }
}

#[tokio::test]
async fn part_away() {
    if !is_child() {
        return;
    }
    let settings = settings(&[
        ("JAEGER_ADDRESS", &nobody().to_string()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
    ]);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    for lost in [1.0, 2.0] {
        span(&telemetry, "span");
        let name = "otel_sdk_exporter_span_exported_total";
        eventually("the failure", || {
            sample(&telemetry, name, &["error_type"]).filter(|count| *count == lost)
        });
    }
    assert!(!telemetry.shutdown(SOON).await.is_empty());
}

#[test]
fn missing_receiver_is_said_once_before_anything_is_lost() {
    let output = output("part_away");
    let said: Vec<_> = json_lines(&output)
        .iter()
        .skip(1)
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect();
    let [first, loss] = &said[..] else {
        panic!("{said:#?}")
    };
    assert!(
        first.starts_with("nothing listens at 127.0.0.1:")
            && first.ends_with("; trying again for 500ms"),
        "{first}"
    );
    assert!(loss.starts_with("spans were not exported: "), "{loss}");
}

/// Fills one instrument beyond a limit of three attribute sets, and one up to it.
fn overflow(telemetry: &telemetry::Telemetry) {
    let meter = telemetry.meter("m");
    let (agents, paths) = (
        meter.u64_counter("agents").build(),
        meter.u64_counter("paths").build(),
    );
    for number in 0..10 {
        agents.add(1, &[KeyValue::new("agent", number)]);
        paths.add(1, &[KeyValue::new("path", number % 3)]);
    }
}

#[tokio::test]
async fn part_overflow_scraped() {
    if !is_child() {
        return;
    }
    let settings = settings(&[("OTEL_TRACES_EXPORTER", "none")]).with_cardinality_limit(3);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    overflow(&telemetry);
    for _ in 0..3 {
        crate::help::scrape(&telemetry);
    }
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
}

#[tokio::test]
async fn part_overflow_pushed() {
    if !is_child() {
        return;
    }
    let receiver = Receiver::start();
    let settings = settings(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "20"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ])
    .with_cardinality_limit(3);
    let telemetry = telemetry::init(SERVICE, &settings).unwrap();
    overflow(&telemetry);
    let before = receiver.requests().len();
    eventually("three pushes", || {
        (receiver.requests().len() >= before + 3).then_some(())
    });
    crate::help::scrape(&telemetry);
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
}

#[test]
fn instrument_that_overflows_is_named_in_the_log_once() {
    for (part, instrument, attribute) in [
        (
            "part_overflow_scraped",
            "agents_total",
            "otel_metric_overflow",
        ),
        ("part_overflow_pushed", "agents", "otel.metric.overflow"),
    ] {
        let said: Vec<_> = json_lines(&output(part))
            .iter()
            .skip(1)
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap().to_owned();
                (text("level"), text("message"))
            })
            .collect();
        let line = format!(
            "{instrument} has no room for more attribute sets: those to come are one series, {attribute}=true"
        );
        assert_eq!(said, [("WARN".to_owned(), line)], "{part}");
    }
}

#[tokio::test]
async fn part_drop() {
    if !is_child() {
        return;
    }
    let settings = settings(&[("OTEL_TRACES_EXPORTER", "none")]);
    drop(telemetry::init(SERVICE, &settings).unwrap());
}

#[test]
fn dropping_without_shutdown_is_said_loudly() {
    let lines = json_lines(&output("part_drop"));
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .contains("dropped without shutdown"),
        "{last}"
    );
}

#[tokio::test]
async fn part_blocked() {
    if !is_child() {
        return;
    }
    let telemetry =
        telemetry::init(SERVICE, &settings(&[("OTEL_TRACES_EXPORTER", "none")])).unwrap();
    // Far more than a pipe holds.
    for number in 0..20_000 {
        tracing::info!(number, "a line that nobody reads");
    }
    let dropped = crate::help::sample(&telemetry, "telemetry_log_line_dropped_total", &[]).unwrap();
    assert!(dropped > 1_000.0, "{dropped}");
    let lost = telemetry.shutdown(Duration::from_secs(2)).await;
    eprintln!("{lost}");
    // What `main` does; the test harness would print its verdict, to the stdout that is blocked.
    std::process::exit(0);
}

#[test]
fn blocked_stdout_holds_up_neither_the_service_nor_its_end() {
    let mut child = part("part_blocked").spawn().unwrap();
    let start = Instant::now();
    let status = eventually("the end", || child.try_wait().unwrap());
    assert!(status.success());
    assert!(start.elapsed() < PATIENCE);
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        said.contains("log lines dropped, because stdout was too slow"),
        "{said}"
    );
    assert!(
        said.contains("the last log lines were not written in time, because stdout is blocked"),
        "{said}"
    );
}

#[tokio::test]
async fn part_environment() {
    if !is_child() {
        return;
    }
    let receiver = Receiver::start();
    let telemetry = sending(receiver.address, &[]);
    span(&telemetry, "span");
    assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
    let request = receiver.first();
    assert_eq!(request.path, "/v1/traces");
    assert_eq!(request.header("x-stranger"), None);
    let resource = request.traces().resource_spans.remove(0).resource.unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!(resource["service.name"], "Ping");
    assert!(!resource.contains_key("stranger"));
}

/// The SDK and its exporters read these by themselves when they are not told otherwise.
#[test]
fn environment_has_no_say_but_through_the_look_up() {
    let output = part("part_environment")
        .envs([
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_SERVICE_NAME", "stranger"),
            ("OTEL_RESOURCE_ATTRIBUTES", "stranger=yes"),
            ("OTEL_TRACES_SAMPLER", "always_off"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://stranger.invalid"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "http://stranger.invalid",
            ),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-stranger=yes"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-stranger=yes"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("JAEGER_ADDRESS", "stranger.invalid:1"),
            ("RUST_LOG", "off"),
        ])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
}

#[tokio::test]
async fn start_up_line_is_what_a_receiver_gets() {
    for (protocol, path, content_type) in [
        ("http/protobuf", "/otlp/v1/traces", "application/x-protobuf"),
        (
            "grpc",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "application/grpc",
        ),
    ] {
        let receiver = Receiver::start();
        let endpoint = format!("{}/otlp", receiver.url());
        let telemetry = telemetry(&[
            ("OTEL_SERVICE_NAME", "other"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_PROPAGATORS", "tracecontext"),
        ]);
        let url = match protocol {
            // A path means nothing to gRPC.
            "grpc" => receiver.url(),
            _ => format!("{endpoint}/v1/traces"),
        };
        assert_eq!(
            telemetry.summary(),
            format!(
                "other 1.2.3; traces: {protocol} to {url} with gzip with headers x-team, sampler traceidratio(1); \
                 metrics: prometheus; logs: stdout; propagators: tracecontext; log filter: info"
            )
        );
        span(&telemetry, "span");
        assert_eq!(telemetry.shutdown(SOON).await, Losses::default());
        let request = receiver.first();
        assert_eq!(request.path, path);
        assert_eq!(request.header("content-type"), Some(content_type));
        assert_eq!(request.header("x-team"), Some("blue"));
        assert!(request.compressed);
        let resource = attributes(
            &request.traces().resource_spans[0]
                .resource
                .as_ref()
                .unwrap()
                .attributes,
        );
        assert_eq!(resource["service.name"], "other");
        assert_eq!(resource["service.version"], "1.2.3");
    }
}
