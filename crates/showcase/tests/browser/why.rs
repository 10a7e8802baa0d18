//! *Why slow?*: what some traces have and the others have not.

use serde_json::{Value, json};

use crate::{
    accessible,
    page::Page,
    spans::{now, of, span},
};

/// Traces of which one in ten is slow: those that have missed the cache. An id is another one in each.
const TRACES: u64 = 200;

async fn open() -> Page {
    let page = Page::open().await;
    let start = now() - TRACES * 1_000_000_000;
    let spans = (0..TRACES).map(|n| {
        let is_slow = n.is_multiple_of(10);
        let millis = if is_slow { 900 + n } else { 10 + n % 7 };
        let mut span = span(n + 1, 1, 0, "GET /cart", start + n * 1_000_000_000, millis);
        let attribute =
            |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        span["attributes"] = json!([
            attribute("cart.id", &format!("cart {n}")),
            attribute("cache.result", if is_slow { "not there" } else { "found" }),
            attribute("http.route", "/cart"),
        ]);
        span
    });
    page.showcase.receive(&of("cart", spans.collect())).await;
    page.go("traces").await;
    page.see(".title", "200 traces").await;
    page
}

const FIRST: &str = ".reasons-answer tbody tr:first-child";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH, and axe-core in target/programs"]
async fn what_the_slow_traces_have_comes_first_and_filters_the_list() {
    let page = open().await;
    page.press("The slowest tenth").await;
    page.see(".reasons-answer", "20 traces, compared with 180 others")
        .await;
    page.see(FIRST, "cache.result = not there").await;
    let cells = page.text(FIRST).await;
    assert!(cells.contains("100 %") && cells.contains("0 %"), "{cells}");
    assert_eq!(
        page.count(".reasons-answer tbody tr").await,
        1,
        "ids are no reason"
    );
    let axe = accessible::axe();
    for (width, height) in [(360, 780), (1440, 900)] {
        page.size(width, height).await;
        for theme in ["light", "dark"] {
            page.system_is(theme).await;
            let shown = format!("why-{theme}-{width}");
            accessible::assert_no_violation(&page, &axe, &shown).await;
            page.assert_fits(&shown).await;
            page.picture(&shown).await;
        }
    }
    page.click(&format!("{FIRST} button")).await;
    page.see(".title", "20 traces of 200").await;
    let address = page.run("return location.hash", Value::Null).await;
    assert_eq!(address, "#/traces?attribute=cache.result%3Dnot+there");
    page.see_no(".reasons-answer").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn traces_are_chosen_by_dragging_over_their_dots() {
    let page = open().await;
    // The upper half of the picture: those that are slow.
    let drag = "
        const canvas = document.querySelector('.scatter canvas');
        const { left, top, width, height } = canvas.getBoundingClientRect();
        const at = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {
            bubbles: true, pointerId: 1, pointerType: 'mouse', button: 0, buttons: 1, clientX: left + x, clientY: top + y }));
        canvas.setPointerCapture = () => {};
        at('pointerdown', 60, 4);
        at('pointermove', width / 2, height / 4);
        at('pointermove', width - 4, height / 2);
        at('pointerup', width - 4, height / 2);
        at('click', width - 4, height / 2);";
    page.run(drag, Value::Null).await;
    page.see(".reasons-answer h2", "Those you have dragged over")
        .await;
    page.see(".reasons-answer", "20 traces, compared with 180 others")
        .await;
    page.see(FIRST, "cache.result = not there").await;
    let address = page.run("return location.hash", Value::Null).await;
    assert_eq!(address, "#/traces", "a drag opens no trace");
    page.press("Close").await;
    page.see_no(".reasons-answer").await;
    page.close().await;
}
