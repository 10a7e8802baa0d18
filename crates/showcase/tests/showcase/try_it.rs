//! What can be pressed on the page, with real services.

use reqwest::{Client, Method};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{LIMIT, Running};

async fn press(showcase: &Running, what: &str, body: Value) -> Value {
    let (status, answer) = showcase.api(&format!("/api/try/{what}"), Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The statuses of some pings.
async fn statuses(showcase: &Running, count: u64) -> Value {
    let sent = press(showcase, "ping", json!({"count": count})).await;
    assert_eq!(sent["sent"], count);
    sent["statuses"].clone()
}

#[tokio::test]
async fn pressed_pings_are_traces_on_the_page() {
    let showcase = Running::start(&[]).await;
    assert_eq!(statuses(&showcase, 1).await, json!({"200": 1}));
    let is_whole = |answer: &Value| answer["traces"][0]["spans"] == 5;
    let one = showcase.api_until("/api/summaries", is_whole).await;
    let trace = &one["traces"][0];
    assert_eq!(
        trace["root"],
        json!({"service": "Ping", "name": "GET /ping"})
    );
    let services = json!([{"name": "Ping", "spans": 3}, {"name": "Pong", "spans": 2}]);
    assert_eq!(trace["services"], services);
    assert_eq!(
        (&trace["complete"], &trace["errors"]),
        (&json!(true), &json!(0))
    );

    assert_eq!(statuses(&showcase, 100).await, json!({"200": 100}));
    let are_there = |answer: &Value| answer["kept"] == 101;
    showcase.api_until("/api/summaries", are_there).await;
}

#[tokio::test]
async fn pong_is_stopped_and_started_again_on_its_port_and_the_showcase_goes_on() {
    let mut showcase = Running::start(&[]).await;
    let before = showcase.api("/api/try", None).await.1;
    assert_eq!(before["pong"]["running"], true);
    assert_eq!(
        before["curl"],
        format!("curl http://localhost:{}/ping", showcase.ping)
    );

    let stopped = press(&showcase, "pong", json!({"running": false})).await;
    assert_eq!(
        (&stopped["pong"]["running"], &stopped["pong"]["pid"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(stopped["ping"]["pid"], before["ping"]["pid"], "ping stays");
    assert_eq!(statuses(&showcase, 2).await, json!({"502": 2}));
    let is_error = |answer: &Value| answer["traces"][0]["errors"].as_u64() > Some(0);
    showcase
        .api_until("/api/summaries?errors=true", is_error)
        .await;

    let started = press(&showcase, "pong", json!({"running": true})).await;
    assert_ne!(started["pong"]["pid"], before["pong"]["pid"]);
    assert_eq!(statuses(&showcase, 2).await, json!({"200": 2}));
    assert_eq!(
        showcase.pid_of(showcase.pong).await.as_raw_nonzero().get(),
        i32::try_from(started["pong"]["pid"].as_u64().unwrap()).unwrap()
    );
    showcase.signal(Signal::TERM);
    assert_eq!(showcase.exit().await.code(), Some(0));
    showcase.read_to_end().await;
    showcase.assert_ports_are_free().await;
    assert_eq!(showcase.errors().await, "");
}

#[tokio::test]
async fn pong_that_was_started_by_hand_is_in_the_way_and_ends_nothing() {
    let mut showcase = Running::start(&[]).await;
    press(&showcase, "pong", json!({"running": false})).await;
    let pong = showcase.pong;
    let mut by_hand = super::showcase(&["pong"])
        .env("ADDRESS", format!("127.0.0.1:{pong}"))
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let up = async { while statuses(&showcase, 1).await != json!({"200": 1}) {} };
    tokio::time::timeout(LIMIT, up).await.unwrap();

    let running = Some(json!({"running": true}));
    let (status, answer) = showcase.api("/api/try/pong", running).await;
    assert_eq!(status, 500);
    let wanted = format!("port {pong} is in use, perhaps by a pong that was started by hand");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with(&wanted), "{error}");

    by_hand.kill().await.unwrap();
    press(&showcase, "pong", json!({"running": true})).await;
    assert_eq!(statuses(&showcase, 1).await, json!({"200": 1}));
    showcase.signal(Signal::TERM);
    assert_eq!(showcase.exit().await.code(), Some(0));
}

#[tokio::test]
async fn showcase_stops_well_while_pong_is_stopped() {
    let mut showcase = Running::start(&[]).await;
    press(&showcase, "pong", json!({"running": false})).await;
    showcase.signal(Signal::TERM);
    assert_eq!(showcase.exit().await.code(), Some(0));
    showcase.read_to_end().await;
    showcase.assert_ports_are_free().await;
    assert_eq!(showcase.errors().await, "");
}

#[tokio::test]
async fn slow_and_failing_pong_shows_in_the_traces_and_its_line_for_the_shell() {
    let showcase = Running::start(&[]).await;
    let wanted = json!({"running": true, "latency": "60ms..90ms", "failureRate": 1});
    let slow = press(&showcase, "pong", wanted).await;
    let settings = &slow["pong"]["settings"];
    assert_eq!(settings["PONG_LATENCY"], "60ms..90ms");
    assert_eq!(settings["PONG_FAILURE_RATE"], "1");
    for line in ["slow", "fail"] {
        let line = slow["byHand"][line].as_str().unwrap();
        let settings = "PONG_LATENCY=60ms..90ms PONG_FAILURE_RATE=1 ";
        assert!(line.contains(settings), "{line}");
        assert!(line.ends_with("showcase pong"), "{line}");
    }
    assert_eq!(statuses(&showcase, 1).await, json!({"502": 1}));
    let path = "/api/summaries?service=Pong&operation=pong-request&minDuration=60&errors=true";
    let is_there = |answer: &Value| answer["traces"][0]["spans"] == 5;
    showcase.api_until(path, is_there).await;

    let well = press(&showcase, "pong", json!({"running": true})).await;
    assert_eq!(well["pong"]["settings"]["PONG_LATENCY"], Value::Null);
    assert_eq!(statuses(&showcase, 1).await, json!({"200": 1}));
}

#[tokio::test]
async fn environment_of_the_showcase_can_be_undone() {
    let showcase = Running::start(&[("PONG_FAILURE_RATE", "1")]).await;
    let before = showcase.api("/api/try", None).await.1;
    assert_eq!(before["pong"]["settings"]["PONG_FAILURE_RATE"], "1");
    assert_eq!(statuses(&showcase, 1).await, json!({"502": 1}));
    press(&showcase, "pong", json!({"running": true})).await;
    assert_eq!(statuses(&showcase, 1).await, json!({"200": 1}));
}

#[tokio::test]
async fn sampled_ping_sends_fewer_traces() {
    let showcase = Running::start(&[]).await;
    let sampled = press(&showcase, "sampling", json!({"ratio": 0.0})).await;
    let settings = &sampled["ping"]["settings"];
    assert_eq!(settings["OTEL_TRACES_SAMPLER"], "parentbased_traceidratio");
    assert_eq!(settings["OTEL_TRACES_SAMPLER_ARG"], "0");
    assert_eq!(statuses(&showcase, 5).await, json!({"200": 5}));
    press(&showcase, "sampling", json!({"ratio": 1})).await;
    assert_eq!(statuses(&showcase, 1).await, json!({"200": 1}));
    // Ping has flushed before it was started again: whatever was sampled then is there now.
    let are_there = |answer: &Value| answer["traces"][0]["spans"] == 5;
    let all = showcase.api_until("/api/summaries", are_there).await;
    assert_eq!(all["kept"], 1, "{all}");
}

#[tokio::test]
async fn load_starts_changes_and_stops() {
    let showcase = Running::start(&[]).await;
    let running = press(&showcase, "load", json!({"rate": 50})).await;
    assert_eq!(running["load"], json!({"running": true, "rate": 50}));
    let kept = |answer: &Value| answer["kept"].as_u64().unwrap();
    showcase
        .api_until("/api/summaries", |answer| kept(answer) >= 20)
        .await;
    let faster = press(&showcase, "load", json!({"rate": 200})).await;
    assert_eq!(faster["load"]["rate"], 200);
    showcase
        .api_until("/api/summaries", |answer| kept(answer) >= 100)
        .await;

    let stopped = press(&showcase, "load", json!({"rate": 0})).await;
    assert_eq!(stopped["load"], json!({"running": false, "rate": 0}));
    // Every ping that was sent is a trace after a while; then there are no more.
    let mut last = 0;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        let now = kept(&showcase.api("/api/summaries", None).await.1);
        if now == last {
            break;
        }
        last = now;
    }
    let requests = "http_server_request_duration_seconds_count{";
    let metrics = showcase.get(showcase.ping, "/metrics").await;
    let line = metrics
        .lines()
        .find(|line| line.starts_with(requests) && line.contains("\"200\""));
    assert!(
        line.unwrap().ends_with(&format!(" {last}")),
        "{line:?} for {last} traces"
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_the_reason_and_nothing_changes() {
    let showcase = Running::start(&[]).await;
    let before = showcase.api("/api/try", None).await.1;
    for (what, body, words) in [
        ("ping", json!({"count": 0}), "count is 1 to 100"),
        ("ping", json!({"count": 101}), "count is 1 to 100"),
        ("ping", json!({"count": "x"}), "count"),
        ("ping", json!({"count": 1, "more": 1}), "more"),
        ("load", json!({"rate": 201}), "rate is 0 to 200"),
        ("load", json!({"rate": -1}), "rate"),
        ("pong", json!({}), "running"),
        (
            "pong",
            json!({"running": true, "latency": "fast"}),
            "PONG_LATENCY",
        ),
        (
            "pong",
            json!({"running": true, "failureRate": 2}),
            "from 0 to 1",
        ),
        ("start", json!({"service": "jaeger"}), "ping"),
        ("sampling", json!({"ratio": 1.5}), "ratio is 0 to 1"),
        ("sampling", json!({"ratio": null}), "ratio"),
    ] {
        let (status, answer) = showcase
            .api(&format!("/api/try/{what}"), Some(body.clone()))
            .await;
        assert!((400..500).contains(&status), "{what} {body}: {status}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(words), "{what} {body}: {error}");
    }
    assert_eq!(showcase.api("/api/try", None).await.1, before);
}

#[tokio::test]
async fn no_other_page_and_no_form_can_press() {
    let showcase = Running::start(&[]).await;
    let own = format!("http://localhost:{}", showcase.page);
    for (headers, expected) in [
        (
            &[
                ("content-type", "application/json"),
                ("origin", "http://evil.example"),
            ][..],
            403,
        ),
        (
            &[
                ("content-type", "application/json"),
                ("host", "evil.example"),
            ],
            403,
        ),
        (&[("content-type", "text/plain"), ("origin", "null")], 403),
        (&[("content-type", "text/plain")], 415),
        (&[], 415),
        (
            &[
                ("content-type", "application/json"),
                ("origin", &own),
                ("host", &own[7..]),
            ],
            200,
        ),
    ] {
        let url = format!("http://127.0.0.1:{}/api/try/ping", showcase.page);
        let request = Client::new()
            .request(Method::POST, url)
            .body(r#"{"count":1}"#);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let answer = tokio::time::timeout(LIMIT, request.send()).await;
        assert_eq!(answer.unwrap().unwrap().status(), expected, "{headers:?}");
    }
}
