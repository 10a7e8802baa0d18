//! More of pong behind one name.

use reqwest::StatusCode;

use super::PATIENCE;
use super::stack::Stack;
use crate::parts::within;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn every_replica_is_scraped_and_serves_calls() {
    let arguments = [
        "--profile",
        "scale",
        "up",
        "-d",
        "--scale",
        "pong-replica=2",
    ];
    // A call takes long enough for others to need connections of their own, each of which asks for the name anew.
    let stack = Stack::up(&arguments, &[("PONG_LATENCY", "200ms")]).await;
    assert_eq!(stack.containers("pong-replica").len(), 2);

    let prometheus = stack.prometheus();
    let up = r#"up{job="Pong"} == 1"#;
    prometheus.results(up, 3, PATIENCE).await;

    let served =
        r#"http_server_request_duration_seconds_count{job="Pong", http_route="/pong"} > 0"#;
    let mut last = Ok(Vec::new());
    let all = within(PATIENCE, async || {
        let calls: Vec<_> = (0..16)
            .map(|_| tokio::spawn(stack.http.get(stack.ping()).send()))
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
        }
        last = prometheus.query(served).await;
        let served = last.as_ref().map_or(0, Vec::len);
        (served == 3).then_some(())
    });
    let all = all.await;
    assert!(all.is_some(), "not each of three serves: {last:#?}");
    stack.down();
}
