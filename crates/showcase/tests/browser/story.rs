//! What somebody does who meets the page for the first time.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::page::Page;

/// Name, service and level of each row of the timeline.
const ROWS: &str = "
    const rows = [...document.querySelectorAll('.span-row')];
    return rows.map((row) => [row.querySelector('.text').textContent, row.querySelector('.unseen').textContent.slice(0, -2), Number(row.ariaLevel)]);";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn one_ping_shows_up_by_itself_as_five_spans_in_two_services() {
    let page = Page::open().await;
    page.go("traces").await;
    page.see(".empty", "No traces yet").await;
    // No page was loaded in between if this is still there.
    page.run("window.mark = 1", Value::Null).await;
    page.press("Send one ping").await;
    page.see("a.trace-row", "GET /ping").await;
    page.see("a.trace-row .count", "5").await;
    assert_eq!(page.count("a.trace-row").await, 1);

    page.click("a.trace-row").await;
    page.until(
        "five rows",
        "return document.querySelectorAll('.span-row').length === 5",
    )
    .await;
    let rows = page.run(ROWS, Value::Null).await;
    assert_eq!(
        rows,
        json!([
            ["GET /ping", "Ping", 1],
            ["ping-request", "Ping", 2],
            ["GET", "Ping", 3],
            ["GET /pong", "Pong", 4],
            ["pong-request", "Pong", 5],
        ])
    );
    assert_eq!(page.run("return window.mark", Value::Null).await, 1);

    // Events, attributes, and who made the span.
    for (row, badge, texts) in [
        (2, "manual", ["environment", "Invoke external endpoint"]),
        (3, "automatic", ["url.full", "traceparent: 00-"]),
        (5, "manual", ["Response success", "Update metrics"]),
    ] {
        page.click(&format!(".span-row[aria-posinset='{row}']"))
            .await;
        page.see(".why .badge", badge).await;
        for text in texts {
            page.see(".details", text).await;
        }
    }
    assert_eq!(page.count(".details .event-name").await, 2, "pong's events");

    // The link to this span shows it to somebody else.
    let shared = page.run("return location.href", Value::Null).await;
    page.go("try").await;
    page.see("h1", "Try it").await;
    let client = &page.browser.client;
    client.goto(shared.as_str().unwrap()).await.unwrap();
    page.see(".span-row.chosen", "pong-request").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_failing_pong_shows_as_errors_in_the_list_and_in_the_trace() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("Always").await;
    page.see("[aria-label='Make pong fail'] .said", "restarted")
        .await;
    page.see("[aria-label='Make pong fail'] pre", "PONG_FAILURE_RATE=1")
        .await;
    page.press("One ping").await;
    page.see("[aria-label='Send requests'] .said", "1 × 502")
        .await;
    page.go("traces?errors=true").await;
    page.see("a.trace-row .badge.error", "failed in").await;
    page.click("a.trace-row").await;
    page.see(".span-row.bad", "GET /pong").await;
    page.click(".span-row.bad[aria-posinset='2']").await;
    page.see(".details-head .badge.error", "error").await;
    page.see(".details .event-name", "Response with error")
        .await;
    page.see(".details", "ping has no answer from pong").await; // its log line
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_point_on_the_latency_chart_opens_its_trace() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("One ping").await;
    page.see(".said", "1 × 200").await;
    page.go("").await;
    page.until(
        "a point",
        "return document.querySelector('[aria-label=Ping] a.mark')",
    )
    .await;
    page.run(
        "document.querySelector('[aria-label=Ping] a.mark').click()",
        Value::Null,
    )
    .await;
    page.see("h1", "GET /ping").await;
    page.see(".span-row.chosen", "GET /ping").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_list_stands_still_while_one_reads_and_then_brings_what_came() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("A hundred").await;
    page.see(".said", "100 × 200").await;
    page.go("traces").await;
    page.see("h1 + .muted", "100 traces").await;
    page.run(
        "document.querySelector('.trace-list').scrollTop = 500; document.querySelector('.trace-list').dispatchEvent(new WheelEvent('wheel'))",
        Value::Null,
    )
    .await;
    page.see(".paused:not(.off)", "Paused").await;
    let first = "return document.querySelector('.place[aria-posinset=\"12\"] a').href";
    let before = page.run(first, Value::Null).await;
    page.run(
        "fetch('api/try/ping', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{\"count\": 12}'})",
        Value::Null,
    )
    .await;
    page.see("button.waiting", "12 new").await;
    assert_eq!(page.run(first, Value::Null).await, before);
    page.press("12 new").await;
    page.see("h1 + .muted", "112 traces").await;
    page.see("button.waiting", "Up to date").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_theme_follows_the_system_until_it_is_switched() {
    let page = Page::open().await;
    page.system_is("dark").await;
    page.system_is("light").await;
    page.click("[aria-label='Dark theme']").await;
    let theme = "return document.documentElement.dataset.theme === 'dark'";
    page.until("dark", theme).await;
    page.browser.client.refresh().await.unwrap();
    page.until("dark still", theme).await;
    page.type_text("?").await;
    page.see("dialog[open]", "Keyboard").await;
    page.keys(&[Key::Escape]).await;
    page.see_no("dialog[open]").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn two_traces_are_compared_span_by_span() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("One ping").await;
    page.see("[aria-label='Send requests'] .said", "1 × 200")
        .await;
    page.press("Stopped").await;
    page.see("[aria-label='Stop pong'] .said", "stopped").await;
    page.press("One ping").await;
    page.see("[aria-label='Send requests'] .said", "1 × 502")
        .await;
    page.go("traces").await;
    page.see("a.trace-row .count", "5").await;
    page.see("a.trace-row .count", "3").await;
    // The one that went well is the older one, which is below.
    page.click(".place:last-child .tick").await;
    page.see(".comparison", "Tick another to compare").await;
    page.click(".place:first-child .tick").await;
    page.press_link("Compare the two").await;
    page.see("tbody tr", "GET /pong").await;
    let rows = "return [...document.querySelectorAll('tbody tr')].map((row) => [row.cells[0].textContent, row.cells[3].textContent.split(' ').at(-1)])";
    let rows = page.run(rows, Value::Null).await;
    assert_eq!(
        rows,
        json!([
            ["GET /ping", "error"],
            ["ping-request", "error"],
            ["GET", "error"],
            ["GET /pong", "missing"],
            ["pong-request", "missing"],
        ])
    );
    page.press("Swap").await;
    page.see("tbody tr td:nth-child(3)", "missing").await;
    page.close().await;
}
