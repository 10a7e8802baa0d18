//! What telemetry costs, measured: the same axum handler bare, with this project's crates, and with others.
//!
//! ```sh
//! cargo run --release               # measures, prints it and writes ../docs/cost.md
//! cargo run --release -- cpu        # a part only; the rest of ../docs/cost.md stays
//! cargo run --profile apart -- work # what each thousand instructions is for, in a build that can tell
//! cargo run --release -- profiles   # a part that is left out above: it builds pong six times
//! cargo run --release --no-default-features -- guard   # fails if our instructions a request have grown
//! ```
//!
//! Whatever is measured is a process of its own: this executable, started again as `serve`, `call` or `receive`.

mod call;
mod child;
mod cpu;
mod guard;
mod instructions;
mod load;
mod machine;
mod profiles;
mod receive;
mod report;
mod scale;
mod serve;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cpu::Callers;
use report::Part;
use serve::Variant;

/// Measures what telemetry costs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Instructions a request, and where they go
    Instructions {
        /// Only these variants
        variants: Vec<Variant>,
    },
    /// What the instructions are for: with `--profile apart`
    Work,
    /// CPU time a request
    Cpu {
        /// Only with this many connections
        connections: Vec<u64>,
    },
    /// How it grows, memory, requests a second
    Scale,
    /// What the release profile gains, and costs to build: takes a while
    Profiles,
    /// Compares our instructions with the committed ratio
    Guard,
    /// (measured) Answers GET /pong until SIGTERM
    #[command(hide = true)]
    Serve { variant: Variant },
    /// (measured) Asks the pong at ADDRESS
    #[command(hide = true)]
    Call {
        client: call::Client,
        address: std::net::SocketAddr,
        count: u64,
    },
    /// Takes OTLP, answers 200 and counts spans
    #[command(hide = true)]
    Receive,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The environment, which the driver has set.
#[expect(clippy::disallowed_methods, reason = "the one look-up")]
fn env(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Option<Task>) -> Result<ExitCode, Error> {
    match task {
        None => report::write(&[Part::Instructions, Part::Cpu, Part::Scale])?,
        Some(Task::Instructions { variants }) if !variants.is_empty() => {
            print!("{}", instructions::lines(&variants)?);
        }
        Some(Task::Instructions { .. }) => report::write(&[Part::Instructions])?,
        Some(Task::Work) => report::write(&[Part::Work])?,
        Some(Task::Cpu { connections }) if !connections.is_empty() => {
            for connections in connections {
                println!("{}", report::cpu_of(Callers::Free(connections))?);
            }
        }
        Some(Task::Cpu { .. }) => report::write(&[Part::Cpu])?,
        Some(Task::Scale) => report::write(&[Part::Scale])?,
        Some(Task::Profiles) => report::write(&[Part::Profiles])?,
        Some(Task::Guard) => return guard::guard(),
        Some(Task::Serve { variant }) => return Ok(serve::serve(variant)),
        Some(Task::Call {
            client,
            address,
            count,
        }) => call::call(client, address, count)?,
        Some(Task::Receive) => receive::receive()?,
    }
    Ok(ExitCode::SUCCESS)
}
