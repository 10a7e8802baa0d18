//! Files that are loaded into the page.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use fantoccini::Locator;
use serde_json::Value;

use crate::{page::Page, recorded};

/// A file of this text, for as long as the tests' folder is there.
fn file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

async fn choose(page: &Page, file: &Path) {
    let input = page.browser.client.find(Locator::Css("input[type=file]"));
    let path = file.to_str().unwrap();
    input.await.unwrap().send_keys(path).await.unwrap();
}

/// What the page itself saves.
async fn saved(page: &Page, path: &str) -> String {
    let script = "return fetch(arguments[0]).then((answer) => answer.text())";
    let saved = page.run(script, path.into()).await;
    saved.as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn whatever_is_saved_can_be_loaded() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("traces").await;
    page.see(".trace-row .name", "POST /orders").await;
    let all = saved(&page, "api/export").await;
    let address = "return document.querySelector('a.trace-row').href.match(/[0-9a-f]{32}/)[0]";
    let id = page.until("a trace", address).await;
    let id = id.as_str().unwrap().to_owned();
    let jaeger = saved(&page, &format!("api/traces/{id}")).await;
    let one: Value =
        serde_json::from_str(&saved(&page, &format!("api/v3/traces/{id}")).await).unwrap();
    page.close().await;

    let page = Page::open().await;
    page.go("traces").await;
    page.see("h2", "No traces yet").await;
    choose(&page, &file("jaeger.json", &jaeger)).await;
    page.see(".loaded", "jaeger.json: ").await;
    page.see("h1 + span", "1 trace").await;
    // As the button of a trace writes it.
    let one = serde_json::to_string_pretty(&one["result"]).unwrap();
    choose(&page, &file("one.json", &one)).await;
    page.see(".loaded", "one.json: ").await;
    page.see("h1 + span", "1 trace").await;
    choose(&page, &file("all.jsonl", &all)).await;
    page.see(".loaded", "all.jsonl: ").await;
    assert_eq!(page.count(".loaded .error-text").await, 0);
    page.picture("load").await;
    page.press("Dismiss").await;
    page.see_no(".loaded").await;

    let kept = |text: &str| {
        let mut kept: Vec<_> = text.lines().map(str::to_owned).collect();
        kept.retain(|line| !line.contains("resourceMetrics")); // ping's and pong's own go on
        kept.sort();
        kept
    };
    let again = saved(&page, "api/export").await;
    assert_eq!(
        (kept(&again).len(), again.contains(&id)),
        (kept(&all).len(), true)
    );
    page.go(&format!("trace/{id}")).await;
    page.see(".span-row", "").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_long_file_loads_piece_by_piece_and_its_faults_are_told_by_line() {
    let page = Page::open().await;
    page.go("traces").await;
    // Three pieces; the fault is in the last.
    let mut text = String::new();
    for number in 1..=3_000 {
        if number == 2_900 {
            text.push_str("{\"resourceSpans\": oops}\n");
        }
        let span = format!(
            "{{\"traceId\": \"{number:032x}\", \"spanId\": \"{number:016x}\", \"name\": \"{}\"}}",
            "long name ".repeat(300)
        );
        writeln!(
            text,
            "{{\"resourceSpans\": [{{\"scopeSpans\": [{{\"spans\": [{span}]}}]}}]}}"
        )
        .unwrap();
    }
    assert!(text.len() > 8 << 20);
    choose(&page, &file("long.jsonl", &text)).await;
    page.see(".loaded", "long.jsonl: 3,000 spans").await;
    page.see(".loaded .error-text", "Line 2900: ").await;

    choose(&page, &file("picture.png", "\u{1}PNG\nno telemetry")).await;
    page.see(".loaded", "picture.png: nothing in it is OTLP's JSON")
        .await;
    page.close().await;
}
