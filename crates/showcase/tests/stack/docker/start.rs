//! `docker-compose up --build`, from nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::stack::Stack;
use super::{PATIENCE, docker};
use crate::parts::{jaeger, queries::queries};

const PARTS: [&str; 5] = ["ping", "pong", "jaeger", "prometheus", "grafana"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn from_nothing_up_build_shows_a_ping_in_jaeger_and_in_every_panel_and_down_leaves_nothing() {
    let stack = Stack::up(&["up", "--build", "-d"], &[]).await;
    stack.healthy(&PARTS).await;
    for part in PARTS {
        contained(&stack.container(part));
    }

    for (url, text) in [(stack.ping(), "ok"), (stack.pong(), "pong")] {
        let answer = stack.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.text().await.unwrap(), text);
    }

    let id = stack.call(&stack.ping(), StatusCode::OK).await;
    let trace = stack.jaeger().wait_for(&id, 5, PATIENCE).await;
    assert_eq!(jaeger::chain(&trace), jaeger::one_ping());
    for process in trace["processes"].as_object().unwrap().values() {
        let environment = json!({
            "key": "deployment.environment.name", "type": "string", "value": "staging"
        });
        let tags = process["tags"].as_array().unwrap();
        assert!(tags.contains(&environment), "{process:#}");
    }

    let prometheus = stack.prometheus();
    for job in ["Ping", "Pong"] {
        let up = format!("up{{job={job:?}}} == 1");
        prometheus.results(&up, 1, PATIENCE).await;
    }
    let traffic = async || {
        stack.call(&stack.ping(), StatusCode::OK).await;
        stack.call(&stack.pong(), StatusCode::OK).await;
    };
    prometheus.answers(queries(), PATIENCE, traffic).await;

    for part in ["ping", "pong"] {
        print_memory(part, &stack.container(part));
    }
    stack.down();
}

/// Nothing can be written, gained or exhausted, and nobody else on the network can reach it.
fn contained(container: &str) {
    let config = docker(&["inspect", "--format", "{{json .HostConfig}}", container]);
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["ReadonlyRootfs"], true, "{config:#}");
    assert_eq!(config["CapDrop"], json!(["ALL"]), "{config:#}");
    assert_eq!(config["CapAdd"], Value::Null, "{config:#}");
    assert_eq!(config["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!(config["Privileged"], false, "{config:#}");
    assert!(config["Memory"].as_u64().unwrap() > 0, "{config:#}");
    let ports = config["PortBindings"].as_object().unwrap();
    let bound = ports.values().flat_map(|bound| bound.as_array().unwrap());
    for bound in bound {
        assert_eq!(bound["HostIp"], "127.0.0.1", "{config:#}");
    }
}

pub(crate) fn print_memory(part: &str, container: &str) {
    let stats = docker(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.MemUsage}}",
        container,
    ]);
    eprintln!("memory of {part}: {stats}");
}
