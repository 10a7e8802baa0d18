//! Prometheus' API.

use std::time::{Duration, Instant};

use reqwest::{Client, Url};
use serde_json::Value;

use super::queries::Query;
use super::{client, within};

pub(crate) struct Prometheus {
    http: Client,
    url: String,
}

impl Prometheus {
    /// The one at `url`, for example `http://127.0.0.1:9090`.
    pub(crate) fn at(url: String) -> Self {
        Self {
            http: client(),
            url,
        }
    }

    /// What the API answers at `path`.
    ///
    /// # Errors
    ///
    /// What it answers instead, or why it does not.
    pub(crate) async fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, String> {
        let url = format!("{}/api/v1/{path}", self.url);
        let url = Url::parse_with_params(&url, parameters).expect("a URL");
        let text = async { self.http.get(url).send().await?.text().await };
        let text = text.await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(text),
        }
    }

    /// The results of an instant query.
    ///
    /// # Errors
    ///
    /// What it answers instead, or why it does not.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let data = self.get("query", &[("query", query)]).await?;
        data["result"]
            .as_array()
            .cloned()
            .ok_or_else(|| data.to_string())
    }

    /// The results of a query once there are `count` of them.
    pub(crate) async fn results(&self, query: &str, count: usize, limit: Duration) -> Vec<Value> {
        let mut last = Ok(Vec::new());
        let found = within(limit, async || {
            last = self.query(query).await;
            last.clone().ok().filter(|results| results.len() == count)
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("not {count} results of {query}: {last:#?}"))
    }

    /// Waits until each query has a number for an answer, making `traffic` meanwhile.
    pub(crate) async fn answers(
        &self,
        queries: Vec<Query>,
        limit: Duration,
        traffic: impl AsyncFn(),
    ) {
        let deadline = Instant::now() + limit;
        let mut open = queries;
        while !open.is_empty() {
            traffic().await;
            let mut unanswered = Vec::new();
            let mut reasons = Vec::new();
            for query in open {
                let answer = self.query(&query.expression).await;
                if !answer.as_ref().is_ok_and(|results| has_number(results)) {
                    reasons.push(format!(
                        "{}: {} = {answer:?}",
                        query.place, query.expression
                    ));
                    unanswered.push(query);
                }
            }
            assert!(
                reasons.is_empty() || Instant::now() < deadline,
                "no data for {reasons:#?}"
            );
            open = unanswered;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A share of nothing is NaN, which a dashboard shows as nothing.
fn has_number(results: &[Value]) -> bool {
    let value = |result: &Value| result["value"][1].as_str()?.parse::<f64>().ok();
    results
        .iter()
        .filter_map(value)
        .any(|value| !value.is_nan())
}
