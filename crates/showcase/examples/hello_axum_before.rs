//! A service as small as one can be, without telemetry. `docs/copy.md` makes `hello_axum.rs` of it.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new().route("/", get(async || "Hello, World!"));
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
