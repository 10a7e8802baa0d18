//! What axe-core, the checker of accessibility, finds.

use std::path::Path;

use serde_json::{Value, json};

use crate::page::Page;

/// Where npm has put it, see `.ci/run`.
const AXE: &str = "../../target/programs/npm/node_modules/axe-core/axe.min.js";

const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    axe.run().then(({ violations }) => done(violations.map(({ id, help, nodes }) => [id, help, ...nodes.map((node) => node.html)])));";

/// The checker, to be run in a page.
pub(crate) fn axe() -> String {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
    std::fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{axe:?}: {error}"))
}

/// Expects that nothing is wrong with the view that is shown.
pub(crate) async fn assert_no_violation(page: &Page, axe: &str, view: &str) {
    page.run(axe, Value::Null).await;
    let client = &page.browser.client;
    let found = client.execute_async(CHECK, vec![]).await.unwrap();
    assert_eq!(found, json!([]), "{view}: {found:#}");
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH, and axe-core in target/programs"]
async fn no_view_has_a_violation_in_either_theme_wide_or_narrow() {
    let axe = axe();
    let page = Page::open().await;
    page.go("try").await;
    page.press("30 %").await;
    page.see("[aria-label='Make pong fail'] .said", "restarted")
        .await;
    page.press("A hundred").await;
    page.see("[aria-label='Send requests'] .said", "100 sent")
        .await;
    page.go("traces").await;
    page.see("h1 + .muted", "100 traces").await;
    page.see("a.trace-row .badge.error", "failed in").await;
    let href =
        "return document.querySelector('.place:has(.badge.error) a').getAttribute('href').slice(2)";
    let trace = page.run(href, Value::Null).await;
    let trace = trace.as_str().unwrap();
    let compare = trace.replace("trace/", "compare/");
    let id = trace.replace("trace/", "");

    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        for theme in ["light", "dark"] {
            page.system_is(theme).await;
            for (view, shown) in [
                ("", ".chart"),
                ("traces", "a.trace-row"),
                (trace, ".span-row"),
                ("map", ".map .node"),
                (&format!("{compare}/{id}"), ".side"),
                ("try", ".try-card"),
                ("status", ".snippet"),
                ("traces?text=nothing-has-this", ".empty"),
            ] {
                page.go(view).await;
                page.see(shown, "").await;
                if view == trace {
                    page.click(".span-row").await;
                    page.see(".details", "").await;
                }
                assert_no_violation(&page, &axe, &format!("{view}, {theme}, {width}")).await;
            }
        }
    }
    page.close().await;
}
