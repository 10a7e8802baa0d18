//! The view *Services*.

use serde_json::{Value, json};

use crate::{
    page::Page,
    recorded,
    spans::{now, of, span},
};

/// Text of the cells of each row.
const ROWS: &str = "
    const rows = document.querySelectorAll(`${arguments[0]} tbody tr`);
    return [...rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()));";

async fn rows(page: &Page, within: &str) -> Vec<Vec<String>> {
    serde_json::from_value(page.run(ROWS, json!(within)).await).unwrap()
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn every_service_has_its_rate_errors_duration_and_all_that_it_says_of_itself() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("services").await;
    page.see(".service-table tr", "storefront").await;
    let all = rows(&page, ".service-table").await;
    let found: Vec<_> = all
        .iter()
        .map(|row| {
            [
                &row[0], &row[1], &row[2], &row[6], &row[7], &row[8], &row[10],
            ]
        })
        .collect();
    // By name: rate, share of errors, spans that answer, records with their errors, instances, what there is to look at.
    let expected = [
        [
            "orders",
            "0.07/min",
            "100 %",
            "1",
            "2 1 error",
            "1",
            "TracesLogsMetrics",
        ],
        [
            "payments",
            "2.27/min",
            "8.82 %",
            "34",
            "34 3 errors",
            "1",
            "TracesLogsMetrics",
        ],
        [
            "stock",
            "2.40/min",
            "0 %",
            "36",
            "2 2 errors",
            "2",
            "TracesLogsMetrics",
        ],
        [
            "storefront",
            "2.40/min",
            "8.33 %",
            "36",
            "38",
            "1",
            "TracesLogsMetrics",
        ],
    ];
    let shop = found
        .iter()
        .filter(|row| expected.iter().any(|other| other[0] == row[0]));
    assert_eq!(
        shop.collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );

    page.click(".service-table a[href='#/services/stock']")
        .await;
    page.see(".service-charts .line", "").await;
    let operations = rows(&page, "[aria-label=Operations]").await;
    let operations: Vec<_> = operations
        .iter()
        .map(|row| [&row[0], &row[1], &row[3], &row[7]])
        .collect();
    assert_eq!(
        operations,
        [
            ["GET /stock/{item}", "server", "0 %", "36"],
            ["SELECT shelves", "client", "5.56 %", "36"],
        ]
    );
    page.see("[aria-label=Resource]", "telemetry.sdk.language")
        .await;
    page.see("[aria-label=Resource] h2", "2 instances").await;
    page.see("[aria-label=Resource] .instance", "stock-2").await;
    let scopes = rows(&page, "[aria-label=Scopes]").await;
    assert_eq!(scopes[0], ["stock", "0.4.0", "72 spans"]);
    assert_eq!(scopes[1][2], "2 log records");

    page.click("[aria-label=Operations] a[href*='SELECT']")
        .await;
    page.see("h1 + .muted", "36 traces").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn what_is_older_than_the_chosen_time_is_shown_as_it_was_then() {
    let page = Page::open().await;
    page.go("services").await;
    page.see(".empty, .service-table", "").await;
    let hours = 5 * 3_600_000_000_000;
    let spans = (1..=30).map(|id| {
        span(
            id,
            id,
            0,
            "GET /old",
            now() - hours + id * 1_000_000_000,
            id,
        )
    });
    page.showcase.receive(&of("old", spans.collect())).await;
    page.see(".service-table tr", "old").await;
    page.until(
        "a time of day",
        r"return /up to (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d/.test(document.querySelector('.window-choice').textContent)",
    )
    .await;
    page.see(".service-table tr", "2/min").await;
    page.run(
        "const select = document.querySelector('.window-choice select'); select.value = '60'; select.onchange({ currentTarget: select })",
        Value::Null,
    )
    .await;
    page.see(".service-table tr", "0.50/min").await;
    page.until(
        "in the address",
        "return location.hash.includes('minutes=60')",
    )
    .await;
    page.close().await;
}
