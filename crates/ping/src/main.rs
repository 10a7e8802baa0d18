//! The binary: reads the environment once, and runs [`ping`].

use std::process::ExitCode;

use service::Command;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    let env = |name: &str| std::env::var_os(name);
    service::main(
        &ping::ABOUT,
        std::env::args_os(),
        async |command| match command {
            Command::Serve => ping::run(&env, service::shutdown_signal()).await,
            Command::Healthcheck => ping::healthcheck(&env).await,
        },
    )
}
