//! Without a mouse.

use fantoccini::key::Key;
use serde_json::Value;

use crate::page::Page;

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn everything_is_reached_by_the_keyboard_alone() {
    let page = Page::open().await;
    page.type_text("gy").await;
    page.see("h1", "Try it").await;
    // Tab, as far as the first button of the view.
    for _ in 0..40 {
        let focused = page
            .run("return document.activeElement.textContent", Value::Null)
            .await;
        if focused == "One ping" {
            break;
        }
        page.keys(&[Key::Tab]).await;
    }
    page.keys(&[Key::Enter]).await;
    page.see(".said", "1 × 200").await;

    page.type_text("gt").await;
    page.see("a.trace-row .count", "5").await;
    page.type_text("/").await;
    page.until(
        "the search in focus",
        "return document.activeElement.id === 'search'",
    )
    .await;
    page.type_text("pong-request").await;
    page.until(
        "the search in the address",
        "return location.hash.includes('text=pong-request')",
    )
    .await;
    page.see("a.trace-row", "GET /ping").await;
    page.keys(&[Key::Escape, Key::Down]).await;
    page.until(
        "the row in focus",
        "return document.activeElement.matches('a.trace-row')",
    )
    .await;
    page.keys(&[Key::Enter]).await;

    page.until(
        "five spans",
        "return document.querySelectorAll('.span-row').length === 5",
    )
    .await;
    page.keys(&[Key::Down, Key::Down]).await;
    page.see(".span-row.chosen", "ping-request").await;
    page.keys(&[Key::Right, Key::Right]).await;
    page.see(".span-row.chosen", "GET /pong").await;
    page.keys(&[Key::Left]).await;
    page.until(
        "four spans",
        "return document.querySelectorAll('.span-row').length === 4",
    )
    .await;
    page.keys(&[Key::Enter]).await;
    page.until(
        "the details in focus",
        "return document.activeElement.matches('.details-body')",
    )
    .await;
    page.keys(&[Key::Escape]).await;
    page.see_no(".details").await;
    page.keys(&[Key::Escape]).await;
    page.see("h1", "Traces").await;
    page.close().await;
}
