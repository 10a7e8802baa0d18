//! From a number to the trace behind it.

use std::collections::BTreeSet;

use backend::TraceId;

use crate::PATIENCE;
use crate::pair::Pair;
use crate::parts::within;
use crate::prometheus::Prometheus;

const UNSAMPLED: &str = "00-11111111111111111111111111111111-b7ad6b7169203331-00";

/// The traces that Prometheus knows for `query`.
async fn exemplars(prometheus: &Prometheus, query: &str) -> BTreeSet<String> {
    let found = within(PATIENCE, async || {
        let range = [("query", query), ("start", "0"), ("end", "9999999999")];
        let series = prometheus.api.get("query_exemplars", &range).await.ok()?;
        let exemplars = series
            .as_array()?
            .iter()
            .flat_map(|series| series["exemplars"].as_array())
            .flatten();
        let ids: BTreeSet<_> = exemplars
            .filter_map(|exemplar| Some(exemplar["labels"]["trace_id"].as_str()?.to_owned()))
            .collect();
        (!ids.is_empty()).then_some(ids)
    });
    found
        .await
        .unwrap_or_else(|| panic!("no exemplars of {query}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus"]
async fn every_exemplar_that_a_real_prometheus_returns_is_a_trace_that_the_receiver_has() {
    let pair = Pair::start_with(&[], &[("PONG_LATENCY", "1ms..30ms")]);
    let prometheus = Prometheus::start(&pair).await;
    for _ in 0..20 {
        pair.get("/ping").await;
        pair.get_with("/ping", &[("traceparent", UNSAMPLED)]).await;
    }
    for query in [
        r#"http_server_request_duration_seconds_bucket{job="Ping"}"#,
        r#"http_server_request_duration_seconds_bucket{job="Pong"}"#,
        r#"http_client_request_duration_seconds_bucket{job="Ping"}"#,
    ] {
        for id in exemplars(&prometheus, query).await {
            let id: TraceId = id.parse().expect("a trace id");
            let trace = pair
                .store()
                .wait_for(PATIENCE, |store| store.trace(id))
                .await;
            assert!(trace.is_ok(), "{query}: {id}: {}", trace.unwrap_err());
        }
    }
}
