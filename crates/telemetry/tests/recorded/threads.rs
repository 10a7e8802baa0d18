//! Tasks on several threads.

use std::mem;

use axum::http::Method;
use telemetry::{Settings, Telemetry, testing};
use tokio::runtime::Builder;
use tower::ServiceExt;
use tracing::Dispatch;
use tracing::dispatcher::set_default;
use tracing::instrument::WithSubscriber;

use crate::{names, orders, request};

/// Runs `test` on a runtime of several threads. All of them have the subscriber of `telemetry`.
fn on_several_threads(telemetry: &Telemetry, test: impl Future<Output = ()>) {
    let subscriber = Dispatch::new(telemetry.subscriber());
    let of_workers = subscriber.clone();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        // A forgotten guard leaves the subscriber in place for as long as the thread lives.
        .on_thread_start(move || mem::forget(set_default(&of_workers)))
        .build();
    runtime.unwrap().block_on(test.with_subscriber(subscriber));
}

#[test]
fn confirmation_is_traced_on_whichever_thread_it_runs() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    on_several_threads(&telemetry, async {
        let app = orders::app(&telemetry, "http://stock.invalid");
        let request = request(Method::POST, "/orders/7/confirmation");
        app.oneshot(request).await.unwrap();

        let spans = recorded.wait_for_spans(3).await;
        let mut names = names(&spans);
        names.sort_unstable(); // threads end in any order
        assert_eq!(
            names,
            ["POST /orders/{id}/confirmation", "confirm", "letter"]
        );
    });
    let confirmed = recorded.points("orders.confirmed");
    assert!(confirmed.iter().all(|point| point.value == 1.0) && confirmed.len() == 1);
    assert_eq!(recorded.log_records().len(), 1);
}

#[test]
fn work_that_blocks_is_traced_as_well() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    on_several_threads(&telemetry, async {
        let work = || tracing::info_span!("work").in_scope(|| tracing::info!("done"));
        tokio::task::spawn_blocking(work).await.unwrap();
    });
    assert_eq!(names(&recorded.spans()), ["work"]);
    assert_eq!(recorded.log_records().len(), 1);
}

/// Why `on_several_threads` is needed.
#[tokio::test(flavor = "multi_thread")]
async fn default_of_one_thread_is_none_of_a_worker() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    let task = tokio::spawn(async { tracing::info_span!("lost").in_scope(|| ()) });
    task.await.unwrap();
    tracing::info_span!("found").in_scope(|| ());
    assert_eq!(names(&recorded.spans()), ["found"]);
}
