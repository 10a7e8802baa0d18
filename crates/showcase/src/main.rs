//! `cargo run`: ping, pong and a receiver of their telemetry, on a terminal and on a page, without anything else installed.
//!
//! [`run`] starts the receiver in this process and both [`services`] as children of it ([`child`]), real processes that
//! speak HTTP to each other and OTLP to the receiver. [`live`] decides when a trace is printed, [`mod@print`] how it looks.
//! [`page`] shows everything in a browser, [`try_it`] is what can be pressed there.

mod arguments;
mod child;
mod duration;
mod lines;
mod live;
mod load;
mod page;
mod ports;
mod print;
mod refusals;
mod run;
mod screen;
mod services;
mod text;
mod timeline;
mod try_it;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use crate::{
    arguments::{Arguments, Command, Service},
    run::Files,
};

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    let env = |name: &str| std::env::var_os(name);
    let Arguments {
        ports,
        access,
        open,
        load,
        db,
        command,
    } = Arguments::parse();
    match command {
        None => run::run(ports, access, open, Files { load, db }, &env),
        Some(Command::Ping(Service {
            stop_with_stdin,
            arguments,
        })) => service::main(
            &ping::ABOUT,
            line("showcase ping", arguments),
            async |command| match command {
                service::Command::Serve => {
                    ping::run(&env, child::stop_signal(stop_with_stdin)).await
                }
                service::Command::Healthcheck => ping::healthcheck(&env).await,
            },
        ),
        Some(Command::Pong(Service {
            stop_with_stdin,
            arguments,
        })) => service::main(
            &pong::ABOUT,
            line("showcase pong", arguments),
            async |command| match command {
                service::Command::Serve => {
                    pong::run(&env, child::stop_signal(stop_with_stdin)).await
                }
                service::Command::Healthcheck => pong::healthcheck(&env).await,
            },
        ),
    }
}

/// A command line as a service gets it: `name`, under which it prints its usage, and its own arguments.
fn line(name: &str, arguments: Vec<OsString>) -> impl Iterator<Item = OsString> {
    std::iter::once(name.into()).chain(arguments)
}
