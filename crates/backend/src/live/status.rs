//! How everything is: where to look when no traces arrive.

use axum::Json;
use serde::Serialize;

use super::{Live, State};
use crate::{receive::received::Received, scrape::Health};

#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    receivers: Vec<Received>,
    store: Contents,
    services: Vec<Health>,
}

#[derive(Serialize)]
struct Contents {
    traces: usize,
    spans: usize,
    logs: usize,
    points: usize,
    bytes: u64,
    limit: u64,
}

/// `GET /api/status`
pub(super) async fn status(State(live): State<Live>) -> Json<Status> {
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        receivers: live.receivers.now(),
        store: Contents {
            traces: live.store.len(),
            spans: live.store.span_count(),
            logs: live.store.log_count(),
            points: live.store.point_count(),
            bytes: live.store.bytes(),
            limit: live.store.limit(),
        },
        services: live.window.health(),
    })
}
