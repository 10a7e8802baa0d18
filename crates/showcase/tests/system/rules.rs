//! Every rule and every alert is evaluated on real figures.

use serde_json::Value;

use crate::PATIENCE;
use crate::pair::Pair;
use crate::parts::queries::Query;
use crate::parts::within;
use crate::prometheus::Prometheus;

/// Empty when all is well: there is nothing to compare with a limit. `stack_files` has it fire and clear.
const EMPTY_WHEN_ALL_IS_WELL: &str = "TargetDown";

/// All rules once each has been evaluated.
async fn rules(prometheus: &Prometheus) -> Vec<Value> {
    let evaluated = within(PATIENCE, async || {
        let data = prometheus.api.get("rules", &[]).await.ok()?;
        let groups = data["groups"].as_array()?.iter();
        let rules: Vec<_> = groups
            .flat_map(|group| group["rules"].as_array())
            .flatten()
            .cloned()
            .collect();
        rules
            .iter()
            .all(|rule| rule["health"] == "ok")
            .then_some(rules)
    });
    evaluated
        .await
        .expect("all rules are evaluated without an error")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus"]
async fn a_real_prometheus_has_data_for_every_rule_and_alert() {
    let pair = Pair::start_with(&[], &[("PONG_FAILURE_RATE", "0.5")]);
    let prometheus = Prometheus::start(&pair).await;
    pair.get("/ping").await;
    let rules = rules(&prometheus).await;
    assert_eq!(rules.len(), 6, "two records, four alerts: {rules:#?}");

    let queries = rules
        .iter()
        .filter(|rule| rule["name"] != EMPTY_WHEN_ALL_IS_WELL)
        .map(|rule| {
            let name = rule["name"].as_str().expect("a name").to_owned();
            let expression = rule["query"].as_str().expect("an expression");
            // What an alert compares with its limit, whether it is above or not.
            let compared = expression
                .rsplit_once(" > ")
                .map_or(expression, |(compared, _)| compared);
            Query {
                place: name,
                expression: compared.to_owned(),
            }
        });
    let traffic = async || drop(pair.get("/ping").await);
    prometheus
        .api
        .answers(queries.collect(), PATIENCE, traffic)
        .await;

    let pending = within(PATIENCE, async || {
        pair.get("/ping").await;
        let both = r#"ALERTS{alertname="HighErrorRatio", job=~"Ping|Pong"}"#;
        prometheus
            .api
            .query(both)
            .await
            .ok()
            .filter(|alerts| alerts.len() == 2)
    });
    assert!(
        pending.await.is_some(),
        "half of all answers are errors, and no alert says so"
    );
}
