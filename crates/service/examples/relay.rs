//! A service that calls another one for each request, and keeps a descriptor for that:
//! `TARGET=127.0.0.1:8080 cargo run -p serve-drained --example relay` beside the example `minimal`.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use service::{About, Error, Limits, Lookup, Readiness, Setting};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DEFAULT_ADDRESS: &str = "127.0.0.1:8079";
const DEFAULT_TARGET: &str = "127.0.0.1:8080";

const ABOUT: About = About {
    name: "relay",
    version: env!("CARGO_PKG_VERSION"),
    summary: "Asks another service for its /slow.",
    telemetry: false,
    settings: &[
        Setting {
            variable: "ADDRESS",
            meaning: "where to listen",
            default: DEFAULT_ADDRESS,
        },
        Setting {
            variable: "TARGET",
            meaning: "whom to ask",
            default: DEFAULT_TARGET,
        },
    ],
    endpoints: &[],
};

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    let env = |name: &str| std::env::var_os(name);
    service::main(&ABOUT, std::env::args_os(), async |_| serve(&env).await)
}

async fn serve(env: Lookup<'_>) -> Result<(), Error> {
    let target = service::setting(env, "TARGET", DEFAULT_TARGET, "IP:PORT", |value| {
        value.parse().ok()
    })?;
    let listener = service::listen(service::address(env, DEFAULT_ADDRESS)?).await?;
    println!("listening on {}", listener.local_addr()?);

    let readiness = Readiness::default();
    let app = Router::new().route("/", get(relay)).with_state(target);
    let limits = Limits {
        descriptors_per_request: 1,
        ..Limits::default()
    };
    service::serve(listener, app, readiness, limits, service::shutdown_signal()).await;
    Ok(())
}

async fn relay(State(target): State<SocketAddr>) -> Result<String, StatusCode> {
    ask(target).await.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn ask(target: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(target).await?;
    let request = format!("GET /slow HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
