//! A service without telemetry: `ADDRESS=127.0.0.1:8080 cargo run -p serve-drained --example minimal`.

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use service::{About, Command, Endpoint, Error, Limits, Lookup, Readiness, Setting};

const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

const ABOUT: About = About {
    name: "minimal",
    version: env!("CARGO_PKG_VERSION"),
    summary: "Says hello.",
    telemetry: false,
    settings: &[Setting {
        variable: "ADDRESS",
        meaning: "where to listen",
        default: DEFAULT_ADDRESS,
    }],
    endpoints: &[
        Endpoint {
            request: "GET /hello",
            meaning: "hello",
        },
        Endpoint {
            request: "GET /slow",
            meaning: "hello, three seconds later",
        },
    ],
};

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    let env = |name: &str| std::env::var_os(name);
    service::main(&ABOUT, std::env::args_os(), async |command| match command {
        Command::Serve => serve(&env).await,
        Command::Healthcheck => {
            service::healthcheck(service::address(&env, DEFAULT_ADDRESS)?).await
        }
    })
}

async fn serve(env: Lookup<'_>) -> Result<(), Error> {
    let listener = service::listen(service::address(env, DEFAULT_ADDRESS)?).await?;
    println!("listening on {}", listener.local_addr()?);

    let readiness = Readiness::default();
    let app = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/slow", get(slow));
    let app = service::operations(app, &ABOUT, None, readiness.clone());
    let limits = Limits::default();
    service::serve(listener, app, readiness, limits, service::shutdown_signal()).await;
    Ok(())
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(3)).await;
    "hello"
}
