//! The examples as whoever follows `docs/tutorial.md` has them: real programs, what they print, what a receiver gets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use backend::{Attributes, Backend, Settings, Span, SpanKind, Trace};

/// For whatever has to happen; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs an example to its end, which is a good one and silent; what it prints.
fn run(example: &str, arguments: &[&str], env: &[(&str, &str)]) -> String {
    let (stdout, stderr) = run_aloud(example, arguments, env);
    assert_eq!(stderr, "");
    stdout
}

/// Runs an example to its end, which is a good one; what it prints on stdout and on stderr. The environment of the tests
/// does not reach it.
fn run_aloud(example: &str, arguments: &[&str], env: &[(&str, &str)]) -> (String, String) {
    // target/debug/deps/examples-… → target/debug/examples/NAME
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let program = target
        .join("examples")
        .join(format!("{example}{EXE_SUFFIX}"));
    let output = Command::new(&program)
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; `cargo test -p otel-setup` builds it, `--test examples` alone does not",
                program.display()
            )
        });
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{status}: {stderr}");
    (String::from_utf8(stdout).unwrap(), stderr)
}

/// Runs an example that sends its spans to a receiver; what it prints, and the trace that arrives.
async fn run_with_receiver(example: &str, arguments: &[&str], spans: usize) -> (String, Trace) {
    // The port is the test's own; otherwise the first variable is all.
    let env = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("JAEGER_ADDRESS", ADDRESS),
    ];
    run_with(example, arguments, &env, spans).await
}

/// In the value of a variable: the address of the receiver.
const ADDRESS: &str = "ADDRESS";

async fn run_with(
    example: &str,
    arguments: &[&str],
    env: &[(&str, &str)],
    spans: usize,
) -> (String, Trace) {
    let backend = Backend::start(Settings::on_free_ports()).unwrap();
    let address = backend.otlp_http().to_string();
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.replace(ADDRESS, &address)))
        .collect();
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let printed = tokio::task::block_in_place(|| run(example, arguments, &env));
    let trace = backend.store().wait_for_trace(spans, PATIENCE);
    let trace = trace.await.unwrap();
    backend.stop().await;
    (printed, trace)
}

/// The values that follow `label` and a colon, in order.
fn values<'a>(printed: &'a str, label: &str) -> Vec<&'a str> {
    let pairs = printed.lines().filter_map(|line| line.split_once(':'));
    pairs
        .filter(|(name, _)| name.trim() == label)
        .map(|(_, value)| value.trim())
        .collect()
}

/// The only span of the trace, which is the tutorial's first.
fn hello_span(trace: &Trace) -> &Span {
    let [span] = &trace.spans[..] else {
        panic!("{trace:#?}");
    };
    assert_eq!(
        (span.name.as_str(), span.kind, span.service()),
        ("hello-span", SpanKind::Internal, "MyService")
    );
    assert_eq!(
        span.attributes,
        Attributes::from([("environment", "staging".into())])
    );
    span
}

fn events(span: &Span) -> Vec<(&str, &Attributes)> {
    let events = span.events.iter();
    events
        .map(|event| (event.name.as_str(), &event.attributes))
        .collect()
}

#[test]
fn hello_span_prints_its_span_with_attribute_and_events() {
    let printed = run("hello_span", &[], &[]);
    assert_eq!(
        values(&printed, "Name"),
        ["\"MyService\"", "hello-span", "startEvent", "endEvent"]
    );
    let after_attributes = printed.split("Attributes:").nth(1).unwrap();
    assert_eq!(
        after_attributes.lines().nth(1).unwrap().trim(),
        "->  environment: String(Static(\"staging\"))"
    );
    assert!(
        printed.contains("service.name=String(Static(\"MyService\"))"),
        "{printed}"
    );
    assert!(printed.contains("Hello from inside the span."), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_span_goes_to_a_receiver_when_one_setting_says_so() {
    let (printed, trace) = run_with_receiver("hello_span", &[], 1).await;
    assert_eq!(values(&printed, "Name"), [""; 0], "{printed}");
    let span = hello_span(&trace);
    let none = Attributes::default();
    assert_eq!(events(span), [("startEvent", &none), ("endEvent", &none)]);
}

#[test]
fn without_a_receiver_an_example_says_in_one_line_what_was_lost_and_ends_well() {
    // Nobody listens on the reserved port 1.
    let env = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("JAEGER_ADDRESS", "127.0.0.1:1"),
    ];
    let (_, said) = run_aloud("hello_span", &[], &env);
    assert_eq!(
        said,
        "telemetry was lost: 1 span not exported, last: nothing listens at 127.0.0.1:1; start a receiver there, such as \
         Jaeger, or set OTEL_EXPORTER_OTLP_ENDPOINT\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operations_are_in_one_trace_and_overlap_with_an_event_an_iteration() {
    let (_, trace) = run_with_receiver("two_operations", &["--quick"], 3).await;
    let rows = trace.tree().rows;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.depth, row.span.name.as_str()))
        .collect();
    assert_eq!(
        found,
        [(0, "two-operations"), (1, "operationA"), (1, "operationB")]
    );
    let iterations: Vec<_> = (1..=5)
        .map(|iteration| Attributes::from([("iteration", iteration.into())]))
        .collect();
    let iterations: Vec<_> = iterations.iter().map(|it| ("iteration", it)).collect();
    let [_, a, b] = &rows[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(events(&a.span), iterations);
    assert_eq!(events(&b.span), iterations);
    assert!(
        b.span.start_unix_nanos < a.span.end_unix_nanos,
        "one after the other: {rows:#?}"
    );
}

#[test]
fn spawned_work_keeps_the_trace_only_with_the_context() {
    let printed = run("spawned", &[], &[]);
    let spans = values(&printed, "Name");
    let mut spans: Vec<_> = spans
        .into_iter()
        .filter(|name| !name.contains("MyService"))
        .zip(values(&printed, "TraceId"))
        .zip(values(&printed, "ParentSpanId"))
        .map(|((name, trace), parent)| (name, trace, parent))
        .collect();
    spans.sort_unstable();
    let [
        ("kept by the API", by_the_api, parent),
        ("kept by tracing", by_tracing, same_parent),
        ("lost", lost, root),
        ("request", request, _),
    ] = spans[..]
    else {
        panic!("{printed}");
    };
    assert_eq!([by_the_api, by_tracing], [request; 2]);
    assert_eq!(same_parent, parent);
    assert_ne!(lost, request);
    assert_eq!(root, "None (root span)");
    assert_ne!(parent, root);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_crates_send_the_same_span_and_count_in_a_registry() {
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ADDRESS")];
    let (printed, trace) = run_with("stock", &[], &env, 1).await;
    hello_span(&trace);
    let counter =
        r#"my_service_int_counter_total{environment="staging",otel_scope_name="MyService"} 1"#;
    assert!(printed.lines().any(|line| line == counter), "{printed}");
}

/// What the tutorial says of the two set-ups. Of ours, the tests above and those of `it` say more.
#[test]
fn the_stock_set_up_is_silent_about_a_lost_span_and_settings_do_not_reach_it() {
    // Nobody listens on the reserved port 1.
    let nobody = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let stock = |variable| run_aloud("stock", &[], &[nobody, variable]);
    for variable in [
        ("OTEL_SERVICE_NAME", "Orders"),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "nonsense"),
    ] {
        let (printed, said) = stock(variable);
        assert!(
            printed.contains("service_name=\"MyService\""),
            "{variable:?}: {printed}"
        );
        assert_eq!(said, "", "{variable:?}");
    }

    let ours = |variable| run_aloud("hello_span", &[], &[nobody, variable]);
    let (printed, _) = ours(("OTEL_SERVICE_NAME", "Orders"));
    assert!(
        printed.contains("service.name=String(Owned(\"Orders\"))"),
        "{printed}"
    );
    for variable in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let (printed, said) = ours(variable);
        assert!(!printed.contains("hello-span"), "{printed}");
        assert_eq!(said, "");
    }
    let (printed, _) = ours(("OTEL_TRACES_SAMPLER", "nonsense"));
    assert!(printed.contains("OTEL_TRACES_SAMPLER is "), "{printed}");
}

#[test]
fn counter_is_printed_every_second_and_once_more_at_the_end() {
    let printed = run("counter", &[], &[]);
    let counts: Vec<u64> = values(&printed, "Value")
        .iter()
        .map(|value| value.parse().unwrap())
        .collect();
    assert!(counts.len() > 1 && counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&10));
    for name in ["wesovilabs-meter", "my_service.int_counter"] {
        let times = values(&printed, "Name")
            .iter()
            .filter(|it| **it == name)
            .count();
        assert_eq!(times, counts.len(), "{name} in {printed}");
    }
}

/// Words, without what differs from run to run: everything that holds a digit.
fn masked(line: &str) -> Vec<&str> {
    let has_digit = |word: &str| word.contains(|char: char| char.is_ascii_digit());
    line.split_whitespace()
        .map(|word| if has_digit(word) { "0" } else { word })
        .collect()
}

#[test]
fn output_in_the_tutorial_is_what_the_examples_print() {
    let tutorial = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tutorial.md");
    let tutorial = std::fs::read_to_string(tutorial).unwrap();
    for (example, arguments) in [
        ("hello_span", &[][..]),
        ("two_operations", &["--quick"]),
        ("counter", &[]),
        ("stock", &[]),
    ] {
        let marker = format!("<!-- printed by `cargo run -p otel-setup --example {example}` -->");
        let (_, fence) = tutorial.split_once(&marker).expect(&marker);
        let shown = fence.split("```").nth(1).unwrap().lines().skip(1);
        // For the one that sends: nobody listens on the reserved port 1.
        let nobody = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        let printed = run(example, arguments, &[nobody]);
        let mut printed = printed.lines().map(masked);
        // In this order; `…` stands for lines that are left out.
        for line in shown.filter(|line| line.trim() != "…") {
            assert!(
                printed.any(|it| it == masked(line)),
                "{example}: {line:?} is not printed there"
            );
        }
    }
}
