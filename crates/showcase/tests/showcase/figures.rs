//! What the page shows of the real services.

use serde_json::{Value, json};

use super::Running;

/// The service's last point with requests.
fn busy<'a>(figures: &'a Value, service: &str, route: &str) -> Option<&'a Value> {
    let services = figures["services"].as_array()?;
    let service = services.iter().find(|it| it["name"] == service)?;
    let points = service["points"].as_array()?.iter().rev();
    let mut routes = points.flat_map(|point| point["routes"].as_array().into_iter().flatten());
    routes.find(|it| it["route"] == route && it["rate"].as_f64() > Some(0.0))
}

#[tokio::test]
async fn figures_of_both_services_are_those_of_their_metrics() {
    let showcase = Running::start(&[("PONG_LATENCY", "30ms"), ("PONG_FAILURE_RATE", "1")]).await;
    let is_up = |figures: &Value| {
        figures["services"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["up"] == true)
    };
    showcase.api_until("/api/figures", is_up).await;
    let sent = showcase
        .api("/api/try/ping", Some(json!({"count": 20})))
        .await;
    assert_eq!(sent.1["statuses"], json!({"502": 20}));
    let are_busy = |figures: &Value| {
        busy(figures, "Ping", "/ping").is_some() && busy(figures, "Pong", "/pong").is_some()
    };
    let figures = showcase.api_until("/api/figures", are_busy).await;
    for (service, route) in [("Ping", "/ping"), ("Pong", "/pong")] {
        let point = busy(&figures, service, route).unwrap();
        assert_eq!(point["errors"], 1.0, "{point}");
        let quantile = |name: &str| point[name].as_f64().unwrap();
        assert!(
            quantile("p50") >= 25.0,
            "above the bucket below 30 ms: {point}"
        );
        assert!(
            quantile("p50") <= quantile("p95") && quantile("p95") <= quantile("p99"),
            "{point}"
        );
    }
    let ping = &figures["services"][0];
    assert_eq!(ping["url"], format!("http://127.0.0.1:{}", showcase.ping));
    let last = ping["points"].as_array().unwrap().last().unwrap();
    assert!(last["memory"].as_f64().unwrap() > 1e6, "{last}");
    assert!(last["active"].is_number(), "{last}");
    assert!(
        last["cpu"].is_number() && last["exported"].is_number() && last["dropped"] == 0.0,
        "{last}"
    );

    // An exemplar leads to its trace.
    let exemplar = &ping["exemplars"][0];
    assert_eq!(exemplar["route"], "/ping");
    assert!(exemplar["value"].as_f64().unwrap() >= 30.0, "{exemplar}");
    let path = format!(
        "/api/summaries?text={}",
        exemplar["traceId"].as_str().unwrap()
    );
    let found = showcase
        .api_until(&path, |answer| answer["traces"][0]["spans"] == 5)
        .await;
    assert_eq!(found["traces"][0]["id"], exemplar["traceId"]);
}

#[tokio::test]
async fn status_tells_what_each_service_exports_and_where_to() {
    let showcase = Running::start(&[]).await;
    showcase.get(showcase.ping, "/ping").await;
    let have_exported = |status: &Value| {
        let services = status["services"].as_array().unwrap();
        services
            .iter()
            .map(|it| it["exported"].as_f64())
            .eq([Some(3.0), Some(2.0)])
    };
    let status = showcase.api_until("/api/status", have_exported).await;
    for service in status["services"].as_array().unwrap() {
        assert_eq!(service["up"], true);
        assert_eq!(service["exporter"], "otlp_http_span_exporter");
        assert_eq!(
            (&service["failed"], &service["dropped"]),
            (&json!(0.0), &json!(0.0))
        );
        assert_eq!(service["lastError"], Value::Null);
        // They send to the receiver that has received.
        let receiver = &status["receivers"][0];
        assert_eq!(
            (&receiver["protocol"], &receiver["spans"]),
            (&json!("otlp/http"), &json!(5))
        );
        assert_eq!(service["endpoint"], receiver["address"]);
    }
}
