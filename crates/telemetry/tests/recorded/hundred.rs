//! A hundred tests side by side, each with telemetry of its own.

use axum::body::to_bytes;
use axum::http::Method;
use opentelemetry::logs::AnyValue;
use telemetry::testing::{Recorded, record};
use telemetry::{Settings, Telemetry};
use tokio::runtime::Builder;
use tower::ServiceExt;

use crate::{attributes, orders, request};

const ORDERS: usize = 5;

/// Asks for five orders, with pauses in which others can run, and returns their paths.
async fn ask(telemetry: &Telemetry, test: usize) -> Vec<String> {
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    let app = orders::app(telemetry, "http://stock.invalid");
    let paths: Vec<_> = (0..ORDERS)
        .map(|order| format!("/orders/{}", test * ORDERS + order))
        .collect();
    for path in &paths {
        let request = request(Method::GET, path);
        let response = tokio::spawn(app.clone().oneshot(request)).await.unwrap();
        to_bytes(response.unwrap().into_body(), 1000).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    paths
}

/// The paths of the server spans, after a look at all else that was recorded.
fn paths(recorded: &Recorded) -> Vec<String> {
    let spans = recorded.spans();
    let (handlers, servers): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.name == "order");
    let handlers: Vec<_> = handlers
        .iter()
        .map(|span| span.span_context.span_id())
        .collect();
    let parents: Vec<_> = servers
        .iter()
        .map(|span| span.span_context.span_id())
        .collect();
    let children = spans.iter().filter(|span| span.name == "order");
    assert_eq!(
        children.map(|span| span.parent_span_id).collect::<Vec<_>>(),
        parents
    );

    let records = recorded.log_records();
    let found = AnyValue::from("order found");
    assert!(
        records.iter().all(|record| record.body() == Some(&found)),
        "{records:#?}"
    );
    let logged = records
        .iter()
        .map(|record| record.trace_context().unwrap().span_id);
    assert_eq!(logged.collect::<Vec<_>>(), handlers);

    let [requests] = &recorded.points("http.server.request.duration")[..] else {
        panic!()
    };
    assert_eq!(requests.count, Some(servers.len() as u64));
    servers
        .iter()
        .map(|span| attributes(span)["url.path"].clone())
        .collect()
}

async fn sees_its_own(test: usize) {
    let (telemetry, recorded) = record(orders::SERVICE, &Settings::default()).unwrap();
    let asked = ask(&telemetry, test).await;
    assert_eq!(paths(&recorded), asked);
}

/// The harness runs them in parallel.
macro_rules! ten_tests {
    ($($ten:ident $first:literal)*) => {
        $(mod $ten {
            ten_tests!(@ $first: a 0 b 1 c 2 d 3 e 4 f 5 g 6 h 7 i 8 j 9);
        })*
    };
    (@ $first:literal: $($name:ident $number:literal)*) => {
        $(#[tokio::test]
        async fn $name() {
            super::sees_its_own($first + $number).await;
        })*
    };
}

ten_tests!(a 0 b 10 c 20 d 30 e 40 f 50 g 60 h 70 i 80 j 90);

/// What tests that share one telemetry, as that of a global subscriber, would see.
#[test]
fn two_that_shared_one_would_see_each_others_spans() {
    let (telemetry, recorded) = record(orders::SERVICE, &Settings::default()).unwrap();
    std::thread::scope(|scope| {
        let tests = [0, 1].map(|test| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let telemetry = &telemetry;
            scope.spawn(move || runtime.block_on(ask(telemetry, test)))
        });
        for asked in tests.map(|test| test.join().unwrap()) {
            let spans = recorded.spans();
            let mut seen = spans
                .iter()
                .filter_map(|span| attributes(span).remove("url.path"));
            assert_eq!(
                seen.clone().filter(|path| asked.contains(path)).count(),
                ORDERS
            );
            assert!(seen.any(|path| !asked.contains(&path)), "a foreign path");
        }
    });
}
