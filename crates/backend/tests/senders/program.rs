//! The programs that send.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Generous: Go compiles first.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// A command that sends and ends.
pub(crate) struct Program(Command);

impl Program {
    /// `program` with the arguments `arguments`, in the folder `folder` of this test.
    fn new(folder: &str, program: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/senders")
            .join(folder);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .env("OTEL_SERVICE_NAME", "shop")
            .env(
                "OTEL_RESOURCE_ATTRIBUTES",
                "deployment.environment.name=test",
            )
            .env("no_proxy", "127.0.0.1")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Self(command)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    /// Waits for its end, which must be good: an SDK says in its output what was not taken.
    pub(crate) async fn run(mut self) {
        let output = timeout(LIMIT, self.0.output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{:?} runs longer than {LIMIT:?}", self.0))
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.0));
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{:?}: {said:?}", self.0);
    }
}

/// A service. Dropped, it is killed.
pub(crate) struct Server {
    process: Child,
    /// What it has printed: where it answers.
    pub(crate) address: String,
}

impl Server {
    pub(crate) async fn start(mut program: Program) -> Self {
        let command = program.0.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = timeout(LIMIT, lines.next_line()).await;
        let address = address.expect("it starts in time").unwrap();
        Self {
            process,
            address: address.unwrap_or_else(|| panic!("{:?} ends at once", program.0)),
        }
    }

    /// Ends it by the end of its standard input, so that it sends what waits.
    pub(crate) async fn stop(mut self) {
        drop(self.process.stdin.take());
        let status = timeout(LIMIT, self.process.wait()).await;
        let status = status.expect("it ends in time").unwrap();
        assert!(status.success(), "{status}");
    }
}

pub(crate) fn python() -> Program {
    instrumented("sender.py")
}

pub(crate) fn payments() -> Program {
    instrumented("payments.py")
}

fn instrumented(script: &str) -> Program {
    let agent = format!("{}/bin/opentelemetry-instrument", packages("sender-python"));
    of_python(&agent, &["python3", script])
}

pub(crate) fn aiozipkin() -> Program {
    of_python("python3", &["zipkin.py"])
}

/// A script of a shell that finds what is installed for Python.
pub(crate) fn python_shell(script: &str) -> Program {
    let script = format!("PATH={}/bin:$PATH\n{script}", packages("sender-python"));
    of_python("bash", &["-euc", &script])
}

fn of_python(program: &str, arguments: &[&str]) -> Program {
    Program::new("python", program, arguments)
        .env("PYTHONPATH", &packages("sender-python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

/// A script of a shell in a folder of this test.
pub(crate) fn shell(folder: &str, script: &str) -> Program {
    Program::new(folder, "bash", &["-euc", script])
}

pub(crate) fn node() -> Program {
    Program::new("javascript", "node", &["node.js"])
}

pub(crate) fn storefront() -> Program {
    Program::new("javascript", "node", &["storefront.js"])
}

/// A browser that shows a page until it is dropped. It remembers nothing of the time before.
pub(crate) fn browser(page: &str) -> Child {
    let profile = concat!(env!("CARGO_TARGET_TMPDIR"), "/sender-browser");
    let _ = std::fs::remove_dir_all(profile);
    let arguments = [
        "--headless=new",
        "--no-sandbox", // root has none
        "--disable-gpu",
        &format!("--user-data-dir={profile}"),
        page,
    ];
    let mut program = Program::new("javascript", "chromium", &arguments);
    program.0.stdout(Stdio::null()).stderr(Stdio::null());
    program.0.spawn().unwrap()
}

/// What the browser's page runs.
pub(crate) fn page_script() -> String {
    let script = format!("{}/sender.js", packages("sender-browser"));
    std::fs::read_to_string(&script).unwrap_or_else(|error| panic!("{script}: {error}"))
}

pub(crate) fn go() -> Program {
    Program::new("go", "go", &["run", "."])
}

pub(crate) fn stock() -> Program {
    Program::new("go", "go", &["run", "./stock"])
}

pub(crate) fn java() -> Program {
    let packages = format!("{}/*", packages("sender-java"));
    Program::new("java", "java", &["-cp", &packages, "Sender.java"])
}

/// The same by a script, in which `$CLASSES` are the packages.
pub(crate) fn java_shell(script: &str) -> Program {
    shell("java", script).env("CLASSES", &format!("{}/*", packages("sender-java")))
}

/// The folder in which `.ci/run` installs them.
fn packages(folder: &str) -> String {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/programs");
    format!("{programs}/{folder}")
}
