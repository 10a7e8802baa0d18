//! The flame graph of a trace, and its figures by name.

use serde_json::{Value, json};

use crate::{
    page::Page,
    spans::{now, of, span},
};

const MS: u64 = 1_000_000;

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn time_is_counted_for_the_span_that_took_it_itself() {
    let page = Page::open().await;
    let start = now();
    // The root waits for two calls, which overlap, and for another thing; one of the calls waits itself.
    let spans = vec![
        span(1, 1, 0, "root", start, 100),
        span(1, 2, 1, "call", start + 10 * MS, 40),
        span(1, 3, 1, "call", start + 30 * MS, 40),
        span(1, 4, 2, "query", start + 20 * MS, 10),
        span(1, 5, 1, "other", start + 80 * MS, 5),
    ];
    page.showcase.receive(&of("shop", spans)).await;
    page.go(&format!("trace/{:032x}", 1)).await;
    page.see(".span-row", "root").await;
    page.press_link("Flame graph").await;
    page.see(".flame-frames", "query").await;
    let rows = "return [...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText))";
    let rows = page.run(rows, Value::Null).await;
    // Name, service, spans, errors, own time, its share, mean, longest.
    assert_eq!(
        rows,
        json!([
            [
                "call", "shop", "2", "0", "70.0 ms", "58.3 %", "40.0 ms", "40.0 ms"
            ],
            [
                "root", "shop", "1", "0", "35.0 ms", "29.2 %", "100 ms", "100 ms"
            ],
            [
                "query", "shop", "1", "0", "10.0 ms", "8.33 %", "10.0 ms", "10.0 ms"
            ],
            [
                "other", "shop", "1", "0", "5.00 ms", "4.17 %", "5.00 ms", "5.00 ms"
            ],
        ])
    );

    let frames = "
        return [...document.querySelectorAll('.flame-frames button')]
            .map((frame) => [frame.textContent, Math.round(parseFloat(frame.style.width)), parseFloat(frame.style.top) / 26])
            .sort(([, a, x], [, b, y]) => x - y || b - a);";
    let all = page.run(frames, Value::Null).await;
    assert_eq!(
        all,
        json!([
            ["root", 100, 0],
            ["call", 67, 1],
            ["other", 4, 1],
            ["query", 8, 2]
        ])
    );
    page.press("call").await;
    page.until(
        "the call as wide as the graph",
        "return document.querySelectorAll('.flame-frames button').length === 3",
    )
    .await;
    let all = page.run(frames, Value::Null).await;
    assert_eq!(
        all,
        json!([["root", 100, 0], ["call", 100, 1], ["query", 13, 2]])
    );
    page.press("call").await;
    page.see(".flame-frames", "other").await;
    page.close().await;
}
