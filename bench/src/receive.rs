//! Takes OTLP over HTTP, answers 200, and counts spans without decoding them: the receiver must not take the processor
//! from what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::Error;

/// Serves until it is killed. `GET /` answers the number of spans so far.
#[tokio::main(flavor = "current_thread")]
pub async fn receive() -> Result<(), Error> {
    let spans = Arc::new(AtomicU64::new(0));
    let app = Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/{signal}", post(async || StatusCode::OK))
        .route(
            "/",
            get(async |State(spans): State<Arc<AtomicU64>>| {
                spans.load(Ordering::Relaxed).to_string()
            }),
        )
        .layer(DefaultBodyLimit::disable())
        .with_state(spans);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listens on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn traces(State(spans): State<Arc<AtomicU64>>, body: Bytes) -> StatusCode {
    spans.fetch_add(count(&body), Ordering::Relaxed);
    StatusCode::OK
}

/// Spans of an `ExportTraceServiceRequest`: resource_spans = 1, in it scope_spans = 2, in it spans = 2.
fn count(request: &[u8]) -> u64 {
    fields(request, 1)
        .flat_map(|resource| fields(resource, 2))
        .map(|scope| fields(scope, 2).count() as u64)
        .sum()
}

/// The length-delimited fields of that number; these messages have no others.
fn fields(mut message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let (tag, rest) = varint(message)?;
            let (length, rest) = varint(rest)?;
            let (field, rest) = rest.split_at_checked(length as usize)?;
            message = rest;
            if tag >> 3 == number {
                return Some(field);
            }
        }
    })
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (varint, rest) = bytes.split_at(length);
    let value = varint
        .iter()
        .rev()
        .fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, rest))
}
