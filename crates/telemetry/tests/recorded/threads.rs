//! Tasks on several threads.

use std::mem;

use axum::body::Body;
use axum::http::Request;
use telemetry::{Settings, Telemetry, testing};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tracing::Dispatch;
use tracing::dispatcher::set_default;

use crate::{names, orders};

/// Makes the subscriber of `telemetry` the default one on this thread and on all threads of the runtime.
fn runtime(telemetry: &Telemetry) -> Runtime {
    let subscriber = Dispatch::new(telemetry.subscriber());
    // A forgotten guard leaves the subscriber in place for as long as the thread lives.
    let on_thread = move || mem::forget(set_default(&subscriber));
    on_thread();
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(2).enable_all();
    builder.on_thread_start(on_thread).build().unwrap()
}

#[test]
fn confirmation_is_traced_on_whichever_thread_it_runs() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    runtime(&telemetry).block_on(async {
        let app = orders::app(&telemetry, "http://stock.invalid");
        let request = Request::post("/orders/7/confirmation")
            .body(Body::empty())
            .unwrap();
        app.oneshot(request).await.unwrap();

        let spans = recorded.wait_for_spans(3).await;
        assert_eq!(
            names(&spans),
            ["POST /orders/{id}/confirmation", "letter", "confirm"]
        );
        let [confirmed] = &recorded.points("orders.confirmed")[..] else {
            panic!()
        };
        assert_eq!(confirmed.value, 1.0);
    });
}

/// What `runtime` is for.
#[tokio::test(flavor = "multi_thread")]
async fn default_of_one_thread_is_none_of_a_worker() {
    let (telemetry, recorded) = testing::record(orders::SERVICE, &Settings::default()).unwrap();
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    let task = tokio::spawn(async { tracing::info_span!("lost").in_scope(|| ()) });
    task.await.unwrap();
    tracing::info_span!("found").in_scope(|| ());
    assert_eq!(names(&recorded.spans()), ["found"]);
}
