//! The search: how one gets there, what it takes, and that it is not forgotten.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    page::Page,
    recorded,
    spans::{now, of, span},
};

const VIEWS: &str =
    "return [...document.querySelectorAll('.nav a')].map((link) => link.hash.slice(2))";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn slash_goes_to_the_search_from_every_view() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    let views = page.run(VIEWS, Value::Null).await;
    for view in views.as_array().unwrap() {
        page.go(view.as_str().unwrap()).await;
        page.see("main h1", "").await;
        page.run("document.activeElement.blur()", Value::Null).await;
        page.type_text("/").await;
        page.until(
            &format!("the search in focus, from {view}"),
            "return document.activeElement.id === 'search' && document.activeElement.value === ''",
        )
        .await;
    }
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn one_comes_back_to_the_search_that_led_to_a_trace() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    let search = "#/traces?service=payments&errors=true";
    let here = format!("return location.hash === {}", json!(search));
    for way in ["arrow", "escape", "after a reload", "from another span"] {
        page.go("traces").await;
        page.see("a.trace-row", "GET /checkout").await;
        page.go(&search[2..]).await;
        page.until("those that failed", "return [...document.querySelectorAll('a.trace-row')].every((row) => row.querySelector('.badge.error'))")
            .await;
        page.click("a.trace-row").await;
        page.see(".span-row", "charge card").await;
        match way {
            "arrow" => page.click(".back").await,
            "after a reload" => {
                page.browser.client.refresh().await.unwrap();
                page.see(".span-row", "charge card").await;
                page.click(".back").await;
            }
            "from another span" => {
                page.click(".span-row[aria-posinset='2']").await;
                page.see(".details", "").await;
                page.keys(&[Key::Escape, Key::Escape]).await;
            }
            _ => page.keys(&[Key::Escape]).await,
        }
        page.until(&format!("the search, {way}"), &here).await;
    }
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn what_is_not_understood_is_said_beside_the_field_and_quotes_hold_spaces() {
    let page = Page::open().await;
    let mut quoted = span(1, 1, 0, "query", now(), 5);
    quoted["attributes"] = json!([
        {"key": "db.query.text", "value": {"stringValue": "select \"a b\""}},
        {"key": "db.system.name", "value": {"stringValue": "postgresql"}},
    ]);
    let others = vec![quoted, span(2, 2, 0, "other", now(), 5)];
    page.showcase.receive(&of("shop", others)).await;
    page.go("traces").await;
    page.see("a.trace-row", "query").await;
    let clear = "document.querySelector('#attributes').select()";
    for (typed, words) in [
        ("http.route", "write http.route=value"),
        ("=x", "no key before"),
        ("db.query.text=select 1", "db.query.text=\"select 1\""),
        ("a=\"b", "no closing quotation mark"),
        ("a=", "a=\"\" for an empty one"),
    ] {
        page.click("#attributes").await;
        page.run(clear, Value::Null).await;
        page.type_text(typed).await;
        page.see("#attributes-wrong", words).await;
        page.see("#attributes[aria-invalid]", "").await;
    }
    page.run(clear, Value::Null).await;
    page.type_text(r#"db.system.name=postgresql db.query.text="select \"a b\"""#)
        .await;
    page.see_no("#attributes[aria-invalid]").await;
    page.until(
        "the one that has both",
        "return [...document.querySelectorAll('a.trace-row .name')].map((name) => name.textContent).join() === 'query'",
    )
    .await;
    // It can be shared, and is written as it was typed.
    page.browser.client.refresh().await.unwrap();
    page.until(
        "both in the field",
        r#"return document.querySelector('#attributes')?.value === 'db.system.name=postgresql db.query.text="select \\"a b\\""'"#,
    )
    .await;
    page.go("traces?minDuration=-1").await;
    page.see("#at-least-wrong", "not negative").await;
    let _ = page.browser.errors().await; // the browser reports the answer 400
    page.close().await;
}
