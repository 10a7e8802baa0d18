//! Output in the documents is what their commands print.

use crate::PATIENCE;
use crate::markdown::{Fence, fences};
use crate::running::{Showcase, receiver};

/// The fences whose comment names this command.
fn printed_by(command: &str) -> Vec<Fence> {
    let wanted = format!("printed by `{command}`");
    let fences = fences().into_iter();
    fences
        .filter(|fence| fence.comment.as_ref() == Some(&wanted))
        .collect()
}

/// Asserts that `printed` has the lines of `fence`, in this order, `masked`.
fn assert_printed(fence: &Fence, printed: &str, masked: fn(&str) -> String) {
    let mut lines = printed.lines().map(masked);
    for line in fence.lines.iter().filter(|line| line.trim() != "…") {
        assert!(
            lines.any(|it| it == masked(line)),
            "{}: {line:?} is not printed there in\n{printed}",
            fence.place
        );
    }
}

/// A line of a trace, without bars, numbers and ids, and without their units.
fn words(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        let is_id = word.len() == 8 && word.chars().all(|char| char.is_ascii_hexdigit());
        match word {
            "ms" | "µs" | "ns" | "s" | "updated" => {}
            _ if word.chars().all(|char| "━╸╺◆".contains(char)) => {}
            _ if is_id || word.contains(|char: char| char.is_ascii_digit()) => words.push("0"),
            _ => words.push(word),
        }
    }
    words.join(" ")
}

/// A line of a scrape, with each number and id as 0.
fn numbers(line: &str) -> String {
    let mut masked = String::new();
    for (index, piece) in line.split('"').enumerate() {
        let is_id = piece.len() >= 16 && piece.chars().all(|char| char.is_ascii_hexdigit());
        let quote = if index == 0 { "" } else { "\"" };
        masked.push_str(quote);
        if is_id {
            masked.push('0');
            continue;
        }
        let mut in_number = false;
        for char in piece.chars() {
            let continues = char.is_ascii_digit() || (in_number && char == '.');
            if !continues {
                masked.push(char);
            } else if !in_number {
                masked.push('0');
            }
            in_number = continues;
        }
    }
    masked
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_in_the_documents_are_what_cargo_run_prints() {
    for (command, env) in [
        ("cargo run", &[][..]),
        (
            "PONG_FAILURE_RATE=1 cargo run",
            &[("PONG_FAILURE_RATE", "1")],
        ),
    ] {
        let mut showcase = Showcase::start(env).await;
        showcase.ping("/ping", &[]).await;
        // With all of the trace, though it may come in two steps.
        showcase.read_to("5 spans, 2 services").await;
        for _ in 0..2 {
            showcase.read_to("Update metrics").await;
        }
        let fences = printed_by(command);
        assert!(!fences.is_empty(), "no fence is printed by {command}");
        for fence in &fences {
            assert_printed(fence, &showcase.printed, words);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_in_the_documents_are_what_curl_prints() {
    let mut showcase = Showcase::start(&[]).await;
    showcase.ping("/ping", &[]).await;
    showcase.read_to("5 spans, 2 services").await;
    let mut checked = 0;
    for fence in fences() {
        let comment = fence.comment.as_deref().unwrap_or_default();
        let Some(command) = comment
            .strip_prefix("printed by `curl -s ")
            .and_then(|rest| rest.strip_suffix('`'))
        else {
            continue;
        };
        let (asks, pattern) = command.split_once(" | grep ").unwrap();
        let accept = asks
            .strip_prefix("-H 'Accept: ")
            .map_or("*/*", |rest| rest.split('\'').next().unwrap());
        assert!(
            asks.ends_with("http://localhost:8081/metrics"),
            "{}: {asks}",
            fence.place
        );
        let scrape = showcase.ping("/metrics", &[("accept", accept)]).await;
        let is_match = |line: &&str| match pattern.strip_prefix('^') {
            Some(start) => line.starts_with(start),
            None => line.contains(pattern),
        };
        let found: Vec<_> = scrape.lines().filter(is_match).collect();
        assert_printed(&fence, &found.join("\n"), numbers);
        checked += 1;
    }
    assert!(checked > 0, "no fence is printed by curl");
}

#[test]
fn commands_above_output_are_known_to_a_test() {
    for fence in fences() {
        let Some(command) = fence
            .comment
            .as_deref()
            .and_then(|comment| comment.strip_prefix("printed by "))
        else {
            continue;
        };
        let is_known = matches!(command, "`cargo run`" | "`PONG_FAILURE_RATE=1 cargo run`")
            || command.starts_with("`curl -s ")
            // Whose test is with the examples, in `telemetry`.
            || command.starts_with("`cargo run -p otel-setup --example ")
            // Output of two programs together: only its names are checked.
            || command.starts_with("`cargo run`, while `");
        assert!(is_known, "{}: {command}", fence.place);
    }
}

/// What the section on sampling says.
#[tokio::test(flavor = "multi_thread")]
async fn at_a_tenth_about_ten_of_a_hundred_traces_arrive_whole_and_metrics_count_all() {
    let (backend, (variable, endpoint)) = receiver();
    let showcase = Showcase::start(&[
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
        (variable, &endpoint),
    ])
    .await;
    for _ in 0..100 {
        assert_eq!(showcase.ping("/ping", &[]).await, "ok");
    }
    for scrape in [
        showcase.ping("/metrics", &[]).await,
        showcase.pong("/metrics").await,
    ] {
        let count = scrape
            .lines()
            .find(|line| line.starts_with("request_count_total{"))
            .unwrap();
        assert!(count.ends_with(" 100"), "{count}");
    }
    // This one is recorded since its caller says so. When it has arrived, all that came before it has.
    let last = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{last}-b7ad6b7169203331-01");
    showcase
        .ping("/ping", &[("traceparent", &traceparent)])
        .await;
    let id = last.parse().unwrap();
    let arrived = backend.store().wait_for(PATIENCE, |store| {
        let is_whole = store.trace(id).is_some_and(|trace| trace.spans.len() == 5);
        is_whole.then(|| store.latest(usize::MAX))
    });
    let arrived = arrived.await.unwrap();
    assert!(
        arrived.iter().all(|trace| trace.spans.len() == 5),
        "{arrived:#?}"
    );
    let of_the_hundred = arrived.len() - 1;
    // Outside of this is one run in 20,000.
    assert!(
        (1..=25).contains(&of_the_hundred),
        "{of_the_hundred} of 100 at a tenth"
    );
}
