//! Prometheus' configuration and rules: what each alert must have, and that each fires and clears.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::dashboards::{elements, text};
use crate::{read, repository, yaml};

/// Names of the rules of a kind, `alert` or `record`, and the rules.
pub(crate) fn rules(kind: &str) -> Vec<(String, Value)> {
    let file = yaml("prometheus/rules/ping-pong.yml");
    let rules = elements(&file["groups"]).flat_map(|group| elements(&group["rules"]));
    rules
        .filter_map(|rule| Some((rule[kind].as_str()?.to_owned(), rule.clone())))
        .collect()
}

#[test]
fn every_alert_says_what_how_bad_and_what_to_do() {
    let alerts = rules("alert");
    let names: BTreeSet<_> = alerts.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "HighErrorRatio",
        "HighLatency",
        "SpansDropped",
        "TargetDown",
    ];
    assert_eq!(names, BTreeSet::from(expected));

    let runbook = read("docs/runbook.md");
    for (name, alert) in &alerts {
        let annotations = &alert["annotations"];
        for (key, value) in [
            ("severity", &alert["labels"]["severity"]),
            ("summary", &annotations["summary"]),
            ("description", &annotations["description"]),
        ] {
            assert_ne!(text(value), "", "{name} has no {key}");
        }
        let url = text(&annotations["runbook_url"]);
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
    let alerts = rules("alert");
    for (record, _) in rules("record") {
        let is_compared = |(_, alert): &(String, Value)| text(&alert["expr"]).contains(&record);
        assert!(alerts.iter().any(is_compared), "{record}");
    }
}

#[test]
fn prometheus_loads_the_rules() {
    let configuration = yaml("prometheus/prometheus.yml");
    assert_eq!(
        configuration["rule_files"],
        serde_json::json!(["rules/*.yml"])
    );
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
