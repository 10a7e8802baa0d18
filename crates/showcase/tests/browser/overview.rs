//! Figures, from the first request on.

use serde_json::{Value, json};

use crate::page::Page;

/// What the tiles of ping say.
const TILES: &str = "
    const tiles = [...document.querySelectorAll('[aria-label=Ping] .tile')];
    return Object.fromEntries(tiles.map((tile) => [tile.querySelector('dt').textContent, tile.querySelector('dd').firstChild.data]))";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_first_ping_is_in_the_figures_and_stays_to_be_read() {
    let page = Page::open().await;
    page.see("[aria-label=Ping] .hint", "No request yet").await;
    page.run(
        "return fetch('api/try/ping', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{\"count\": 1}'}).then((answer) => answer.status)",
        Value::Null,
    )
    .await;
    page.until(
        "its dot",
        "return document.querySelector('[aria-label=Ping] a.mark')",
    )
    .await;
    let is_counted =
        "return document.querySelector('[aria-label=Ping] .tile dd').textContent === '1'";
    page.until("one request", is_counted).await;
    assert_eq!(page.count("[aria-label=Ping] .hint").await, 0);
    page.rounds(3).await; // it is there still
    let tiles = page.run(TILES, Value::Null).await;
    assert_eq!(tiles["Requests, last minute"], "1");
    assert_eq!(tiles["Errors"], "0 %");
    // A ping takes some milliseconds, of which the lowest bucket tells no more than that they are not above its bound.
    let exact = "return fetch('api/figures').then((answer) => answer.json()).then(({ services }) => services[0].exemplars[0].value)";
    let took = page.run(exact, Value::Null).await.as_f64().unwrap();
    let shown = tiles["95th percentile"].as_str().unwrap();
    assert_eq!(shown == "≤ 5 ms", took <= 5.0, "{shown} for {took} ms");
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn nothing_is_called_up_while_the_showcase_does_not_answer() {
    let mut page = Page::open().await;
    page.see("[aria-label=Ping] .badge.good", "up").await;
    page.showcase.kill().await;
    page.see(".connection", "Reconnecting").await;
    for view in ["", "status"] {
        page.go(view).await;
        page.see("main h1", "").await;
        let good = "return [...document.querySelectorAll('main .badge.good')].map((badge) => badge.textContent)";
        assert_eq!(page.run(good, Value::Null).await, json!([]), "{view}");
    }
    page.go("").await;
    page.see("[aria-label=Ping] .badge", "not known").await;
    let errors = page.browser.errors().await;
    let lost = errors.iter().all(|error| error.contains("net::ERR_"));
    assert!(lost, "nothing but the connection: {errors:#?}");
    page.close().await;
}
