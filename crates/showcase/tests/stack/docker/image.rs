//! The image of both services.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::stack::Stack;
use super::{PATIENCE, docker, output};
use crate::parts::within;

const IMAGE: &str = "ping-pong";
const BASE: &str = "gcr.io/distroless/cc-debian12:nonroot";

fn inspect(image: &str) -> Value {
    serde_json::from_str(&docker(&[
        "image",
        "inspect",
        "--format",
        "{{json .}}",
        image,
    ]))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn the_image_adds_less_than_30_mb_has_no_shell_and_runs_as_nobody() {
    let _turn = Stack::image().await;
    let image = inspect(IMAGE);
    let size = |image: &Value| image["Size"].as_u64().unwrap();
    let (all, base) = (size(&image), size(&inspect(BASE)));
    let megabytes = |bytes| bytes as f64 / 1e6;
    eprintln!(
        "image: {:.1} MB, of which base: {:.1} MB",
        megabytes(all),
        megabytes(base)
    );
    assert!(all - base < 30_000_000, "{all} - {base}");

    let user = image["Config"]["User"].as_str().unwrap();
    assert!(!["", "0", "root"].contains(&user), "{user}");
    let labels = image["Config"]["Labels"].as_object().unwrap();
    for label in ["title", "description", "licenses", "base.name"] {
        let label = format!("org.opencontainers.image.{label}");
        assert!(labels.contains_key(&label), "{label}");
    }

    let base = files(BASE);
    let shells = ["ash", "bash", "busybox", "dash", "sh"];
    let is_shell = |path: &&String| {
        shells
            .iter()
            .any(|name| path.ends_with(&format!("/{name}")))
    };
    assert_eq!(base.iter().find(is_shell), None);
    let files = files(IMAGE);
    let ours: Vec<_> = files.difference(&base).collect();
    assert_eq!(ours, ["usr/local/bin/ping", "usr/local/bin/pong"]);
}

/// Paths of all files in an image.
fn files(image: &str) -> BTreeSet<String> {
    let container = docker(&["create", image, "nothing"]);
    let export = ["-c", "docker export \"$0\" | tar --list", &container];
    let files = output(Command::new("sh").args(export));
    docker(&["rm", "--volumes", &container]);
    let files = files.lines().filter(|path| !path.ends_with('/'));
    files.map(str::to_owned).collect()
}

/// Tries to write everywhere, and prints where it can.
const WRITE: &str = r#"
    /busybox find / -path /proc -prune -o -path /sys -prune -o -type d -print -o -type f -print 2>/dev/null |
    while read -r path; do
        if [ -d "$path" ]; then /busybox touch "$path/probe"; else true >>"$path"; fi 2>/dev/null && echo "$path"
    done
    true"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose and a static busybox"]
async fn in_its_containers_the_user_can_write_no_file() {
    let stack = Stack::image().await;
    for service in ["ping", "pong"] {
        // The image has nothing to look around with, so it is lent something.
        let run = ["run", "--rm", "-T", "--no-deps"];
        let lent = ["--volume=/bin/busybox:/busybox:ro", "--entrypoint=/busybox"];
        let writable = stack.compose(&[&run[..], &lent, &[service, "sh", "-c", WRITE]].concat());
        // That is for message queues, and shows that others would be found.
        assert_eq!(writable, "/dev/mqueue");
    }
}

/// Two containers in one network namespace, as two processes on one machine are. Removed when dropped.
struct Alone(Vec<String>);

impl Alone {
    fn run(&mut self, arguments: &[&str]) -> String {
        let id = docker(&[&["run", "--detach", "--read-only"], arguments].concat());
        self.0.push(id.clone());
        id
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        for id in self.0.iter().rev() {
            docker(&["rm", "--force", "--volumes", id]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs docker-compose"]
async fn without_any_environment_both_find_each_other_on_a_read_only_root() {
    let _turn = Stack::image().await;
    let mut alone = Alone(Vec::new());
    let ping = alone.run(&[IMAGE]);
    let network = format!("container:{ping}");
    let pong = alone.run(&["--network", &network, "--entrypoint", "pong", IMAGE]);

    for (container, name) in [(&ping, "ping"), (&pong, "pong")] {
        let check = ["exec", container, name, "--healthcheck"];
        let ready = within(PATIENCE, async || {
            let status = Command::new("docker").args(check).status();
            status.unwrap().success().then_some(())
        });
        assert!(ready.await.is_some(), "{}", docker(&["logs", container]));
    }
    // The image has nothing to call itself with; this one has.
    let wget = ["run", "--rm", "--network", &network, "--entrypoint", "wget"];
    let call = [
        "prom/prometheus:v3.14.0",
        "-q",
        "-O",
        "-",
        "http://127.0.0.1:8081/ping",
    ];
    assert_eq!(docker(&[&wget[..], &call[..]].concat()), "ok");
}
