//! The showcase from start to end: who is started when, and stopped in which order.

use std::{
    fmt::Display,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use backend::{Backend, Target};
use service::{Lookup, shutdown_signal};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    arguments::{Access, Ports},
    live::Live,
    load, page,
    ports::{self, Addresses},
    refusals,
    screen::Screen,
    services::{self, Services},
    try_it::TryIt,
};

/// How long the last texts may take.
const LAST: Duration = Duration::from_secs(2);

/// Changes that may wait for the one before them.
const COMMANDS: usize = 8;

/// Variables that can make the services send their spans elsewhere, or nowhere.
const DIVERSIONS: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
];

/// Files that the command line names.
pub(crate) struct Files {
    /// What to begin with.
    pub(crate) load: Option<PathBuf>,
    /// Where to keep what arrives.
    pub(crate) db: Option<PathBuf>,
}

/// Runs everything until a signal; `open`s the page in a browser when it has something to show.
///
/// | exit code | when |
/// | --- | --- |
/// | 0 | a signal came, and everything ended as it should |
/// | 1 | something did not, or a service did not start |
/// | 2 | a port cannot be had, or a setting is not understood; nothing was started |
///
/// On 1 and 2, stderr says why.
pub(crate) fn run(
    ports: Ports,
    access: Access,
    open: bool,
    files: Files,
    env: Lookup<'_>,
) -> ExitCode {
    if let Err(wrong) = services::check(env) {
        say(wrong);
        return ExitCode::from(2);
    }
    let addresses = match Addresses::reserve(ports, access.host) {
        Ok(addresses) => addresses,
        Err(unavailable) => {
            say(unavailable);
            return ExitCode::from(2);
        }
    };
    let shown = |runtime: Runtime| runtime.block_on(show(&addresses, access, open, files, env));
    match Runtime::new().and_then(shown) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(format_args!("the showcase cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// `false`: something went wrong, which was said.
///
/// # Errors
///
/// Something cannot be started. A child that was is dropped then, which stops it.
async fn show(
    addresses: &Addresses,
    access: Access,
    open: bool,
    files: Files,
    env: Lookup<'_>,
) -> io::Result<bool> {
    let (commands, mut asked) = mpsc::channel(COMMANDS);
    let (shown, services) = watch::channel(Default::default());
    let (try_it, mut load) = TryIt::new(addresses.ping, commands, services)?;
    let targets = [(ping::NAME, addresses.ping), (pong::NAME, addresses.pong)];
    let settings = backend::Settings {
        query: addresses.page,
        otlp_http: addresses.otlp,
        otlp_grpc: addresses.otlp_grpc,
        zipkin: addresses.zipkin,
        scraped: targets.map(target).into(),
        allowed_origins: access.allow_origin,
        allowed_hosts: access.allow_host,
        store_file: files.db,
        ..backend::Settings::default()
    };
    let backend = Backend::start_with_page(settings, page::router().merge(try_it.router()))?;
    let loaded = files.load.map(|file| load::load(&file, backend.store()));
    let loaded = loaded.transpose()?;
    let (screen, mut writer) = Screen::start();
    if let Some(loaded) = loaded {
        screen.show(loaded).await;
    }
    let mut live = Live::new(backend.store().clone(), screen.clone());
    let mut services = Services::start(addresses, shown, &screen, env)?;

    let trouble = tokio::select! {
        () = shutdown_signal() => None,
        trouble = async {
            if let Err(trouble) = services.ready().await {
                return trouble;
            }
            welcome(addresses, open, env, &screen).await;
            match services.obey(&mut asked).await {}
        } => Some(trouble),
        error = writer.failed() => Some(format!("nothing can be printed any more: {error}")),
        never = live.watch() => match never {},
        never = refusals::watch(&backend, &screen) => match never {},
        never = load.run() => match never {},
    };
    let mut well = trouble.is_none();
    match trouble {
        // On a line of its own: the terminal has written ^C.
        None => screen.show_if_idle("\nStopping.\n\n"),
        Some(trouble) => say(format_args!("{trouble}; stopping the rest")),
    }
    drop(asked); // whoever asks for a change now is told no

    // Both find the receiver until they have ended. Traces wait for that, so that each is printed once, with its last
    // spans.
    for trouble in services.stop().await {
        say(trouble);
        well = false;
    }
    drop((services, screen));
    // A terminal that stands still does not hold up the end.
    let last = async { tokio::join!(live.finish(), writer.ended()) };
    let _ = timeout(LAST, last).await;
    backend.stop().await;
    Ok(well)
}

/// Says what to do, now that both services are ready.
async fn welcome(addresses: &Addresses, open: bool, env: Lookup<'_>, screen: &Screen) {
    let [ping, pong] = [addresses.ping, addresses.pong].map(|at| at.port());
    let page = ports::url(addresses.page);
    let (bold, dim) = (anstyle::Style::new().bold(), anstyle::Style::new().dimmed());
    let lines = [
        (page.clone(), "everything on one page".to_owned()),
        (
            format!("curl http://localhost:{ping}/ping"),
            "a trace: five spans in two services".to_owned(),
        ),
        (
            format!("curl http://localhost:{ping}/metrics"),
            format!("ping's metrics (pong's: port {pong})"),
        ),
    ];
    let width = lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    let mut text =
        "Ping and pong are running. Their traces are shown here; Ctrl-C stops them.\n".to_owned();
    for (what, why) in lines {
        text.push_str(&format!(
            "  {bold}{what:width$}{bold:#}  {dim}{why}{dim:#}\n"
        ));
    }
    text.push('\n');
    let host = addresses.page.ip();
    if !host.is_loopback() {
        text.push_str(&format!(
            "The page and the receivers listen on {host}. There is no password: anyone who can reach this\n\
             machine can read what is here, send to it and use the page.\n\n"
        ));
    }
    for variable in DIVERSIONS
        .iter()
        .filter(|variable| env(variable).is_some_and(|value| !value.is_empty()))
    {
        text.push_str(&format!(
            "{variable} is set: it may keep traces away from here.\n\n"
        ));
    }
    screen.show(text).await;
    if open && let Err(error) = open::that_detached(page) {
        say(format_args!("no browser can be opened: {error}"));
    }
}

fn target((name, address): (&str, SocketAddr)) -> Target {
    Target {
        name: name.to_owned(),
        url: format!("http://{address}"),
    }
}

/// One line or more on stderr. Nobody is left to tell if that is closed.
fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "{what}");
}
