//! From the command line to the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::listen::ListenError;
use crate::setting::SettingError;
use crate::{About, runtime};

/// Whatever ends a service; its text is printed as one line.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve until told to stop.
    Serve,
    /// Ask the service that runs beside this process, by [`healthcheck`](crate::healthcheck).
    Healthcheck,
}

#[derive(Parser)]
struct Arguments {
    /// Ask the service that listens on ADDRESS whether it is ready: exit code 0 or 1
    #[arg(long)]
    healthcheck: bool,
}

/// Runs a service from its command line to its exit code, on a runtime of its own.
///
/// `arguments` begins with the name under which the usage is printed: `std::env::args_os()` for an executable,
/// `showcase ping` and what follows for a subcommand. `--help` (settings with their defaults, endpoints), `--version`
/// and wrong arguments are answered here; everything else is `service`'s.
///
/// | exit code | when |
/// | --- | --- |
/// | 0 | it ended as it should |
/// | 1 | it failed |
/// | 2 | a wrong argument, a wrong setting, or it cannot listen on `ADDRESS` |
///
/// The runtime has as many worker threads as `TOKIO_WORKER_THREADS` says, by default one for each processor. A process
/// that may not start that many, and eight more, does not begin to serve: it would fail later, in the midst of it.
///
/// On 1 and 2, stderr has one line that says why. A blocking call that is still running when `service` has ended
/// does not hold up the exit.
pub fn main<A>(
    about: &About,
    arguments: impl IntoIterator<Item = A>,
    service: impl AsyncFnOnce(Command) -> Result<(), Error>,
) -> ExitCode
where
    A: Into<OsString> + Clone,
{
    let command = match parse(about, arguments) {
        Ok(command) => command,
        Err(error) => {
            // Nobody is left to tell if it cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match runtime::start() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error),
    };
    let ended = runtime.block_on(service(command));
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn parse<A>(about: &About, arguments: impl IntoIterator<Item = A>) -> Result<Command, clap::Error>
where
    A: Into<OsString> + Clone,
{
    let arguments = Arguments::command()
        .name(about.name)
        .version(about.version)
        .about(about.summary)
        .after_help(about.help())
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))?;
    Ok(if arguments.healthcheck {
        Command::Healthcheck
    } else {
        Command::Serve
    })
}

fn report(error: &Error) -> ExitCode {
    // A line of its own, whatever a cause further down has put into its text. Where stderr is closed or full, the exit
    // code still says it: `eprintln!` would panic.
    let line = error.to_string().replace(['\n', '\r'], " ");
    let _ = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(exit_code(error))
}

fn exit_code(error: &Error) -> u8 {
    if error.is::<SettingError>() || error.is::<ListenError>() {
        2
    } else {
        1
    }
}
