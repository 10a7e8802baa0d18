//! The view *Metrics*.

use serde_json::{Value, json};

use crate::{page::Page, recorded};

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn every_kind_of_instrument_is_drawn_and_its_dots_open_traces() {
    let page = Page::open().await;
    page.go("metrics").await;
    page.see(".empty, .instruments", "").await;
    recorded::send(&page.showcase).await;
    page.see(".instruments .of", "storefront").await;
    let of = |service: &str, name: &str| {
        format!("metrics?service={service}&scope={service}&name={name}")
    };

    // A counter by an attribute, as rates.
    page.go(&of("payments", "payments.taken")).await;
    page.see(".instrument .legend", "payment.card=visa").await;
    page.see(".instrument .legend", "payment.card=amex").await;
    page.see(".instrument h3", "A second").await;
    assert_eq!(page.count(".instrument path.line").await, 2);
    page.run(
        "const select = document.querySelector('.instrument select'); select.value = ''; select.onchange({ currentTarget: select })",
        Value::Null,
    )
    .await;
    let lines = |count: usize| {
        format!("return document.querySelectorAll('.instrument path.line').length === {count}")
    };
    page.until("one line", &lines(1)).await;
    page.until("in the address", "return location.hash.endsWith('&by=')")
        .await;

    // An up-down counter and a gauge as they are.
    page.go(&of("payments", "payments.balance")).await;
    page.see(".instrument h3", "Value").await;
    page.see(".instrument .legend", "679 EUR").await;
    page.go(&of("stock", "stock.left")).await;
    page.until("three items", &lines(3)).await;

    // Histograms with given and with exponential buckets.
    for (service, kind) in [("storefront", "histogram"), ("stock", "exponential")] {
        page.go(&of(service, "http.server.request.duration")).await;
        page.see(".instrument .badge", kind).await;
        page.see(".instrument h3", "Distribution").await;
        page.until("three percentiles and a rate", &lines(4)).await;
        let drawn = "
            const canvas = document.querySelector('.heat canvas');
            return canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((part) => part > 0);";
        page.until("a heat map", drawn).await;
    }
    let label = "return document.querySelector('.heat a.mark').getAttribute('aria-label')";
    let label = page.run(label, Value::Null).await;
    assert!(label.as_str().unwrap().contains(" ms, trace "), "{label}");
    page.run(
        "document.querySelector('.heat a.mark').click()",
        Value::Null,
    )
    .await;
    page.see(".span-row.chosen", "/stock/{item}").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn an_instrument_is_found_by_what_is_typed_while_figures_arrive() {
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    page.go("metrics").await;
    page.see(".instruments .of", "storefront").await;
    page.click("#search").await;
    for key in "eventloop".chars() {
        page.type_text(&key.to_string()).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    assert_eq!(
        page.run(
            "return document.getElementById('search').value",
            Value::Null
        )
        .await,
        "eventloop"
    );
    page.until(
        "one",
        "return document.querySelectorAll('.instruments a').length === 1",
    )
    .await;
    page.click(".instruments li a").await;
    page.see(".instrument h2", "nodejs.eventloop.utilization")
        .await;
    page.close().await;
}

/// Lines of points: names with their values, and the percentiles of the first one's last step.
const LINES: &str = "
    const [[kind, rows, times], done] = [arguments[0], arguments[arguments.length - 1]];
    import('/page/model/instrument.js').then(({ pointsOf, lines, percentiles }) => {
        const found = lines(pointsOf(rows), kind, '*', times, 1000);
        const last = (share) => percentiles(found[0], share).at(-1);
        done([found.map(({ name, values }) => [name, values]), [last(0.5), last(0.99)]]);
    }, (error) => done(String(error)));";

async fn lines(page: &Page, kind: Value, points: Vec<Value>, seconds: u64) -> Value {
    let rows: Vec<_> = points
        .into_iter()
        .map(|mut point| {
            for time in ["time_unix_nanos", "start_unix_nanos"] {
                point[time] = json!(point[time].as_f64().unwrap() * 1e9);
            }
            point
        })
        .collect();
    let times: Vec<_> = (1..=seconds).map(|second| second * 1000).collect();
    let arguments = vec![json!([kind, rows, times])];
    page.browser
        .client
        .execute_async(LINES, arguments)
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH"]
async fn rates_and_percentiles_are_those_of_the_points() {
    let page = Page::open().await;
    let point = |start: f64, time: f64, value: f64, attributes: &str| json!({"kind": "sum", "start_unix_nanos": start, "time_unix_nanos": time, "value": value, "attributes": attributes, "resource": 1});
    // A counter that began anew at 4 s, and one that lasts over two steps.
    let counter = json!({"kind": "sum", "temporality": "cumulative", "monotonic": 1});
    let points = vec![
        point(1.0, 2.0, 10.0, r#"{"a": 1}"#),
        point(1.0, 3.0, 30.0, r#"{"a": 1}"#),
        point(4.0, 5.0, 5.0, r#"{"a": 1}"#),
        point(1.0, 2.0, 0.0, r#"{"a": 2}"#),
        point(1.0, 4.0, 8.0, r#"{"a": 2}"#),
    ];
    let found = lines(&page, counter, points, 5).await;
    assert_eq!(
        found[0],
        json!([
            ["a=1", [null, 10, 20, null, 5]],
            ["a=2", [null, 0, 4, 4, null]]
        ])
    );

    // What is counted from point to point.
    let delta = json!({"kind": "sum", "temporality": "delta", "monotonic": 1});
    let points = vec![point(0.0, 1.0, 3.0, "{}"), point(1.0, 3.0, 4.0, "{}")];
    assert_eq!(
        lines(&page, delta, points, 3).await[0],
        json!([["", [3, 2, 2]]])
    );
    let level = json!({"kind": "sum", "temporality": "delta", "monotonic": 0});
    let points = vec![point(0.0, 1.0, 3.0, "{}"), point(1.0, 2.0, -1.0, "{}")];
    assert_eq!(
        lines(&page, level, points, 2).await[0],
        json!([["", [3, 2]]])
    );

    // Of exponential buckets, of which the later ones are coarser: 1 to 2 has 2 more, 2 to 4 has 2.
    let histogram = |time: f64, count: u64, buckets: Value| {
        let buckets = buckets.to_string();
        json!({"kind": "exponential_histogram", "start_unix_nanos": 1.0, "time_unix_nanos": time, "count": count, "attributes": "{}",
            "resource": 1, "buckets": buckets})
    };
    let buckets = |scale: i32, counts: Value| {
        json!({"scale": scale, "zero_count": 0, "zero_threshold": 0.0, "positive": {"offset": 0, "counts": counts},
            "negative": {"offset": 0, "counts": []}})
    };
    let kind =
        json!({"kind": "exponential_histogram", "temporality": "cumulative", "monotonic": null});
    let points = vec![
        histogram(2.0, 2, buckets(1, json!([1, 1]))),
        histogram(3.0, 6, buckets(0, json!([4, 2]))),
    ];
    let found = lines(&page, kind, points, 3).await;
    assert_eq!(found[0], json!([["", [null, 2, 4]]]));
    assert_eq!(found[1][0], 2, "half of four are up to 2");
    assert_eq!(found[1][1].as_f64().unwrap(), 2.0 + 2.0 * 0.98);
    page.close().await;
}
