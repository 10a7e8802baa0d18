//! `kubernetes/` beside the Compose stack: both run the same programs in the same way. `.ci/run` puts the files to the API's
//! schema, `kubernetes/try` to a cluster.

use serde_json::{Value, json};

use crate::dashboards::{elements, text};
use crate::{read, yaml};

/// The Pod that a file's Deployment describes.
fn pod(path: &str) -> Value {
    let objects: Vec<Value> = serde_saphyr::from_multiple(&read(path)).unwrap();
    let mut deployments = objects.iter().filter(|it| it["kind"] == "Deployment");
    let pod = &deployments.next().unwrap()["spec"]["template"]["spec"];
    assert_eq!(elements(&pod["containers"]).count(), 1, "{path}");
    pod.clone()
}

#[test]
fn containers_are_those_of_compose() {
    let compose = yaml("docker-compose.yml");
    for (name, path) in [
        ("ping", "kubernetes/base/ping.yml"),
        ("pong", "kubernetes/base/pong.yml"),
        ("jaeger", "kubernetes/small/jaeger.yml"),
        ("prometheus", "kubernetes/small/prometheus.yml"),
    ] {
        let (service, pod) = (&compose["services"][name], pod(path));
        let container = &pod["containers"][0];
        assert_eq!(container["name"], name);
        assert_eq!(container["image"], service["image"], "{name}");
        // What Compose calls an entrypoint is a command here, and its command is arguments.
        assert_eq!(container["command"], service["entrypoint"], "{name}");
        assert_eq!(container["args"], service["command"], "{name}");
        let limit = format!("{}i", text(&service["mem_limit"]).to_uppercase());
        assert_eq!(container["resources"]["limits"]["memory"], limit, "{name}");
    }
}

#[test]
fn prometheus_differs_from_composes_by_the_names_it_looks_up() {
    let mut expected = yaml("prometheus/prometheus.yml");
    for job in expected["scrape_configs"].as_array_mut().unwrap() {
        let names = &mut job["dns_sd_configs"][0]["names"];
        *names = json!([format!("{}-pods", text(&names[0]))]);
    }
    assert_eq!(yaml("kubernetes/small/scrape.yml"), expected);
}

/// Otherwise a Pod is killed while it answers, or before its last spans are sent.
#[test]
fn a_pod_has_time_to_stop() {
    const FLUSH: u64 = 3; // `FLUSH_LIMIT` of both services
    let drain = service::Limits::default().drain.unwrap().as_secs();
    for name in ["ping", "pong"] {
        let pod = pod(&format!("kubernetes/base/{name}.yml"));
        let sleep = &pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
        let needed = sleep.as_u64().unwrap() + drain + FLUSH;
        let given = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(given > needed, "{name}: {given} s, {needed} s are needed");
    }
}
