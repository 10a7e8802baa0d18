//! What the page makes of spans, asked in the browser that runs it.

use serde_json::{Value, json};

use crate::{
    page::Page,
    spans::{of, span},
};

/// Names in the order of the tree with their depths, parts of the critical path in milliseconds, orphans.
const TREE: &str = "
    const [sent, done] = arguments;
    Promise.all([import('/page/model/otlp.js'), import('/page/model/tree.js')]).then(([{ readSpans }, { makeTrace }]) => {
        const { start, spans } = readSpans(sent);
        const trace = makeTrace('1', start, spans);
        done(trace.spans.map(({ name, depth, orphan, critical }) => [name, depth, orphan, critical.sort((a, b) => a[0] - b[0])]));
    }, (error) => done(String(error)));";

const MS: u64 = 1_000_000;

async fn tree(page: &Page, spans: Vec<Value>) -> Value {
    let client = &page.browser.client;
    let answer = client.execute_async(TREE, vec![of("model", spans)]).await;
    answer.unwrap()
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn the_critical_path_is_what_the_end_had_to_wait_for() {
    let page = Page::open().await;
    // Two calls at once, of which the second ends last; then one more; one outlives its parent.
    let sent = vec![
        span(1, 1, 0, "root", 0, 100),
        span(1, 2, 1, "early", 10 * MS, 20),
        span(1, 3, 1, "late", 10 * MS, 50),
        span(1, 4, 3, "within", 20 * MS, 10),
        span(1, 5, 1, "last", 70 * MS, 50),
    ];
    let expected = json!([
        ["root", 0, false, [[0.0, 10.0], [60.0, 70.0]]],
        ["early", 1, false, []],
        ["late", 1, false, [[10.0, 20.0], [30.0, 60.0]]],
        ["within", 2, false, [[20.0, 30.0]]],
        ["last", 1, false, [[70.0, 100.0]]],
    ]);
    let found = tree(&page, sent).await;
    assert_eq!(numbers(&found), numbers(&expected));
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn spans_without_a_parent_in_circles_and_in_deep_chains_all_have_a_place() {
    let page = Page::open().await;
    let sent = vec![
        span(1, 1, 9, "orphan", 0, 10),
        span(1, 2, 3, "circle a", MS, 10),
        span(1, 3, 2, "circle b", 2 * MS, 10),
        span(1, 4, 4, "its own parent", 3 * MS, 10),
    ];
    let found = tree(&page, sent).await;
    let places: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row[0], &row[1], &row[2]))
        .collect();
    assert_eq!(
        json!(places),
        json!([
            ["orphan", 0, true],
            ["its own parent", 0, false],
            ["circle a", 0, false],
            ["circle b", 1, false],
        ])
    );

    let chain = (1..=20_000).map(|id| span(1, id, id - 1, "deeper", id, 100));
    let found = tree(&page, chain.collect()).await;
    let rows = found.as_array().unwrap_or_else(|| panic!("{found}"));
    assert_eq!((rows.len(), &rows[19_999][1]), (20_000, &json!(19_999)));
    page.close().await;
}

/// The same with every number as the browser writes it: 10 and 10.0 are one.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(numbers).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}
