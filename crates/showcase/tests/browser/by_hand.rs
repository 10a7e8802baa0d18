//! The lines that *Try it* offers for a shell, typed into one as they stand.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{page::Page, within::within};

/// A shell at a line that goes on until it is interrupted. Dropped, it is, with everything that it has started.
struct Shell(Child);

impl Shell {
    fn run(line: &str) -> Self {
        // Where the tests run in the background of a shell, SIGINT is ignored, and what they start would ignore it too.
        let mut shell = Command::new("env");
        shell
            .args(["--default-signal=INT", "sh", "-c", line])
            .process_group(0)
            .stdout(Stdio::null());
        Self(shell.spawn().unwrap())
    }

    /// As Ctrl-C does; returns when all of it has ended.
    async fn interrupt(mut self) {
        self.signal(Signal::INT);
        self.0.wait().await.unwrap();
    }

    fn signal(&self, signal: Signal) {
        let group = self
            .0
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().unwrap()));
        let _ = group.map(|group| kill_process_group(group, signal)); // it may have ended
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The line that a card offers now.
async fn line(page: &Page, card: &str) -> String {
    let line = page.text(&format!("[aria-label='{card}'] pre")).await;
    assert!(!line.is_empty(), "{card} offers a line");
    line
}

/// Presses *A hundred* until the page says what is wanted of it.
async fn see_of_a_hundred(page: &Page, wanted: &str) {
    let found = within(crate::page::LIMIT, async || {
        page.press("A hundred").await;
        page.see("[aria-label='Send requests'] .said", "100 sent")
            .await;
        let said = page.text("[aria-label='Send requests'] .said").await;
        said.contains(wanted).then_some(())
    });
    found.await.unwrap_or_else(|| panic!("never {wanted}"));
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and curl on PATH"]
async fn each_line_does_by_hand_what_its_card_says_and_ends_nothing_else() {
    let page = Page::open().await;
    page.go("try").await;
    page.see(".try-card pre", "curl").await;

    let curl = line(&page, "Send requests").await;
    let answer = Command::new("sh")
        .args(["-c", &curl])
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "ok");

    let load = Shell::run(&line(&page, "Steady load").await);
    page.go("traces").await;
    page.until(
        "some of them",
        "return document.querySelectorAll('a.trace-row').length > 10",
    )
    .await;
    load.interrupt().await;

    for (card, service, wanted) in [
        ("Make pong slow", "pong", "× 200"),
        ("Make pong fail", "pong", "× 502"),
        ("Sample fewer", "ping", "100 × 200"),
    ] {
        page.go("try").await;
        let shell = Shell::run(&line(&page, card).await);
        // The page says that one of ours has gone, and the one of the shell answers in its place.
        page.see(".card.ended", &format!("{service} has ended by itself"))
            .await;
        if service == "pong" {
            see_of_a_hundred(&page, wanted).await;
        } else {
            let up = "return fetch('api/figures').then((answer) => answer.json()).then(({ services }) => services[0].up)";
            page.until("the other ping", up).await;
        }
        if card == "Make pong slow" {
            page.go("traces?minDuration=100").await;
            page.see("a.trace-row", "GET /ping").await;
            page.go("try").await;
        }
        // Ours does not start while its port is in use, and says so.
        let again = format!("Start {service} again");
        page.press(&again).await;
        page.see(
            ".card.ended",
            &format!("perhaps by a {service} that was started by hand"),
        )
        .await;
        shell.interrupt().await;
        page.press(&again).await;
        page.see_no(".card.ended").await;
        page.press("One ping").await;
        page.see("[aria-label='Send requests'] .said", "1 × 200")
            .await;
    }

    let kill = line(&page, "Stop pong").await;
    Command::new("sh")
        .args(["-c", &kill])
        .status()
        .await
        .unwrap();
    page.see(".card.ended", "pong has ended by itself").await;
    page.press("One ping").await;
    page.see("[aria-label='Send requests'] .said", "1 × 502")
        .await;
    let start = line(&page, "Stop pong").await;
    assert_ne!(start, kill);
    let shell = Shell::run(&start);
    see_of_a_hundred(&page, "100 × 200").await;
    shell.interrupt().await;
    page.press("Running").await;
    page.see_no(".card.ended").await;
    let pids = "return fetch('api/try').then((answer) => answer.json()).then(({ ping, pong }) => [ping.running, pong.running])";
    assert_eq!(page.run(pids, Value::Null).await, json!([true, true]));
    let errors = page.browser.errors().await;
    let refused = errors.iter().all(|error| error.contains("api/try/start"));
    assert!(
        refused,
        "nothing but ours in the way of another: {errors:#?}"
    );
    page.close().await;
}
