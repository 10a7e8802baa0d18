//! The showcase goes, and comes again.

use crate::{page::Page, showcase::Showcase};

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_page_says_that_the_server_is_gone_and_finds_it_again() {
    let mut page = Page::open().await;
    page.go("traces").await;
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    page.showcase.kill().await;
    page.see(".connection", "Reconnecting").await;
    page.see(".notice.lost", "does not answer").await;
    page.see("a.trace-row", "GET /ping").await; // from before

    page.showcase = Showcase::on(page.showcase.page).await;
    page.see(".connection", "Live").await;
    page.see_no(".notice.lost").await;
    page.see(".empty", "No traces yet").await;
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    let errors = page.browser.errors().await;
    let lost = errors.iter().all(|error| error.contains("net::ERR_"));
    assert!(lost, "nothing but the connection: {errors:#?}");
    page.close().await;
}
