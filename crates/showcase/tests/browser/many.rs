//! As much as the page has to bear.

use serde_json::Value;

use crate::{
    page::Page,
    spans::{now, of, span},
};

const SPANS: u64 = 10_000;
const TRACES: u64 = 5_000;

/// Scrolls through `arguments[0]` for 120 frames, and says in milliseconds how long they took, and how much of that was
/// the page's own work.
const SCROLL: &str = "
    const [selector] = arguments;
    const done = arguments[arguments.length - 1];
    const box = document.querySelector(selector);
    const times = [];
    const work = [];
    let rows = 0;
    const request = requestAnimationFrame;
    window.requestAnimationFrame = (draw) => request((time) => {
        const start = performance.now();
        draw(time);
        work.push(performance.now() - start);
    });
    const frame = (time) => {
        times.push(time);
        rows = Math.max(rows, box.firstElementChild.childElementCount);
        const part = times.length / 120;
        if (part > 1) {
            const frames = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
            work.sort((a, b) => a - b);
            const middle = work[Math.floor(work.length / 2)];
            done({ median: frames[60], p95: frames[114], longest: frames.at(-1), work: middle, rows });
            return;
        }
        box.scrollTop = (box.scrollHeight - box.clientHeight) * part;
        request(frame);
    };
    request(frame);";

/// Prints the frames: whoever wants to know how smooth it is reads them; a busy machine is no failure.
async fn scroll(page: &Page, what: &str, selector: &str) {
    let client = &page.browser.client;
    let frames = client
        .execute_async(SCROLL, vec![selector.into()])
        .await
        .unwrap();
    let of = |figure: &str| frames[figure].as_f64().unwrap();
    println!(
        "{what}: frames of {:.1} ms (median), {:.1} ms (95th percentile), {:.1} ms (longest), of which \
         {:.1} ms are the page's (median); at most {} rows exist",
        of("median"),
        of("p95"),
        of("longest"),
        of("work"),
        of("rows"),
    );
    assert!(of("rows") < 200.0, "only what is in view exists");
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn ten_thousand_spans_are_one_trace_to_scroll_through() {
    let page = Page::open().await;
    let start = now();
    let spans = (1..=SPANS).map(|id| {
        let offset = id * 90_000;
        span(
            7,
            id,
            id / 3,
            &format!("step {id}"),
            start + offset,
            1 + id % 40,
        )
    });
    page.showcase.receive(&of("many", spans.collect())).await;
    page.go("traces").await;
    page.see("a.trace-row .count", "10000").await;
    page.click("a.trace-row").await;
    page.see(".ruler-name", "10,000 of 10,000 spans").await;
    scroll(&page, "10,000 spans", ".spans").await;
    let last = "return document.querySelector(`.span-row[aria-posinset=\"10000\"]`)";
    page.until("at the last span", last).await;
    page.run("document.querySelector('.span-row').click()", Value::Null)
        .await;
    page.see(".details-head h2", "step").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn five_thousand_traces_are_one_list_to_scroll_through_while_more_come() {
    let page = Page::open().await;
    let start = now() - TRACES * 100_000_000;
    for part in 0..5 {
        let traces = (1..=TRACES / 5).map(|number| {
            let number = part * TRACES / 5 + number;
            span(
                number,
                number,
                0,
                "GET /many",
                start + number * 100_000_000,
                1 + number % 300,
            )
        });
        page.showcase.receive(&of("many", traces.collect())).await;
    }
    page.go("traces").await;
    page.see("h1 + .muted", "5,000 traces").await;
    page.run(
        "fetch('api/try/load', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{\"rate\": 20}'})",
        Value::Null,
    )
    .await;
    page.see("a.trace-row", "GET /ping").await;
    scroll(&page, "5,000 traces, 20 more a second", ".trace-list").await;
    page.close().await;
}

/// A browser opens six connections to a server.
#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn eight_tabs_are_all_live() {
    let page = Page::open().await;
    let client = &page.browser.client;
    let first = client.window().await.unwrap();
    for _ in 1..8 {
        let tab = client.new_window(true).await.unwrap().handle;
        client.switch_to_window(tab).await.unwrap();
        page.go("traces").await;
        page.see(".connection", "Live").await;
    }
    page.press("Send one ping").await;
    page.see("a.trace-row .count", "5").await;

    client.switch_to_window(first).await.unwrap();
    page.go("traces").await;
    page.see("a.trace-row .count", "5").await;
    page.go("try").await;
    page.press("One ping").await;
    page.go("traces").await;
    page.until(
        "two traces",
        "return document.querySelectorAll('a.trace-row').length === 2",
    )
    .await;
    page.close().await;
}
