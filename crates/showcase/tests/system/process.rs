//! One service as a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::PATIENCE;

/// A service that was started with nothing in its environment but what the test says. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// How a process ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Lines of stdout.
    pub(crate) log: Vec<String>,
    pub(crate) stderr: String,
}

/// What the kernel says about a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident memory in KiB: now, and the most there was.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Usage {
    fn of(process: u32) -> Self {
        let folder = format!("/proc/{process}");
        let status = std::fs::read_to_string(format!("{folder}/status")).expect("it runs");
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.unwrap_or_else(|| panic!("no {name} in {status}"))
        };
        let descriptors = std::fs::read_dir(format!("{folder}/fd")).expect("it is ours");
        Self {
            resident: figure("VmRSS:"),
            peak: figure("VmHWM:"),
            threads: figure("Threads:"),
            descriptors: descriptors.count() as u64,
        }
    }
}

impl Process {
    pub(crate) fn start<V: AsRef<OsStr>>(
        service: &str,
        env: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        Self::spawn(&mut Self::command(&[], service, env))
    }

    /// The service's command, as the arguments of `wrapper` if there is one, for example `taskset -c 0`.
    pub(crate) fn command<V: AsRef<OsStr>>(
        wrapper: &[&str],
        service: &str,
        env: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Command {
        let line = [wrapper, &[env!("CARGO_BIN_EXE_showcase"), service]].concat();
        let mut command = Command::new(line[0]);
        command
            .args(&line[1..])
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts `command`. Outputs that are not piped are not read.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the showcase starts");
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                BufReader::new(stdout)
                    .lines()
                    .map_while(Result::ok)
                    .try_for_each(|line| sender.send(line))
            });
        }
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it takes of the machine.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.id())
    }

    /// The address that it says it listens on.
    pub(crate) fn url(&mut self) -> String {
        let line = self.line_with("listens on http://");
        let address = line.split("http://").nth(1).expect("an address follows");
        format!("http://{}", address.trim_end_matches(['"', '}']))
    }

    /// The next line of its log that contains `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with {text:?} in {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal by name, for example `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status();
        assert!(kill.expect("there is a kill").success());
    }

    /// SIGTERM, and then what [`Self::wait`] says.
    pub(crate) fn stop(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {:#?}",
                self.seen
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        let mut stderr = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).expect("stderr is text");
        }
        let mut log = std::mem::take(&mut self.seen);
        log.extend(self.lines.iter());
        Ended {
            status,
            log,
            stderr,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
