//! What the dashboards ask Prometheus.

use serde_json::Value;

use super::dashboards::{self, Dashboard, elements, text};

/// What a dashboard asks, as Grafana sends it when everything is selected.
pub(crate) struct Query {
    /// For a reader: the titles of dashboard and panel, the letter of the query.
    pub(crate) place: String,
    pub(crate) expression: String,
}

/// What all dashboards ask: by panels, and for the choices of their variables.
pub(crate) fn queries() -> Vec<Query> {
    let dashboards = dashboards::all();
    dashboards.iter().flat_map(of).collect()
}

fn of(dashboard: &Dashboard) -> Vec<Query> {
    let title = &dashboard.json["title"];
    let mut queries = Vec::new();
    for panel in dashboard.panels() {
        for target in elements(&panel["targets"]) {
            queries.push(Query {
                place: format!("{title} {} {}", panel["title"], target["refId"]),
                expression: with_all_selected(dashboard, text(&target["expr"])),
            });
        }
    }
    for variable in variables(dashboard) {
        // label_values(SELECTOR, LABEL): which values are there?
        let choices = text(&variable["query"]["query"]);
        let parts = choices
            .strip_prefix("label_values(")
            .and_then(|parts| parts.strip_suffix(')')?.rsplit_once(", "));
        let (selector, label) = parts.expect("a variable asks for the values of a label");
        queries.push(Query {
            place: format!("{title} variable {}", variable["name"]),
            expression: with_all_selected(dashboard, &format!("group by ({label}) ({selector})")),
        });
    }
    queries
}

fn with_all_selected(dashboard: &Dashboard, expression: &str) -> String {
    // Four times the scrape interval, as Grafana computes it from that of the data source.
    let mut expression = expression.replace("$__rate_interval", "20s");
    for variable in variables(dashboard) {
        let name = format!("${}", text(&variable["name"]));
        expression = expression.replace(&name, text(&variable["allValue"]));
    }
    // `$1` of `label_replace` is no variable of Grafana's: those begin with a letter.
    let left = expression.replace("\"$1\"", "");
    assert!(!left.contains('$'), "unknown variable: {expression}");
    expression
}

/// Those whose choices Prometheus knows.
fn variables(dashboard: &Dashboard) -> impl Iterator<Item = &Value> {
    let variables = dashboard.variables();
    variables.filter(|variable| variable["type"] == "query")
}
