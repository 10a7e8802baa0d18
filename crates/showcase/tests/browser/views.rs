//! What holds for each view of a service's telemetry, whoever has sent it. Pictures are written as in `look`.

use serde_json::Value;

use crate::{accessible, page::Page, recorded};

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH, and axe-core in target/programs"]
async fn each_view_of_the_shop_is_accessible_and_fits_in_both_themes_wide_and_narrow() {
    let axe = accessible::axe();
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    let question = "sql?q=select+start_unix_nanos+/+1000000000+as+second,+service,+count(*)+as+spans+from+spans+group+by+1,+2";
    page.go("traces?service=payments&errors=true").await;
    page.see("a.trace-row", "").await;
    let id = "return document.querySelector('a.trace-row').hash.split('/')[2]";
    let flame = format!(
        "flame/{}",
        page.run(id, Value::Null).await.as_str().unwrap()
    );
    let histogram = "metrics?service=stock&scope=stock&name=http.server.request.duration";
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        for theme in ["light", "dark"] {
            page.system_is(theme).await;
            for (name, view, shown) in [
                ("services", "services", ".service-table a"),
                ("service", "services/stock", ".service-charts .line"),
                ("flame", &flame, ".flame-frames button"),
                ("logs", "logs", "button.log-row"),
                ("metrics", histogram, ".heat canvas"),
                ("sql", question, ".sql-charts .line"),
                ("sql-wrong", "sql?q=select+nothing", "#sql-said.error-text"),
                ("connect", "status", ".snippet"),
                ("logs-empty", "logs?text=nothing-says-this", ".empty"),
            ] {
                page.go(view).await;
                page.see(shown, "").await;
                if name == "logs" {
                    page.click("button.log-row").await;
                    page.see(".details", "").await;
                }
                let shown = format!("{name}-{theme}-{width}");
                accessible::assert_no_violation(&page, &axe, &shown).await;
                page.assert_fits(&shown).await;
                page.picture(&shown).await;
            }
        }
    }
    page.close_after_wrong_questions().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn two_keys_lead_to_each_view() {
    let page = Page::open().await;
    for (key, heading) in [
        ("s", "Services"),
        ("l", "Logs"),
        ("i", "Metrics"),
        ("q", "SQL"),
        ("n", "Connect a service"),
    ] {
        page.type_text("g").await;
        page.type_text(key).await;
        page.see("h1", heading).await;
    }
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_view_that_cannot_be_read_says_why_and_is_tried_again() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    let fails = "
        window.real ??= window.fetch;
        const failure = () => new Response('{\"error\": \"out of order\"}', { status: 500 });
        window.fetch = (path, request) => /api.(sql|logs)/.test(path) ? Promise.resolve(failure()) : real(path, request);";
    for (view, shown) in [
        ("services", ".service-table a"),
        ("services/stock", ".service-charts"),
        ("logs", "button.log-row"),
        ("metrics", ".instruments a"),
    ] {
        page.run(fails, Value::Null).await;
        page.go(view).await;
        page.see(".empty", "out of order").await;
        page.run("window.fetch = real", Value::Null).await;
        page.press("Try again").await;
        page.see(shown, "").await;
    }
    page.close().await;
}
