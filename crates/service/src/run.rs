//! A service's process: from the command line to the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Arg, ArgAction};

use crate::listen::ListenError;
use crate::setting::SettingError;
use crate::{About, runtime};

/// What ends a service. Its text is printed as one line.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve until the stop.
    Serve,
    /// Ask the service that runs beside this process, by [`healthcheck`](crate::healthcheck).
    Healthcheck,
}

/// Runs a service from its command line to its exit code, on a runtime of its own.
///
/// `arguments` begins with the name that the usage is printed with: `std::env::args_os()` for an executable. `--help`
/// (settings with their defaults, endpoints), `--version` and wrong arguments are handled here. Otherwise `service` is called
/// with the [`Command`].
///
/// | exit code | when |
/// | --- | --- |
/// | 0 | `service` returned `Ok`, or `--help` or `--version` was printed |
/// | 1 | `service` returned any other error, or the process may not start enough threads |
/// | 2 | a wrong argument, [`SettingError`] or [`ListenError`] |
///
/// The runtime has as many worker threads as `TOKIO_WORKER_THREADS` says, by default one for each processor. The process
/// must be allowed to start that many threads and eight more; otherwise `service` is not called.
///
/// With exit codes 1 and 2, one line on stderr says why. A blocking call that still runs when `service` returns does not
/// delay the exit.
pub fn main(
    about: &About,
    arguments: impl IntoIterator<Item: Into<OsString>>,
    service: impl AsyncFnOnce(Command) -> Result<(), Error>,
) -> ExitCode {
    let command = match parse(about, arguments.into_iter().map(Into::into).collect()) {
        Ok(command) => command,
        Err(error) => {
            // Where it cannot be printed, the exit code still tells.
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

fn parse(about: &About, arguments: Vec<OsString>) -> Result<Command, clap::Error> {
    let healthcheck = Arg::new("healthcheck")
        .long("healthcheck")
        .help("Ask the service that listens on ADDRESS whether it is ready: exit code 0 or 1")
        .action(ArgAction::SetTrue);
    let matches = clap::Command::new(about.name)
        .version(about.version)
        .about(about.summary)
        .after_help(about.help())
        .arg(healthcheck)
        .try_get_matches_from(arguments)?;
    Ok(if matches.get_flag("healthcheck") {
        Command::Healthcheck
    } else {
        Command::Serve
    })
}

/// Prints `error` as one line, even if a cause has put several into its text.
fn report(error: &Error) -> ExitCode {
    let line = error.to_string().replace(['\n', '\r'], " ");
    // `eprintln!` would panic where stderr is closed or full. The exit code still tells.
    let _ = writeln!(std::io::stderr(), "{line}");
    let is_wrong_setting = error.is::<SettingError>() || error.is::<ListenError>();
    ExitCode::from(if is_wrong_setting { 2 } else { 1 })
}
