//! The showcase, or a service of it, goes and comes again.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{page::Page, showcase::Showcase};

/// What *Stop pong* offers for a shell.
const BY_HAND: &str = "return document.querySelector(\"[aria-label='Stop pong'] pre\").textContent";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_service_that_is_killed_is_said_on_every_view_and_can_be_started_again() {
    let page = Page::open().await;
    page.go("try").await;
    page.see("[aria-label='Stop pong'] pre", "kill ").await;
    let line = page.run(BY_HAND, Value::Null).await;
    let pid = line.as_str().unwrap().strip_prefix("kill ").unwrap();
    page.go("map").await;
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::TERM).unwrap();
    page.see(".notice.trouble", "pong has ended by itself")
        .await;
    page.click(".notice.trouble a").await;
    page.see("h1", "Try it").await;
    page.see_no(".notice.trouble").await; // it is on the view itself
    page.press("Start pong again").await;
    page.see_no(".card.ended").await;
    page.press("One ping").await;
    page.see("[aria-label='Send requests'] .said", "1 × 200")
        .await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_page_says_that_the_server_is_gone_and_finds_it_again() {
    let mut page = Page::open().await;
    page.go("traces").await;
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    page.showcase.kill().await;
    page.see(".connection", "Reconnecting").await;
    page.see(".notice.trouble", "does not answer").await;
    page.see("a.trace-row", "GET /ping").await; // from before

    page.showcase = Showcase::on(page.showcase.page).await;
    page.see(".connection", "Live").await;
    page.see_no(".notice.trouble").await;
    page.see(".empty", "No traces yet").await;
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    let errors = page.browser.errors().await;
    let lost = errors.iter().all(|error| error.contains("net::ERR_"));
    assert!(lost, "nothing but the connection: {errors:#?}");
    page.close().await;
}
