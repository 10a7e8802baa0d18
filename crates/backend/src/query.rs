//! What a person asks the store, over HTTP.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::store::Store;

/// The routes, reading from `store`.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/api/services", get(services))
        .with_state(store)
}

async fn services(State(store): State<Arc<Store>>) -> Json<Value> {
    let services = store.services();
    Json(
        json!({"data": services, "total": services.len(), "limit": 0, "offset": 0, "errors": null}),
    )
}
