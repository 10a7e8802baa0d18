//! A trace that somebody made to harm whoever looks at it.

use serde_json::{Value, json};

use crate::{
    page::Page,
    spans::{now, of, span},
};

const MARKUP: &str = "<img src=x onerror=\"window.harmed = 1\"><script>window.harmed = 1</script>";

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn text_of_a_span_is_shown_and_never_run() {
    let page = Page::open().await;
    let mut hostile = span(1, 1, 0, MARKUP, now(), 5);
    let pair = json!({"key": MARKUP, "value": {"stringValue": MARKUP}});
    hostile["attributes"] = json!([pair, {"key": "url.full", "value": {"stringValue": "javascript:window.harmed = 1"}}]);
    hostile["events"] =
        json!([{"name": MARKUP, "timeUnixNano": now().to_string(), "attributes": [pair]}]);
    hostile["status"] = json!({"code": 2, "message": MARKUP});
    hostile["links"] = json!([{"traceId": format!("{:032x}", 2), "spanId": format!("{:016x}", 2), "attributes": [pair]}]);
    page.showcase.receive(&of(MARKUP, vec![hostile])).await;

    page.go("traces").await;
    page.see("a.trace-row .name", MARKUP).await;
    page.click("a.trace-row").await;
    page.click(".span-row").await;
    page.see(".details-head h2", MARKUP).await;
    page.see(".details .event-name", MARKUP).await;
    page.see(".details .pairs dd", MARKUP).await;
    page.go("map").await;
    page.see(".map svg", "<img").await;
    page.go(&format!("compare/{:032x}/{:032x}", 1, 1)).await;
    page.see(".side", MARKUP).await;
    let nameless = json!({"name": MARKUP});
    let answer = page.showcase.send(&of(MARKUP, vec![nameless])).await;
    assert!(answer.contains("partialSuccess"), "{answer}");
    page.go("status").await;
    page.see(".refusals", "otlp/http, 1×").await;
    page.see(".refusals", "<img src=x").await;
    for view in [
        "traces?text=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "trace/%3Cscript%3E",
    ] {
        page.go(view).await;
        page.see("h1, h2", "").await;
    }
    assert_eq!(
        page.run("return window.harmed ?? null", Value::Null).await,
        Value::Null
    );
    assert_eq!(page.count("main img, main script").await, 0);
    let errors = page.browser.errors().await;
    let refused = errors
        .iter()
        .all(|error| error.contains("api/v3/traces/%3Cscript%3E"));
    assert!(refused, "nothing but the trace that is none: {errors:#?}");
    page.close().await;
}
