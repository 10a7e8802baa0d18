//! How it looks: pictures of the views, in both themes, wide and narrow. They are written to `tmp/screenshots` in the
//! target folder; `docs/images/page-*` and `docs/images/readme-*` are copies of them.

use serde_json::{Value, json};

use crate::page::Page;

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn no_view_is_wider_than_the_screen() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("Always").await;
    page.see("[aria-label='Make pong fail'] .said", "always")
        .await;
    page.press("One ping").await;
    page.see("[aria-label='Send requests'] .said", "1 × 502")
        .await;
    page.go("traces").await;
    page.see("a.trace-row .count", "5").await;
    let href = "return document.querySelector('a.trace-row').getAttribute('href').slice(2)";
    let trace = page.run(href, Value::Null).await;
    let trace = trace.as_str().unwrap();

    page.go("try").await;
    page.press("100 to 400 ms").await;
    page.see("[aria-label='Make pong slow'] .said", "restarted")
        .await;
    page.press("30 %").await;
    page.see("[aria-label='Make pong fail'] .said", "30 %")
        .await;
    page.press("20/s").await;
    page.see("[aria-label='Steady load'] .said", "20 requests")
        .await;
    page.go("").await;
    // Enough for lines, dots and a few failures.
    for points in [20, 40] {
        let drawn = format!(
            "return document.querySelectorAll('a.mark').length > 4
                && document.querySelector('path.line').getAttribute('d').split('L').length > {points}"
        );
        page.until("as many points", &drawn).await;
    }
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        for theme in ["light", "dark"] {
            page.system_is(theme).await;
            for (name, view, shown) in [
                ("overview", "", ".chart"),
                ("traces", "traces", "a.trace-row"),
                ("trace", trace, ".span-row"),
                ("map", "map", ".map .node"),
                ("try-it", "try", ".try-card"),
                ("no-traces", "status", ".snippet"),
            ] {
                page.go(view).await;
                page.see(shown, "").await;
                if view == trace {
                    page.click(".span-row[aria-posinset='2']").await;
                    page.see(".details", "").await;
                }
                let shown = format!("{name}-{theme}-{width}");
                page.assert_fits(&shown).await;
                page.picture(&shown).await;
            }
        }
    }
    page.close().await;
}

/// The README's picture, the trace of a slow ping: about as wide as a README is shown, with two pixels for each of the
/// page's, so that its text stays readable there.
#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_trace_of_a_ping_fits_into_the_width_of_a_readme() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("100 to 400 ms").await;
    page.see("[aria-label='Make pong slow'] .said", "restarted")
        .await;
    // The first one connects, which takes time that later ones do not need.
    for _ in 0..2 {
        page.press("One ping").await;
        page.see("[aria-label='Send requests'] .said", "1 × 200")
            .await;
        page.go("traces").await;
        page.see("a.trace-row .count", "5").await;
        page.go("try").await;
    }
    page.go("traces").await;
    page.click("a.trace-row").await;
    page.see(".span-row[aria-posinset='5']", "pong-request")
        .await;
    let metrics = json!({"width": 880, "height": 460, "deviceScaleFactor": 2, "mobile": false});
    page.browser
        .devtools("Emulation.setDeviceMetricsOverride", metrics)
        .await;
    for theme in ["light", "dark"] {
        page.system_is(theme).await;
        let last = "return document.querySelector(\".span-row[aria-posinset='5']\").getBoundingClientRect().bottom <= innerHeight";
        assert_eq!(page.run(last, Value::Null).await, json!(true));
        page.picture(&format!("readme-{theme}")).await;
    }
    page.close().await;
}

/// Sum of the layout shifts since the page was loaded, as Chromium scores them, and what shifted.
const SHIFTS: &str = "
    const [done] = arguments;
    const shifts = [];
    new PerformanceObserver((list) => shifts.push(...list.getEntries())).observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => {
        const sum = shifts.reduce((sum, { value }) => sum + value, 0);
        done([sum, shifts.flatMap(({ sources }) => sources.map(({ node }) => node?.className ?? ''))]);
    }, 100);";

/// What web vitals call good.
const GOOD: f64 = 0.1;

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn nothing_jumps_while_a_view_is_loaded_and_traces_come() {
    let page = Page::open().await;
    page.go("try").await;
    page.press("20/s").await;
    page.see("[aria-label='Steady load'] .said", "20 requests")
        .await;
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        for (view, shown) in [
            ("", ".chart .line"),
            ("services", ".service-table a"),
            ("traces", "a.trace-row .count"),
            ("map", ".map .node"),
            ("try", ".try-card"),
            ("status", ".snippet"),
        ] {
            page.go(view).await;
            page.browser.client.refresh().await.unwrap();
            page.see(shown, "").await;
            page.see(".connection", "Live").await;
            let client = &page.browser.client;
            let came = "return fetch('api/summaries?limit=1').then((answer) => answer.json()).then(({ traces }) => traces[0].id)";
            let before = page.run(came, Value::Null).await;
            while page.run(came, Value::Null).await == before {}
            let found = client.execute_async(SHIFTS, vec![]).await.unwrap();
            assert!(
                found[0].as_f64().unwrap() <= GOOD,
                "{view} at {width}: {found}"
            );
        }
    }
    page.close().await;
}
