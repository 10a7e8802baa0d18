//! Rules for Grafana's dashboards that its own schema does not know. What they ask is put to a real Prometheus by
//! `system/dashboards.rs`. Those of Grafana's dashboard-linter, and what holds each:
//!
//! | rule | held by |
//! | --- | --- |
//! | `template-datasource-rule`, `template-job-rule`, `template-instance-rule`, `template-label-promql-rule`, `template-on-time-change-reload-rule` | `source_job_and_instance_can_be_chosen` |
//! | `panel-datasource-rule` | `all_that_asks_uses_the_source_that_is_chosen` |
//! | `panel-title-description-rule` | `every_panel_has_a_title_a_description_a_unit_and_a_query` |
//! | `panel-units-rule` | `units_are_some_that_grafana_knows` |
//! | `target-promql-rule` | a real Prometheus |
//! | `target-rate-interval-rule` | `rates_are_over_the_interval_that_grafana_computes` |
//! | `target-job-rule`, `target-instance-rule` | `every_selector_heeds_the_choice_of_service_and_instance` |
//! | `target-counter-agg-rule` | `counters_are_shown_as_rates` |
//! | `target-histogram-rule` | `buckets_are_shown_as_quantiles` |
//! | `uneditable-dashboard-rule` | `files_are_the_source` |

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::dashboards::{all, elements, text};
use crate::prometheus::rules;
use crate::yaml;

/// Grafana's data sources.
fn sources() -> Vec<Value> {
    let file = yaml("grafana/provisioning/datasources/datasources.yml");
    let sources: Vec<_> = elements(&file["datasources"]).cloned().collect();
    assert!(!sources.is_empty(), "{file}");
    sources
}

/// The one of that type.
fn source(kind: &str) -> Value {
    let mut sources = sources().into_iter();
    sources.find(|source| source["type"] == kind).unwrap()
}

/// A row is a headline.
fn is_row(panel: &Value) -> bool {
    panel["type"] == "row"
}

#[test]
fn ids_of_dashboards_panels_and_queries_are_unique() {
    let mut uids = BTreeSet::new();
    for dashboard in all() {
        let uid = text(&dashboard.json["uid"]).to_owned();
        assert!(
            !uid.is_empty() && uids.insert(uid),
            "{}",
            dashboard.json["title"]
        );
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let id = panel["id"].as_u64().expect("an id");
            assert!(ids.insert(id), "a second panel {id}: {}", panel["title"]);
            let mut letters = BTreeSet::new();
            for target in elements(&panel["targets"]) {
                let letter = text(&target["refId"]);
                assert!(
                    !letter.is_empty() && letters.insert(letter),
                    "{}",
                    panel["title"]
                );
            }
        }
    }
}

#[test]
fn sources_are_provisioned_ones_named_by_uid_or_a_choice_among_them() {
    let provisioned = sources();
    let is_provisioned = |source: &Value| {
        let (kind, uid) = (&source["type"], &source["uid"]);
        let mut provisioned = provisioned.iter();
        !text(uid).is_empty() && provisioned.any(|it| it["uid"] == *uid && it["type"] == *kind)
    };
    for dashboard in all() {
        let title = &dashboard.json["title"];
        let all = dashboard.json.to_string();
        // What Grafana writes when a dashboard is exported for others: it asks for sources when it is imported.
        assert!(
            !all.contains("__inputs") && !all.contains("${DS_"),
            "{title}"
        );

        let choices = dashboard.variables().filter(is_choice_of_source);
        let choices: Vec<_> = choices
            .map(|variable| {
                let (kind, uid) = (&variable["query"], &variable["current"]["value"]);
                assert!(
                    is_provisioned(&json!({"type": kind, "uid": uid})),
                    "{variable:#}"
                );
                json!({"type": kind, "uid": format!("${{{}}}", text(&variable["name"]))})
            })
            .collect();
        let panels = dashboard.panels().into_iter();
        let panels = panels.filter(|panel| !is_row(panel));
        let variables = dashboard.variables();
        let variables = variables.filter(|variable| !is_choice_of_source(variable));
        let annotations = elements(&dashboard.json["annotations"]["list"]);
        for asking in panels.chain(variables).chain(annotations) {
            let source = &asking["datasource"];
            let is_known = choices.contains(source) || is_provisioned(source);
            assert!(is_known, "{title}: {asking:#}");
        }
    }
}

fn is_choice_of_source(variable: &&Value) -> bool {
    variable["type"] == "datasource"
}

#[test]
fn every_panel_has_a_title_a_description_a_unit_and_a_query() {
    for dashboard in all() {
        for panel in dashboard.panels() {
            let title = text(&panel["title"]);
            assert!(!title.is_empty(), "{panel:#}");
            if is_row(panel) {
                continue;
            }
            let description = text(&panel["description"]);
            assert!(
                description.ends_with(['.', ')']),
                "{title}: {description:?}"
            );
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert_ne!(text(unit), "", "{title}");
            assert!(elements(&panel["targets"]).count() > 0, "{title}");
        }
    }
}

#[test]
fn panels_lie_beside_each_other_on_the_24_columns() {
    for dashboard in all() {
        let mut taken = BTreeSet::new();
        // Those folded into a row take the place when it is opened.
        for panel in elements(&dashboard.json["panels"]) {
            let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
            assert!(at("w") > 0 && at("x") + at("w") <= 24, "{}", panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
                }
            }
        }
    }
}

/// A range that is fixed shows nothing where the scrape interval is longer, and hides detail where it is shorter.
#[test]
fn rates_are_over_the_interval_that_grafana_computes() {
    for dashboard in all() {
        for panel in dashboard.panels() {
            for target in elements(&panel["targets"]) {
                let expression = text(&target["expr"]);
                for function in ["rate(", "increase("] {
                    for after in expression.split(function).skip(1) {
                        let range = after.split(['[', ']']).nth(1);
                        assert_eq!(range, Some("$__rate_interval"), "{}", panel["title"]);
                    }
                }
            }
        }
    }
}

/// Or a choice at the top of the dashboard would change some panels and not others.
#[test]
fn every_selector_heeds_the_choice_of_service_and_instance() {
    for dashboard in all() {
        for panel in dashboard.panels() {
            for target in elements(&panel["targets"]) {
                let expression = text(&target["expr"]);
                let selectors = expression.split('{').skip(1);
                for selector in selectors.map(|rest| rest.split('}').next().unwrap()) {
                    let heeds = selector.contains(r#"job=~"$job""#)
                        && selector.contains(r#"instance=~"$instance""#);
                    assert!(heeds, "{}: {selector}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn source_job_and_instance_can_be_chosen() {
    for dashboard in all() {
        let title = &dashboard.json["title"];
        let variables: Vec<_> = dashboard.variables().collect();
        let labels: Vec<_> = variables.iter().map(|it| text(&it["label"])).collect();
        assert!(
            labels.starts_with(&["Data source", "Job", "Instance"]),
            "{title}: {labels:?}"
        );
        assert_eq!(variables[0]["type"], "datasource");
        assert_eq!(variables[0]["name"], "datasource");
        assert_eq!(variables[0]["query"], "prometheus");
        for variable in &variables[1..] {
            let (name, label) = (text(&variable["name"]), text(&variable["label"]));
            assert_eq!(variable["type"], "query", "{name}");
            assert_eq!(name, label.to_lowercase());
            // Several, and all of them: `.+`, but for what not every series has.
            let all = if name == "route" { ".*" } else { ".+" };
            assert_eq!(variable["allValue"], all, "{name}");
            assert_eq!(variable["multi"], true, "{name}");
            assert_eq!(variable["includeAll"], true, "{name}");
            // 2: whenever the time range changes.
            assert_eq!(variable["refresh"], 2, "{name}");
        }
    }
}

#[test]
fn all_that_asks_uses_the_source_that_is_chosen() {
    let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
    for dashboard in all() {
        let panels = dashboard.panels().into_iter().filter(|it| !is_row(it));
        let variables = dashboard.variables().filter(|it| it["type"] == "query");
        let annotations = elements(&dashboard.json["annotations"]["list"]);
        for asking in panels.chain(variables).chain(annotations) {
            assert_eq!(asking["datasource"], chosen, "{asking:#}");
        }
    }
}

#[test]
fn units_are_some_that_grafana_knows() {
    const UNITS: [&str; 9] = [
        "bytes",
        "count:lines/s",
        "count:spans/s",
        "ms",
        "percentunit",
        "reqps",
        "s",
        "short",
        "suffix:cores",
    ];
    for dashboard in all() {
        for panel in dashboard.panels().into_iter().filter(|it| !is_row(it)) {
            let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
            assert!(UNITS.contains(&unit), "{}: {unit:?}", panel["title"]);
        }
    }
}

#[test]
fn counters_are_shown_as_rates() {
    // As in the original, and the one panel that shows the first request at once.
    const AS_THEY_ARE: &str = "Total Requests";
    // Their names end in `_count` all the same.
    const GAUGES: [&str; 3] = [
        "process_thread",
        "process_unix_file_descriptor",
        "tokio_worker",
    ];
    for dashboard in all() {
        for panel in dashboard.panels() {
            let title = text(&panel["title"]);
            for target in elements(&panel["targets"]) {
                let expression = text(&target["expr"]);
                for counter in ["_total{", "_count{", "_sum{", "_bucket{"] {
                    for (at, _) in expression.match_indices(counter) {
                        let before = &expression[..at];
                        let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
                        let call = before.trim_end_matches(is_name);
                        let is_gauge = GAUGES.iter().any(|gauge| before.ends_with(gauge));
                        assert!(
                            call.ends_with("rate(") || is_gauge || title == AS_THEY_ARE,
                            "{title}: {expression}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn buckets_are_shown_as_quantiles() {
    for dashboard in all() {
        for panel in dashboard.panels() {
            for target in elements(&panel["targets"]) {
                let expression = text(&target["expr"]);
                assert_eq!(
                    expression.contains("_bucket{"),
                    expression.starts_with("histogram_quantile("),
                    "{expression}"
                );
            }
        }
    }
}

/// What is changed in a browser is lost when the file is read again.
#[test]
fn files_are_the_source() {
    for dashboard in all() {
        assert_eq!(dashboard.json["editable"], false);
    }
}

#[test]
fn every_panel_names_its_series_and_says_what_it_means_to_be_empty() {
    for dashboard in all() {
        for panel in dashboard.panels().into_iter().filter(|it| !is_row(it)) {
            let title = text(&panel["title"]);
            assert_ne!(
                text(&panel["fieldConfig"]["defaults"]["noValue"]),
                "",
                "{title}"
            );
            let legends = elements(&panel["targets"]).map(|target| text(&target["legendFormat"]));
            for legend in legends {
                assert!(legend.starts_with("{{job}}"), "{title}: {legend:?}");
            }
        }
    }
}

/// A service has one hue everywhere, and red is for what is wrong: a palette would give both by chance.
#[test]
fn colours_are_chosen() {
    for dashboard in all() {
        for panel in dashboard.panels().into_iter().filter(|it| !is_row(it)) {
            let title = text(&panel["title"]);
            let config = &panel["fieldConfig"];
            let of = |service: &str| {
                let mut overrides = elements(&config["overrides"]);
                let mut colours = overrides
                    .find(|it| it["matcher"]["options"] == format!("/^{service}/"))
                    .map(|it| elements(&it["properties"]))?;
                let colour = colours.find(|it| it["id"] == "color")?;
                Some(text(&colour["value"]["fixedColor"]))
            };
            let colours = [of("Ping"), of("Pong")];
            let bad = [
                "Error ratio",
                "Spans lost",
                "Series overflow",
                "Log lines dropped",
            ];
            if config["defaults"]["color"]["mode"] == "thresholds" {
                assert!(elements(&config["defaults"]["thresholds"]["steps"]).count() > 1);
            } else if title == "Answers by status" {
                let red = json!({"fixedColor": "red", "mode": "shades"});
                assert!(config["overrides"].to_string().contains(&red.to_string()));
            } else if bad.contains(&title) {
                assert_eq!(colours, [Some("light-red"), Some("dark-red")], "{title}");
            } else {
                assert_eq!(colours, [Some("blue"), Some("purple")], "{title}");
            }
        }
    }
}

/// One that is asked for by each of three quantiles would be drawn three times.
#[test]
fn latency_over_time_shows_each_exemplar_once() {
    let mut panels = 0;
    for dashboard in all() {
        for panel in dashboard.panels() {
            let targets: Vec<_> = elements(&panel["targets"]).collect();
            let is_latency = |target: &&Value| text(&target["expr"]).contains("_bucket{");
            let expected = panel["type"] == "timeseries" && targets.iter().any(is_latency);
            let shown = targets.iter().filter(|it| it["exemplar"] == true).count();
            assert_eq!(shown, usize::from(expected), "{}", panel["title"]);
            panels += shown;
        }
    }
    assert_eq!(panels, 2, "requests served, and calls made");
}

#[test]
fn exemplars_lead_to_traces_in_grafana_and_in_jaeger() {
    let source = source("prometheus");
    let links = elements(&source["jsonData"]["exemplarTraceIdDestinations"]);
    let links: Vec<_> = links
        .filter(|link| link["name"] == "trace_id")
        .map(|link| text(&link["url"]))
        .collect();
    assert_eq!(links.len(), 2);
    assert!(links[0].starts_with("/explore?"), "{}", links[0]);
    assert!(links[0].contains("%22uid%22:%22jaeger%22"), "{}", links[0]);
    assert!(
        links[1].starts_with("http://localhost:$JAEGER_PORT/trace/"),
        "{}",
        links[1]
    );
    for link in links {
        // One `$` would be a variable of the environment, and empty.
        assert!(link.contains("$${__value.raw}"), "{link}");
    }
}

#[test]
fn dashboards_lead_to_each_other() {
    let dashboards = all();
    let uids: Vec<_> = dashboards.iter().map(|it| text(&it.json["uid"])).collect();
    assert_eq!(uids, ["ping-pong", "runtime-telemetry"]);
    for dashboard in &dashboards {
        let links: Vec<_> = elements(&dashboard.json["links"]).collect();
        let others = uids.iter().filter(|uid| **uid != dashboard.json["uid"]);
        let others: Vec<_> = others.map(|uid| format!("/d/{uid}")).collect();
        let urls: Vec<_> = links.iter().map(|link| text(&link["url"])).collect();
        assert_eq!(urls, others);
        for link in links {
            assert_eq!(link["keepTime"], true);
            assert_eq!(link["includeVars"], true);
        }
    }
}

/// More often shows nothing new; more seldom hides what is there.
#[test]
fn dashboards_are_drawn_anew_at_every_scrape() {
    let prometheus = yaml("prometheus/prometheus.yml");
    let interval = &prometheus["global"]["scrape_interval"];
    assert_ne!(text(interval), "");
    assert_eq!(source("prometheus")["jsonData"]["timeInterval"], *interval);
    for dashboard in all() {
        assert_eq!(dashboard.json["refresh"], *interval);
    }
}

/// Or a panel is red while no alert fires, or the other way round.
#[test]
fn limits_on_panels_are_those_of_the_alerts() {
    let alerts = rules("alert");
    let limit = |record: &str| -> f64 {
        let mut expressions = alerts.iter().map(|(_, alert)| text(&alert["expr"]));
        let limit = expressions.find_map(|it| it.strip_prefix(record)?.strip_prefix(" > "));
        limit.unwrap().parse().unwrap()
    };
    let errors = limit("job:http_server_request_errors:ratio_rate1m");
    let latency = limit("job:http_server_request_duration_seconds:p95_rate1m");
    let dashboards = all();
    for (title, limit) in [
        ("Errors", errors),
        ("Error ratio", errors),
        ("Latency, p95", latency),
        ("Latency by service and route", latency),
    ] {
        let panels = dashboards.iter().flat_map(|it| it.panels());
        let panels: Vec<_> = panels.filter(|panel| panel["title"] == title).collect();
        assert_eq!(panels.len(), 1, "{title}");
        let steps = &panels[0]["fieldConfig"]["defaults"]["thresholds"]["steps"];
        let red = elements(steps).find(|step| step["color"] == "red").unwrap();
        assert_eq!(red["value"].as_f64(), Some(limit), "{title}");
    }
}

/// Selectors of the server's counts and buckets that pick some requests by how they ended.
fn selections(text: &str) -> Vec<&str> {
    text.split("http_server_request_duration_seconds")
        .skip(1)
        .filter_map(|rest| rest.split_once('{')?.1.split_once('}'))
        .flat_map(|(selector, _)| selector.split(','))
        .map(str::trim)
        .filter(|label| label.contains("error_type") || label.contains("status"))
        .collect()
}

#[test]
fn alert_and_dashboards_select_errors_by_one_definition() {
    let all_rules = [rules("record"), rules("alert")].concat();
    let expressions = all_rules.iter().map(|(_, rule)| text(&rule["expr"]));
    let selected: Vec<_> = expressions.flat_map(selections).collect();
    assert_eq!(selected, ["error_type!=\"\""]);

    let mut panels = Vec::new();
    for dashboard in all() {
        for panel in dashboard.panels() {
            for target in elements(&panel["targets"]) {
                for selection in selections(text(&target["expr"])) {
                    assert_eq!(selection, "error_type!=\"\"", "{}", panel["title"]);
                    panels.push(text(&panel["title"]).to_owned());
                }
            }
        }
    }
    assert_eq!(panels, ["Errors", "Error ratio"]);
}
