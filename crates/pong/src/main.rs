//! The binary: reads the environment once, and runs [`pong`].

use std::process::ExitCode;

use service::Command;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    let env = |name: &str| std::env::var_os(name);
    service::main(
        &pong::ABOUT,
        std::env::args_os(),
        async |command| match command {
            Command::Serve => pong::run(&env, service::shutdown_signal()).await,
            Command::Healthcheck => pong::healthcheck(&env).await,
        },
    )
}
