//! What somebody types, selects, opens or scrolls stays while figures and traces arrive.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    page::Page,
    recorded,
    spans::{now, of, span},
};

/// As somebody types who looks at the keys: slower than figures come.
const KEY: Duration = Duration::from_millis(150);

/// Views of the page, and the texts' fields of one, as selectors.
const VIEWS: &str =
    "return [...document.querySelectorAll('.nav a')].map((link) => link.hash.slice(2))";
const FIELDS: &str = "
    const fields = [...document.querySelectorAll('main input:not([type=checkbox]), main textarea')];
    return fields.filter((field) => field.checkVisibility() && !field.disabled).map((field, index) => {
        field.dataset.typed = index;
        return [field.type, `[data-typed='${index}']`];
    });";
const VALUE: &str = "return document.querySelector(arguments[0]).value";

/// Requests at such a rate that something is drawn all the time.
async fn traffic(page: &Page) {
    let load = "
        const [rate] = arguments;
        return fetch('api/try/load', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({ rate })})
            .then((answer) => answer.status)";
    assert_eq!(page.run(load, json!(10)).await, 200);
}

async fn type_slowly(page: &Page, text: &str) {
    for key in text.chars() {
        page.type_text(&key.to_string()).await;
        sleep(KEY).await;
    }
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn no_field_of_any_view_loses_what_is_typed_while_figures_arrive() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    traffic(&page).await;
    let views = page.run(VIEWS, Value::Null).await;
    let mut fields = 0;
    for view in views.as_array().unwrap() {
        let view = view.as_str().unwrap();
        page.go(view).await;
        page.see("main h1", "").await;
        let found = page.run(FIELDS, Value::Null).await;
        for field in found.as_array().unwrap() {
            let [kind, selector] = [0, 1].map(|place| field[place].as_str().unwrap());
            let text = match kind {
                "number" => "1234.5",
                _ => "http.route=\"/stock/{item}\"",
            };
            page.run(
                "const field = document.querySelector(arguments[0]); field.focus(); field.select()",
                json!(selector),
            )
            .await;
            type_slowly(&page, text).await;
            let held = page.run(VALUE, json!(selector)).await;
            assert_eq!(held, text, "{view}: {selector}");
            fields += 1;
        }
    }
    assert!(fields >= 3, "text, attributes and duration at least");
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn attributes_are_kept_while_one_thinks_and_then_searched_for() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    traffic(&page).await;
    page.go("traces").await;
    page.click("#attributes").await;
    type_slowly(&page, "http.route").await;
    page.see("#attributes-wrong", "http.route=value").await;
    page.rounds(3).await;
    assert_eq!(page.run(VALUE, json!("#attributes")).await, "http.route");
    // In the middle, as one mends a word.
    page.run(
        "document.querySelector('#attributes').setSelectionRange(0, 4)",
        Value::Null,
    )
    .await;
    type_slowly(&page, "url").await;
    assert_eq!(page.run(VALUE, json!("#attributes")).await, "url.route");
    page.run(
        "document.querySelector('#attributes').select()",
        Value::Null,
    )
    .await;
    type_slowly(&page, "http.route=/pong").await;
    page.see("#attributes-wrong:empty", "").await;
    page.until(
        "only those",
        "return location.hash.includes('attribute=http.route') && [...document.querySelectorAll('a.trace-row .name')].every((name) => name.textContent === 'GET /ping')",
    )
    .await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn selection_scroll_and_open_sections_outlast_redraws() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("traces?text=POST%20%2Forders").await;
    page.click("a.trace-row").await;
    page.click(".span-row").await;
    page.see(".details .pairs", "").await;
    traffic(&page).await;
    let act = "
        window.marked = [...document.querySelectorAll('.section')].map((section) => [section, section.open = !section.open]);
        const body = document.querySelector('.details-body');
        body.scrollTop = 40;
        const range = document.createRange();
        range.selectNodeContents(document.querySelector('.details-head h2'));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        document.querySelector('.details .row button:last-child').focus({ preventScroll: true });
        window.focused = document.activeElement;
        return [body.scrollTop, String(getSelection())]";
    let before = page.run(act, Value::Null).await;
    assert_eq!(before[0], 40, "there is enough to scroll");
    page.rounds(4).await;
    let state = "
        return [document.querySelector('.details-body').scrollTop, String(getSelection()), document.activeElement === window.focused,
            window.marked.every(([section, open]) => section.isConnected && section.open === open)]";
    let after = page.run(state, Value::Null).await;
    assert_eq!(after, json!([before[0], before[1], true, true]));
    page.close().await;
}

/// A menu of the system cannot be looked into; what it shows are the elements of its options.
#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn choices_do_not_change_under_the_hand() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("traces").await;
    page.see(".search option", "stock").await;
    let hold = "
        const select = document.querySelector('.search select');
        select.focus();
        window.held = [...select.options];";
    page.run(hold, Value::Null).await;
    let another = span(7, 7, 0, "GET /another", now(), 5);
    page.showcase.receive(&of("another", vec![another])).await;
    page.see("a.trace-row", "another").await;
    traffic(&page).await;
    page.rounds(4).await;
    let same = "
        const { options } = document.querySelector('.search select');
        return options.length === window.held.length && window.held.every((option, index) => option === options[index])";
    assert_eq!(page.run(same, Value::Null).await, true);
    page.run("document.activeElement.blur()", Value::Null).await;
    page.see(".search option", "another").await;
    page.close().await;
}
