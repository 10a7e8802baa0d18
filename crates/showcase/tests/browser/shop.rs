//! What the page says of services that are not ours: no more than their spans say.

use serde_json::{Value, json};

use crate::{
    page::Page,
    recorded,
    spans::{now, of, span},
};

/// Opens the first trace that the search finds, and the details of the last span with that name: a call and its answer may
/// share one.
async fn open(page: &Page, search: &str, span: &str) {
    page.go(&format!("traces?{search}")).await;
    let (_, wanted) = search.split_once('=').unwrap();
    let only = format!(
        "const rows = [...document.querySelectorAll('a.trace-row')];
        return rows.length > 0 && rows.every((row) => row.textContent.includes({}))",
        json!(wanted)
    );
    page.until("those that match", &only).await;
    page.click("a.trace-row").await;
    page.see(".span-row", span).await;
    let choose = "
        const rows = [...document.querySelectorAll('.span-row')];
        rows.findLast((row) => row.querySelector('.text').textContent === arguments[0]).click()";
    page.run(choose, json!(span)).await;
    page.see(".details-head h2", span).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_span_was_made_by_what_its_scope_names() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.see(".connection", "Live").await;
    for (search, span, scope) in [
        ("service=storefront", "GET /checkout", "storefront"),
        ("service=stock", "SELECT shelves", "stock"),
        ("service=payments", "charge card", "payments"),
        ("service=orders", "SELECT stock", "orders"),
    ] {
        open(&page, search, span).await;
        page.see(".why .badge", scope).await;
        let text = page.text(".why").await;
        assert!(
            !text.contains("manual") && !text.contains("automatic"),
            "{text}"
        );
    }
    page.showcase
        .receive(&json!({"resourceSpans": [{"scopeSpans": [{"spans": [span(1, 1, 0, "bare", now(), 5)]}]}]}))
        .await;
    open(&page, "text=bare", "bare").await;
    page.see(".why .badge", "not said").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_header_is_shown_where_the_spans_say_that_it_was_sent_and_with_which_flags() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    // Go says that the parent of its span is remote, and with which flags the context came.
    open(&page, "service=stock", "GET /stock/{item}").await;
    page.see(".details", "parent in another process").await;
    let header = page.text("[aria-label=traceparent]").await;
    assert!(
        header.starts_with("traceparent: 00-") && header.ends_with("-01"),
        "{header}"
    );
    // Nobody is called by these, or Python does not say the flags.
    for (search, span) in [
        ("service=stock", "SELECT shelves"),
        ("service=payments", "POST /payments"),
        ("service=payments", "charge card"),
    ] {
        open(&page, search, span).await;
        page.see(".details .section summary", "Context").await;
        assert_eq!(page.count("[aria-label=traceparent]").await, 0, "{span}");
        let bare = "return [...document.querySelectorAll('.details .section')].some((section) =>
            [...section.childNodes].some((child) => child.nodeType === Node.TEXT_NODE))";
        assert_eq!(
            page.run(bare, Value::Null).await,
            false,
            "nothing in its place"
        );
    }
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn one_failure_is_one_however_many_spans_fail_with_it_and_leads_to_where_it_began() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("traces?service=payments&errors=true").await;
    page.see(".badge.error", "failed in payments").await;
    page.click("a.trace-row").await;
    page.see(".failed", "It began in payments: charge card")
        .await;
    page.see(".failed", "and made 3 more spans fail").await;
    page.click(".failed a").await;
    page.see(".span-row.chosen", "charge card").await;
    page.see(".details .event-name", "exception").await;

    let mut spans = vec![
        span(9, 1, 0, "root", now(), 50),
        span(9, 2, 1, "late", now(), 40),
        span(9, 3, 1, "early", now(), 20),
    ];
    for span in &mut spans {
        span["status"] = json!({"code": 2});
    }
    page.showcase.receive(&of("twice", spans)).await;
    page.go("traces?service=twice").await;
    page.see(".badge.error", "2 failures").await;
    page.click("a.trace-row").await;
    page.see(".failed", "The first began in twice: early").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_trace_without_a_root_has_the_name_of_its_first_span_and_says_who_called() {
    let page = Page::open().await;
    let mut called = span(1, 2, 1, "GET /from-a-browser", now(), 5);
    called["kind"] = json!(2);
    let waiting = span(2, 2, 1, "half a trace", now(), 5);
    page.showcase
        .receive(&of("shop", vec![called, waiting]))
        .await;
    page.go("traces").await;
    for (name, list, head) in [
        (
            "GET /from-a-browser",
            "called from outside",
            "Called from outside",
        ),
        ("half a trace", "its parent is missing", "Parent missing"),
    ] {
        let row = "
            const row = [...document.querySelectorAll('a.trace-row')].find((row) => row.querySelector('.name')?.textContent === arguments[0]);
            return row?.querySelector('.caller').textContent ?? ''";
        page.see("a.trace-row .name", name).await;
        assert_eq!(page.run(row, json!(name)).await, list);
        page.go(&format!(
            "traces?text={}",
            name.replace(' ', "%20").replace('/', "%2F")
        ))
        .await;
        page.until(
            "one",
            "return document.querySelectorAll('a.trace-row').length === 1",
        )
        .await;
        page.click("a.trace-row").await;
        page.see(".title .badge", head).await;
        page.go("traces").await;
    }
    page.close().await;
}

const COLOURS: &str = "
    return Object.fromEntries([...document.querySelectorAll('.map .node')].map((node) =>
        [node.title, node.style.getPropertyValue('--colour')]))";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn ten_services_have_ten_colours_which_stay() {
    let page = Page::open().await;
    let spans: Vec<Value> = (1..=10)
        .map(|number| {
            of(
                &format!("service {number}"),
                vec![span(number, number, 0, "work", now(), 5)],
            )
        })
        .collect();
    for one in &spans {
        page.showcase.receive(one).await;
    }
    page.go("map").await;
    page.until(
        "ten",
        "return document.querySelectorAll('.map .node').length === 10",
    )
    .await;
    let all_known = "
        const colours = [...document.querySelectorAll('.map .node')].map((node) => node.style.getPropertyValue('--colour'));
        return new Set(colours).size === 10";
    page.until("ten colours", all_known).await;
    let before = page.run(COLOURS, Value::Null).await;
    // In another order than before, and from another view.
    page.go("traces").await;
    page.browser.client.refresh().await.unwrap();
    page.see("a.trace-row", "work").await;
    page.go("map").await;
    page.until("ten colours", all_known).await;
    assert_eq!(page.run(COLOURS, Value::Null).await, before);
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn times_are_utc_with_a_date_where_it_is_not_today_and_long_durations_in_hours() {
    let page = Page::open().await;
    let zone = json!({"timezoneId": "Pacific/Auckland"});
    page.browser
        .devtools("Emulation.setTimezoneOverride", zone)
        .await;
    let hours = 7 * 3_600_000;
    page.showcase
        .receive(&of("old", vec![span(1, 1, 0, "a night", 1_000_000, hours)]))
        .await;
    let start = now();
    page.showcase
        .receive(&of("new", vec![span(2, 2, 0, "just now", start, 90_000)]))
        .await;
    page.go("traces").await;
    page.see(".columns", "UTC").await;
    page.see("a.trace-row .time", "1970-01-01 00:00:00").await;
    page.see("a.trace-row .ms", "7 h").await;
    page.see("a.trace-row .ms", "1 min 30 s").await;
    let second = start / 1_000_000_000 % 86_400;
    let time = format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    page.see("a.trace-row .time", &time).await;
    page.go("traces?service=old").await;
    page.until(
        "one",
        "return document.querySelectorAll('a.trace-row').length === 1",
    )
    .await;
    page.click("a.trace-row").await;
    page.see(".facts", "1970-01-01 00:00:00.001 UTC").await;
    page.see(".tick", "2 h").await;
    page.close().await;
}
