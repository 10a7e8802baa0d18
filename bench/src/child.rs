//! Processes that are measured, and the one that receives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use crate::Error;
use crate::serve::Variant;
use crate::setup::Setup;

/// A process of this executable that listens. Dropped, it is killed.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// An executable, and the shared library whose allocator it is to use instead of the C library's.
pub struct Program {
    pub path: PathBuf,
    pub allocator: Option<&'static str>,
}

/// This executable with these arguments; with `profile`, under callgrind, which writes there.
pub fn command(arguments: &[&str], profile: Option<&Path>) -> Result<Command, Error> {
    let mut command = program(&std::env::current_exe()?, profile);
    command.args(arguments);
    Ok(command)
}

fn serve(variant: Variant, profile: Option<&Path>) -> Result<Command, Error> {
    let value = variant
        .to_possible_value()
        .ok_or("every variant has a name")?;
    command(&["serve", value.get_name()], profile)
}

fn program(program: &Path, profile: Option<&Path>) -> Command {
    let mut command = match profile {
        None => Command::new(program),
        Some(out) => {
            let mut valgrind = Command::new("valgrind");
            let file = format!("--callgrind-out-file={}", out.display());
            valgrind
                .args(["--quiet", "--tool=callgrind", &file])
                .arg(program);
            valgrind
        }
    };
    let path = crate::env("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    if profile.is_some() {
        // glibc copies more than some kilobytes by `rep movsb`. That is one instruction, which callgrind counts once a byte.
        command.env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1073741824",
        );
    }
    command
}

impl Server {
    /// The receiver.
    pub fn receiver() -> Result<Self, Error> {
        Self::start(command(&["receive"], None)?)
    }

    /// A service that sends to `receiver`.
    pub fn service(
        variant: Variant,
        setup: Setup,
        receiver: &Self,
        profile: Option<&Path>,
    ) -> Result<Self, Error> {
        Self::service_to(variant, setup, receiver.address, profile)
    }

    /// The same, for a receiver of any kind.
    pub fn service_to(
        variant: Variant,
        setup: Setup,
        receiver: SocketAddr,
        profile: Option<&Path>,
    ) -> Result<Self, Error> {
        let command = serve(variant, profile)?;
        Self::start_service(command, setup, receiver, profile.is_some())
    }

    /// A service that asks `pong`, everything sampled.
    pub fn caller_of(variant: Variant, pong: &Self, receiver: &Self) -> Result<Self, Error> {
        let mut command = serve(variant, None)?;
        command.env("PONG_ENDPOINT", pong.address.to_string());
        Self::start_service(command, Setup::All, receiver.address, false)
    }

    /// Pong's own binary, everything sampled.
    pub fn program(
        Program { path, allocator }: &Program,
        receiver: SocketAddr,
        profile: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut command = program(path, profile);
        if let Some(library) = allocator {
            command.env("LD_PRELOAD", library);
        }
        let server = Self::start_service(command, Setup::All, receiver, profile.is_some())?;
        if let Some(library) = allocator
            && !std::fs::read_to_string(format!("/proc/{}/maps", server.id()))?.contains(library)
        {
            return Err(format!("{library} is not installed").into());
        }
        Ok(server)
    }

    fn start_service(
        mut command: Command,
        setup: Setup,
        receiver: SocketAddr,
        is_profiled: bool,
    ) -> Result<Self, Error> {
        command
            .env("ADDRESS", "127.0.0.1:0")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"))
            .env("OTEL_SERVICE_NAME", "Pong")
            .envs(setup.variables().iter().copied());
        if is_profiled {
            // One thread does the work: nothing depends on who was faster.
            command.env("TOKIO_WORKER_THREADS", "1");
        }
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self, Error> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        match address(stdout) {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                let _ = child.kill();
                Err(error)
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it as Docker would. What waits is sent first.
    pub fn stop(mut self) -> Result<(), Error> {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a server ended with {status}").into())
        }
    }

    /// Spans that the receiver has got.
    pub fn spans(&self) -> Result<u64, Error> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let number = answer.rsplit("\r\n").next().unwrap_or_default();
        Ok(number.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that says where it listens. What else it prints is read and dropped.
fn address(stdout: ChildStdout) -> Result<SocketAddr, Error> {
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref() {
        let line = line?;
        if let Some((_, address)) = line.split_once("listens on http://") {
            let end = address.find('"').unwrap_or(address.len());
            let address = address[..end].parse()?;
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(address);
        }
    }
    Err("a server ended before it listened".into())
}
