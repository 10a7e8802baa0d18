//! The view *Logs*.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{page::Page, recorded, showcase::Showcase, spans::now};

/// A record of a service of its own.
async fn log(showcase: &Showcase, body: &str) {
    let record = json!({
        "timeUnixNano": now().to_string(), "severityNumber": 9, "severityText": "INFO",
        "body": {"stringValue": body}, "attributes": [{"key": "who", "value": {"stringValue": "two words"}}],
    });
    let message = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "later"}}]},
        "scopeLogs": [{"logRecords": [record]}],
    }]});
    assert_eq!(showcase.post("/v1/logs", &message).await, "{}");
}

/// Chooses in the list that is called so.
async fn choose(page: &Page, label: &str, value: &str) {
    let script = "
        const [label, value] = arguments[0];
        const select = [...document.querySelectorAll('label.field')].find((field) => field.firstChild.data === label).querySelector('select');
        select.value = value;
        select.onchange({ currentTarget: select });";
    page.run(script, json!([label, value])).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn records_are_found_by_service_severity_text_and_attribute() {
    let page = Page::open().await;
    page.go("logs").await;
    page.see(".empty", "No log records yet").await;
    recorded::send(&page.showcase).await;
    page.see("h1 + .muted", "76 records").await;
    choose(&page, "Severity", "17").await;
    page.see("h1 + .muted", "6 records").await;
    choose(&page, "Service", "payments").await;
    page.see("h1 + .muted", "3 records").await;
    page.see("button.log-row", "payment declined: 120 is more than 100")
        .await;
    page.until(
        "in the address",
        "return location.hash === '#/logs?severity=17&service=payments'",
    )
    .await;

    page.go("logs").await;
    page.type_text("/").await;
    page.until(
        "the search in focus",
        "return document.activeElement.id === 'search'",
    )
    .await;
    for key in "SHELF".chars() {
        page.type_text(&key.to_string()).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    page.see("h1 + .muted", "2 records").await;

    page.go("logs").await;
    page.see("h1 + .muted", "76 records").await;
    page.click("[placeholder^='key=value']").await;
    page.type_text("payment.card").await;
    page.see("#attributes-wrong", "payment.card has no value")
        .await;
    page.type_text("=amex").await;
    page.see("#attributes-wrong:empty", "").await;
    page.see("h1 + .muted", "5 records").await;
    log(&page.showcase, "a value with a space").await;
    page.go("logs?attribute=who%3Dtwo+words").await;
    page.see("button.log-row", "a value with a space").await;
    let typed = "return document.querySelector(\"[placeholder^='key=value']\").value";
    assert_eq!(page.run(typed, Value::Null).await, "who=\"two words\"");
    page.go("logs?text=nothing-says-this").await;
    page.see(".empty", "No record matches").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn a_record_leads_to_its_span_and_a_trace_to_its_records() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("logs?text=declined").await;
    page.see("h1 + .muted", "3 records").await;
    page.keys(&[Key::Down]).await;
    page.see(".details", "exception.type").await;
    page.press_link("Its span").await;
    page.see(".span-row.chosen", "POST /payments").await;
    page.see(".details .events", "payment declined").await;
    page.press_link("See them under Logs").await;
    page.see("h1 + .muted", "1 record").await;
    page.see("button.log-row", "payment declined").await;
    page.keys(&[Key::Down]).await;
    page.press_link("Its span").await;
    page.see(".span-row.chosen", "POST /payments").await;
    page.keys(&[Key::Escape]).await;
    page.press_link("Logs").await;
    page.see("h1 + .muted", "2 records").await;
    page.see("button.log-row", "checkout.done").await;
    page.press("All traces").await;
    page.see("h1 + .muted", "76 records").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_table_follows_and_stands_still_while_one_reads() {
    let page = Page::open().await;
    page.go("logs").await;
    log(&page.showcase, "first").await;
    page.see("button.log-row", "first").await;
    log(&page.showcase, "second").await;
    page.see("button.log-row", "second").await;
    page.click("button.log-row").await;
    page.see(".details", "second").await;
    log(&page.showcase, "third").await;
    page.see("button.waiting", "1 new").await;
    assert_eq!(page.count("button.log-row").await, 2);
    page.press("1 new").await;
    page.see("button.log-row", "third").await;
    page.keys(&[Key::Escape]).await;
    page.see_no(".details").await;
    page.close().await;
}
