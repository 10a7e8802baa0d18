//! What the dashboards ask is there.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use crate::PATIENCE;
use crate::pair::{Pair, client};
use crate::parts::queries::queries;
use crate::prometheus::Prometheus;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus"]
async fn a_real_prometheus_has_data_for_every_query_of_every_dashboard() {
    let pair = Pair::start_with(&[], &[("PONG_FAILURE_RATE", "0.5")]);
    let prometheus = Prometheus::start(&pair).await;
    let traffic = || traffic(&pair);
    prometheus.api.answers(queries(), PATIENCE, traffic).await;
}

/// Good answers, and what makes errors where `PONG_FAILURE_RATE` does.
async fn traffic(pair: &Pair) {
    let nothing = pair.get("/nothing").await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    pair.get("/ping").await;
    let pong = client().get(format!("{}/pong", pair.pong_url)).send();
    pong.await.expect("pong answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dashboards_ask_for_is_emitted() {
    // These Prometheus adds itself.
    const ITS_OWN: [&str; 3] = ["scrape_duration_seconds", "scrape_samples_scraped", "up"];

    let pair = Pair::start();
    traffic(&pair).await;
    let exported = "otel_sdk_exporter_span_exported_total{";
    let mut metrics = pair.metrics_with(exported).await;
    let pong = client().get(format!("{}/metrics", pair.pong_url)).send();
    metrics += &pong.await.unwrap().text().await.unwrap();
    let names = metrics
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next());
    let names: BTreeSet<_> = names.chain(ITS_OWN).collect();
    for query in queries() {
        for name in metrics_of(&query.expression) {
            assert!(names.contains(name), "{}: {name}", query.place);
        }
    }
}

/// The names before its selectors.
fn metrics_of(expression: &str) -> impl Iterator<Item = &str> {
    let selectors = expression.match_indices('{');
    let names = selectors.filter_map(|(at, _)| {
        let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
        expression[..at].rsplit(|char| !is_name(char)).next()
    });
    names.filter(|name| !name.is_empty())
}
