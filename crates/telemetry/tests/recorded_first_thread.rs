//! The one test of this process, since others would change what it is about: `tracing` asks once, for the whole process,
//! whether a span or an event in the code is wanted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use telemetry::{Service, Settings, testing};

fn work() {
    tracing::info_span!("work").in_scope(|| tracing::info!("done"));
}

#[test]
fn thread_without_a_subscriber_that_comes_first_switches_nothing_off() {
    let service = Service::new("Orders", "1.0.0");
    let (telemetry, recorded) = testing::record(service, &Settings::default()).unwrap();
    let _here = tracing::subscriber::set_default(telemetry.subscriber());
    std::thread::spawn(work).join().unwrap();
    work();
    assert_eq!(recorded.spans().len(), 1);
    assert_eq!(recorded.log_records().len(), 1);
}
