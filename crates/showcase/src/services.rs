//! Ping and pong as they are running, and what they were started with.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use service::{Lookup, SettingError};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    child::{Child, ready},
    lines,
    ports::{self, Addresses},
    screen::Screen,
};

/// How long a service may take to be ready, on a slow machine.
const START: Duration = Duration::from_secs(30);

/// What the children get if the environment does not hold it: traces soon after a request, log lines beside them.
const DEFAULTS: [(&str, &str); 3] = [
    ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ("OTEL_LOGS_EXPORTER", "otlp"),
    (FILTER, "warn"),
];

/// Whoever sets it wants to see the lines on the terminal, all of them.
const FILTER: &str = "RUST_LOG";

/// Those that can be changed while the showcase runs.
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const LATENCY: &str = "PONG_LATENCY";
const FAILURE_RATE: &str = "PONG_FAILURE_RATE";

/// What the services would do without being told. It need not be said on a shell.
const UNSAID: [(&str, &str); 4] = [
    ("ping", "ADDRESS=127.0.0.1:8081"),
    ("ping", "PONG_ENDPOINT=127.0.0.1:8082"),
    ("ping", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"),
    ("pong", "ADDRESS=127.0.0.1:8082"),
];

/// What the showcase sets itself, whatever the environment says.
const OWN: [&str; 3] = ["ADDRESS", "PONG_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Finds what the services would refuse in the environment, before anything is started.
///
/// # Errors
///
/// The first setting of theirs that they do not understand.
pub(crate) fn check(env: Lookup<'_>) -> Result<(), SettingError> {
    let of_children = |name: &str| (!OWN.contains(&name)).then(|| env(name)).flatten();
    ping::Settings::from_env(&of_children)?;
    pong::Settings::from_env(&of_children)?;
    Ok(())
}

/// A change of what runs. Whoever asks for it is told when it is done, or why it is not.
pub(crate) struct Command {
    pub(crate) change: Change,
    pub(crate) done: oneshot::Sender<Result<(), String>>,
}

/// What is to be different.
#[derive(Debug)]
pub(crate) enum Change {
    /// Pong runs, slow and failing as these say, or it does not run.
    Pong {
        running: bool,
        latency: Option<String>,
        failure_rate: Option<f64>,
    },
    /// Ping samples this share of the traces that it begins.
    Sampling { ratio: f64 },
    /// The service runs, with the settings that it had.
    Start(Name),
}

/// One of the two.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    Ping,
    Pong,
}

/// Both services, for people to see.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) ping: ShownService,
    pub(crate) pong: ShownService,
    pub(crate) by_hand: ByHand,
}

/// Lines for a POSIX shell that do what can be asked for as a [`Change`]. One of ours is stopped first, since its port
/// is in use; then the line runs another one in its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct ByHand {
    /// Pong waits before it answers: as it is now, or some milliseconds.
    pub(crate) slow: String,
    /// Pong fails: as often as it does now, or sometimes.
    pub(crate) fail: String,
    /// Pong ends; or begins, if it does not run.
    pub(crate) stop: String,
    /// Ping samples as many traces as it does now, or one in ten.
    pub(crate) sample: String,
}

/// What the lines for a shell set where the service has no such setting now.
const EXAMPLES: [(&str, &str); 4] = [
    (LATENCY, "100ms..400ms"),
    (FAILURE_RATE, "0.3"),
    (SAMPLER, "parentbased_traceidratio"),
    (SAMPLER_ARG, "0.1"),
];

/// One service, for people to see.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ShownService {
    pub(crate) running: bool,
    pub(crate) pid: Option<u32>,
    /// How it ended, if nobody here told it to.
    pub(crate) ended: Option<String>,
    pub(crate) settings: BTreeMap<&'static str, String>,
}

/// Both services.
pub(crate) struct Services {
    ping: Service,
    pong: Service,
    shown: watch::Sender<Shown>,
    screen: Screen,
    page: SocketAddr,
}

struct Service {
    name: &'static str,
    address: SocketAddr,
    /// Variables of its environment. An empty one counts as unset, and is there because this process may have it set.
    settings: Vec<(&'static str, String)>,
    /// Where its lines are shown; none: it prints them itself.
    screen: Option<Screen>,
    child: Option<Child>,
    /// How the last one ended, if it was not told to.
    ended: Option<String>,
}

impl Services {
    /// Starts both, with the environment of this process. `shown` is told how they are, from now on; what they print is
    /// shown on `screen`.
    ///
    /// # Errors
    ///
    /// A process cannot be started.
    pub(crate) fn start(
        addresses: &Addresses,
        shown: watch::Sender<Shown>,
        screen: &Screen,
        env: Lookup<'_>,
    ) -> io::Result<Self> {
        let Addresses {
            ping,
            pong,
            otlp,
            page,
            ..
        } = *addresses;
        let mut services = Self {
            pong: Service::new(
                "pong",
                pong,
                ports::local(otlp),
                &[LATENCY, FAILURE_RATE],
                env,
            ),
            ping: Service::new(
                "ping",
                ping,
                ports::local(otlp),
                &[SAMPLER, SAMPLER_ARG],
                env,
            ),
            shown,
            screen: screen.clone(),
            page,
        };
        services.ping.set("PONG_ENDPOINT", pong.to_string());
        if env(FILTER).is_none_or(|value| value.is_empty()) {
            services.ping.screen = Some(screen.clone());
            services.pong.screen = Some(screen.clone());
        }
        services.pong.start()?;
        services.ping.start()?;
        services.show();
        Ok(services)
    }

    /// Returns once both answer.
    ///
    /// # Errors
    ///
    /// One has ended, or takes too long, in words.
    pub(crate) async fn ready(&mut self) -> Result<(), String> {
        let (ping, pong) = (self.ping.address, self.pong.address);
        let both = async { tokio::join!(ready(ping), ready(pong)) };
        tokio::select! {
            ended = self.ping.ended() => Err(ended),
            ended = self.pong.ended() => Err(ended),
            both = timeout(START, both) => match both {
                Ok(_) => Ok(()),
                Err(_) => Err(format!("ping and pong are not ready within {} s", START.as_secs())),
            }
        }
    }

    /// Does what is asked. A service that ends without being told to is shown, and can be started again. Can be dropped
    /// at any time, also half-way through a restart.
    pub(crate) async fn obey(&mut self, commands: &mut mpsc::Receiver<Command>) -> Infallible {
        loop {
            tokio::select! {
                ended = self.ping.ended() => self.show_ended(ended).await,
                ended = self.pong.ended() => self.show_ended(ended).await,
                Some(Command { change, done }) = commands.recv() => {
                    let changed = self.change(change).await;
                    self.show();
                    let _ = done.send(changed); // whoever asked may have gone
                }
            }
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::Pong {
                running,
                latency,
                failure_rate,
            } => {
                let rate = failure_rate.map(|rate| rate.to_string());
                self.pong.set(LATENCY, latency.unwrap_or_default());
                self.pong.set(FAILURE_RATE, rate.unwrap_or_default());
                self.pong.stop().await?;
                self.show();
                if running {
                    self.pong.start_until_ready().await?;
                }
                Ok(())
            }
            Change::Sampling { ratio } => {
                let (sampler, arg) = match ratio {
                    ..1.0 => ("parentbased_traceidratio", ratio.to_string()),
                    _ => ("", String::new()), // every trace, as by default
                };
                self.ping.set(SAMPLER, sampler.to_owned());
                self.ping.set(SAMPLER_ARG, arg);
                self.ping.stop().await?;
                self.show();
                self.ping.start_until_ready().await
            }
            Change::Start(name) => {
                let service = match name {
                    Name::Ping => &mut self.ping,
                    Name::Pong => &mut self.pong,
                };
                match service.child {
                    Some(_) => Ok(()),
                    None => service.start_until_ready().await,
                }
            }
        }
    }

    /// Stops both, in the order of the calls: ping's last requests still find pong. Returns what went wrong.
    pub(crate) async fn stop(&mut self) -> Vec<String> {
        let stopped = [self.ping.stop().await, self.pong.stop().await];
        stopped.into_iter().filter_map(Result::err).collect()
    }

    async fn show_ended(&self, ended: String) {
        self.show();
        let page = ports::url(self.page);
        let text = format!("{ended}. Start it again on {page}/#/try\n\n");
        self.screen.show(text).await;
    }

    fn show(&self) {
        self.shown.send_replace(Shown {
            ping: self.ping.shown(),
            pong: self.pong.shown(),
            by_hand: ByHand {
                slow: self.pong.replaced_by_hand(&[LATENCY]),
                fail: self.pong.replaced_by_hand(&[FAILURE_RATE]),
                stop: match self.pong.id() {
                    Some(id) => format!("kill {id}"),
                    None => self.pong.started_by_hand(&[]),
                },
                sample: self.ping.replaced_by_hand(&[SAMPLER, SAMPLER_ARG]),
            },
        });
    }
}

impl Service {
    fn new(
        name: &'static str,
        address: SocketAddr,
        otlp: SocketAddr,
        changeable: &[&'static str],
        env: Lookup<'_>,
    ) -> Self {
        let mut settings = vec![
            ("ADDRESS", address.to_string()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{otlp}")),
        ];
        let of_env = |variable| env(variable).filter(|value| !value.is_empty());
        // What is not UTF-8 is left to the child: it inherits the value, and says what is wrong with it.
        for (variable, default) in DEFAULTS {
            let value = of_env(variable).unwrap_or_else(|| default.into());
            settings.extend(value.into_string().map(|value| (variable, value)));
        }
        for variable in changeable {
            let value = of_env(variable).and_then(|value| value.into_string().ok());
            settings.extend(value.map(|value| (*variable, value)));
        }
        Self {
            name,
            address,
            settings,
            screen: None,
            child: None,
            ended: None,
        }
    }

    fn set(&mut self, variable: &'static str, value: String) {
        self.settings.retain(|(other, _)| *other != variable);
        self.settings.push((variable, value));
    }

    fn start(&mut self) -> io::Result<()> {
        let stdout = match self.screen {
            Some(_) => Stdio::piped(),
            None => Stdio::inherit(),
        };
        let mut child = Child::start(self.name, self.settings.iter().cloned(), stdout)?;
        if let (Some(stdout), Some(screen)) = (child.stdout(), &self.screen) {
            tokio::spawn(lines::show(self.name, stdout, screen.clone()));
        }
        self.child = Some(child);
        self.ended = None;
        Ok(())
    }

    async fn start_until_ready(&mut self) -> Result<(), String> {
        let address = self.address;
        let listener = TcpListener::bind(address);
        if listener.is_err_and(|error| error.kind() == ErrorKind::AddrInUse) {
            let (name, port) = (self.name, address.port());
            return Err(format!(
                "port {port} is in use, perhaps by a {name} that was started by hand: end that one first"
            ));
        }
        self.start()
            .map_err(|error| format!("{} cannot be started: {error}", self.name))?;
        tokio::select! {
            ended = self.ended() => Err(ended),
            ready = timeout(START, ready(address)) => {
                ready.map_err(|_| format!("{} is not ready within {} s", self.name, START.as_secs()))
            }
        }
    }

    /// Returns when it has ended without being told to.
    async fn ended(&mut self) -> String {
        let ended = match &mut self.child {
            Some(child) => child.ended().await,
            None => std::future::pending().await,
        };
        self.child = None;
        self.ended = Some(ended.clone());
        ended
    }

    async fn stop(&mut self) -> Result<(), String> {
        let stopped = match &mut self.child {
            Some(child) => child.stop().await,
            None => Ok(()),
        };
        self.child = None;
        self.ended = None;
        stopped
    }

    fn shown(&self) -> ShownService {
        let settings = self.settings.iter().filter(|(_, value)| !value.is_empty());
        ShownService {
            running: self.child.is_some(),
            pid: self.id(),
            ended: self.ended.clone(),
            settings: settings.cloned().collect(),
        }
    }

    fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The line that stops it, waits until its port is free, and starts it with `shown` set as well.
    fn replaced_by_hand(&self, shown: &[&'static str]) -> String {
        let start = self.started_by_hand(shown);
        match self.id() {
            Some(id) => {
                format!("kill {id}; while kill -0 {id} 2>/dev/null; do sleep 0.1; done; {start}")
            }
            None => start,
        }
    }

    /// The line that starts this executable as the service.
    fn started_by_hand(&self, shown: &[&'static str]) -> String {
        let mut line = String::new();
        let mut set = |variable: &str, value: &str| {
            let plain = format!("{variable}={value}");
            if !value.is_empty() && !UNSAID.contains(&(self.name, &plain)) {
                line.push_str(&format!("{variable}={} ", quoted(value)));
            }
        };
        for (variable, value) in &self.settings {
            set(variable, value);
        }
        for variable in shown {
            let is_set = |(other, value): &(&str, String)| other == variable && !value.is_empty();
            if !self.settings.iter().any(is_set) {
                let mut examples = EXAMPLES.iter();
                set(
                    variable,
                    examples
                        .find(|(of, _)| of == variable)
                        .map_or("", |(_, value)| value),
                );
            }
        }
        let executable = std::env::current_exe().unwrap_or_else(|_| "showcase".into());
        format!(
            "{line}{} {}",
            quoted(&executable.to_string_lossy()),
            self.name
        )
    }
}

/// As a POSIX shell reads it back.
fn quoted(value: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_./:,=+%@-".contains(char);
    if value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_for_the_shell_says_what_the_service_would_not_do_anyway() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let env = |name: &str| (name == "RUST_LOG").then(|| "it's info".into());
        let mut pong = Service::new("pong", address(8082), address(14318), &[LATENCY], &env);
        pong.set(LATENCY, "10ms..80ms".to_owned());
        pong.set(FAILURE_RATE, String::new());
        let executable = std::env::current_exe().unwrap();
        let rest = format!("{} pong", quoted(executable.to_str().unwrap()));
        let settings = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318 OTEL_BSP_SCHEDULE_DELAY=200 \
                        OTEL_LOGS_EXPORTER=otlp RUST_LOG='it'\\''s info' PONG_LATENCY=10ms..80ms";
        assert_eq!(
            pong.replaced_by_hand(&[LATENCY]),
            format!("{settings} {rest}")
        );
        assert_eq!(
            pong.replaced_by_hand(&[FAILURE_RATE]),
            format!("{settings} PONG_FAILURE_RATE=0.3 {rest}"),
            "what the card is about, also where it is not so now"
        );
        let shown = pong.shown();
        assert_eq!(shown.settings["ADDRESS"], "127.0.0.1:8082");
        assert_eq!(shown.settings.get(FAILURE_RATE), None);
        assert!(!shown.running && shown.pid.is_none());
    }
}
