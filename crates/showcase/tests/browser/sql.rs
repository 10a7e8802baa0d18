//! The view *SQL*.

use std::path::Path;

use serde_json::{Value, json};

use crate::{page::Page, recorded, within::within};

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn each_ready_question_is_answered_as_a_table_and_over_time_as_a_chart() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("sql").await;
    page.see(".empty", "No question yet").await;
    let name = "return document.querySelectorAll('.sql-ready li button')[arguments[0]].textContent";
    for question in 0..10 {
        let name = page.run(name, json!(question)).await;
        let name = name.as_str().unwrap();
        page.press(name).await;
        page.see(".sql-ready [aria-pressed=true]", name).await;
        page.see("#sql-said", " in ").await;
        page.see(".sql tbody td", "").await;
        let is_over_time =
            ["Rate and duration by minute", "Log records by severity"].contains(&name);
        assert_eq!(
            page.count(".sql-charts").await,
            usize::from(is_over_time),
            "{name}"
        );
    }
    assert_eq!(page.count(".sql-ready li").await, 10);

    // An id leads to what it names.
    page.press("Failed spans, newest first").await;
    page.see(".sql tbody tr", "out of stock").await;
    page.click(".sql tbody a[href*='/trace/']").await;
    page.see(".span-row", "").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn what_is_wrong_with_a_question_is_said_and_what_is_typed_stays() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("sql").await;
    page.click("#sql").await;
    page.run("document.getElementById('sql').select()", Value::Null)
        .await;
    let typed = "select service, nobody from spans";
    for key in typed.chars() {
        page.type_text(&key.to_string()).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    let text = "return document.getElementById('sql').value";
    assert_eq!(
        page.run(text, Value::Null).await,
        typed,
        "while figures arrive"
    );
    page.press("Run").await;
    page.see("#sql-said", "no such column: nobody").await;
    assert_eq!(page.run(text, Value::Null).await, typed);

    // Somebody else gets the same by the address.
    page.run(
        "location.hash = '#/sql?' + new URLSearchParams({q: `select service, 'x,\"y' as z from spans where name = 'charge card' limit 2`})",
        Value::Null,
    )
    .await;
    page.see("#sql-said", "2 rows").await;
    page.browser.client.refresh().await.unwrap();
    page.see("#sql-said", "2 rows").await;
    page.see("#sql", "").await;

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("downloads");
    let _ = std::fs::remove_dir_all(&folder);
    let behaviour = json!({"behavior": "allow", "downloadPath": folder});
    page.browser
        .devtools("Page.setDownloadBehavior", behaviour)
        .await;
    page.press("Save CSV").await;
    let saved = within(crate::page::LIMIT, async || {
        std::fs::read_to_string(folder.join("answer.csv")).ok()
    });
    let row = "payments,\"x,\"\"y\"\r\n";
    assert_eq!(saved.await.unwrap(), format!("service,z\r\n{row}{row}"));
    page.close_after_wrong_questions().await;
}
