//! The rules of Prometheus in `prometheus/rules`: what each alert must have, and that each fires and clears.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

/// Names and texts of the rules of a kind: `alert` or `record`.
fn rules<'a>(text: &'a str, kind: &str) -> Vec<(&'a str, &'a str)> {
    let starts = text.split("      - ").skip(1);
    let rules = starts.filter_map(|rule| rule.strip_prefix(kind)?.strip_prefix(": "));
    rules.map(|rule| rule.split_once('\n').unwrap()).collect()
}

#[test]
fn every_alert_says_what_how_bad_and_what_to_do() {
    let text = read("prometheus/rules/ping-pong.yml");
    let alerts = rules(&text, "alert");
    let names: BTreeSet<_> = alerts.iter().map(|(name, _)| *name).collect();
    let expected = [
        "HighErrorRatio",
        "HighLatency",
        "SpansDropped",
        "TargetDown",
    ];
    assert_eq!(names, BTreeSet::from(expected));

    let runbook = read("docs/runbook.md");
    for (name, alert) in alerts {
        for key in ["labels: {severity: ", "summary: ", "description: "] {
            assert!(alert.contains(key), "{name} has no {key}");
        }
        let url = alert.split("runbook_url: ").nth(1).unwrap();
        let url = url.split_whitespace().next().unwrap();
        let anchor = url.strip_prefix("docs/runbook.md#").unwrap();
        // An anchor is its headline in lower case, with hyphens for spaces.
        let mut headlines = runbook.lines().filter_map(|line| line.strip_prefix("## "));
        assert!(
            headlines.any(|line| line.to_lowercase().replace(' ', "-") == anchor),
            "no headline for {url}"
        );
        assert_eq!(anchor.replace('-', ""), name.to_lowercase());
    }
}

#[test]
fn every_figure_that_is_recorded_is_compared_by_an_alert() {
    let text = read("prometheus/rules/ping-pong.yml");
    let alerts = rules(&text, "alert");
    for (record, _) in rules(&text, "record") {
        assert!(
            alerts.iter().any(|(_, alert)| alert.contains(record)),
            "{record}"
        );
    }
}

#[test]
fn prometheus_loads_the_rules() {
    assert!(read("prometheus/prometheus.yml").contains("rule_files: [rules/*.yml]"));
}

#[test]
#[ignore = "needs promtool"]
fn every_alert_fires_and_clears() {
    let tests = repository("prometheus/rules/tests/ping-pong.yml");
    let promtool = Command::new("promtool")
        .args(["test", "rules"])
        .arg(tests)
        .output()
        .expect("promtool is on PATH");
    assert!(promtool.status.success(), "{promtool:?}");
}
