//! The showcase goes, and comes again.

use crate::{page::Page, showcase::Showcase};

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_page_says_that_the_server_is_gone_and_finds_it_again() {
    let Page { browser, showcase } = Page::open().await;
    let port = showcase.page;
    let page = Page { browser, showcase };
    page.go("traces").await;
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    let Page { browser, showcase } = page;
    showcase.kill().await;
    let page = Page {
        browser,
        showcase: Showcase::on(port).await,
    };
    page.see(".connection", "Live").await;
    page.see(".empty", "No traces yet").await;
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    let errors = page.browser.errors().await;
    let lost = errors.iter().all(|error| error.contains("net::ERR_"));
    assert!(lost, "nothing but the connection: {errors:#?}");
    page.close().await;
}
