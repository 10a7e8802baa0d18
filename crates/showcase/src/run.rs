//! The showcase from start to end: who is started when, and stopped in which order.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use backend::Backend;
use service::{Lookup, shutdown_signal};
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    arguments::Ports,
    child::{Child, ready},
    live::Live,
    page,
    ports::Addresses,
    screen::Screen,
};

/// How long the services may take to be ready, on a slow machine.
const START: Duration = Duration::from_secs(30);

/// How long the last texts may take.
const LAST: Duration = Duration::from_secs(2);

/// Variables that can make the services send their spans elsewhere, or nowhere.
const DIVERSIONS: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
];

/// Runs everything until a signal.
///
/// | exit code | when |
/// | --- | --- |
/// | 0 | a signal came, and everything ended as it should |
/// | 1 | something did not, or ended by itself |
/// | 2 | a port cannot be had; nothing was started |
///
/// On 1 and 2, stderr says why.
pub(crate) fn run(ports: Ports, env: Lookup<'_>) -> ExitCode {
    let addresses = match Addresses::reserve(ports) {
        Ok(addresses) => addresses,
        Err(unavailable) => {
            say(unavailable);
            return ExitCode::from(2);
        }
    };
    match Runtime::new().and_then(|runtime| runtime.block_on(show(&addresses, env))) {
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
async fn show(addresses: &Addresses, env: Lookup<'_>) -> io::Result<bool> {
    let settings = backend::Settings {
        otlp_http: addresses.otlp,
        ..backend::Settings::on_free_ports()
    };
    let backend = Backend::start_with_page(settings, page::router())?;
    let (screen, mut writer) = Screen::start();
    let mut live = Live::new(backend.store().clone(), screen.clone());
    let otlp = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        format!("http://{}", backend.otlp_http()),
    );
    let pong_endpoint = ("PONG_ENDPOINT", addresses.pong.to_string());
    let mut pong = Child::start("pong", addresses.pong, [otlp.clone()], env)?;
    let mut ping = Child::start("ping", addresses.ping, [otlp, pong_endpoint], env)?;

    let trouble = tokio::select! {
        () = shutdown_signal() => None,
        ended = ping.ended() => Some(ended),
        ended = pong.ended() => Some(ended),
        error = writer.failed() => Some(format!("nothing can be printed any more: {error}")),
        late = welcome(addresses, env, &screen) => Some(late),
        never = live.watch() => match never {},
    };
    let mut well = trouble.is_none();
    match trouble {
        // On a line of its own: the terminal has written ^C.
        None => screen.show_if_idle("\nStopping.\n\n"),
        Some(trouble) => say(format_args!("{trouble}; stopping the rest")),
    }

    // In the order of the calls: ping's last requests still find pong, and both find the receiver. Traces wait for
    // that, so that each is printed once, with its last spans.
    for child in [ping, pong] {
        if let Err(trouble) = child.stop().await {
            say(trouble);
            well = false;
        }
    }
    drop(screen);
    // A terminal that stands still does not hold up the end.
    let last = async { tokio::join!(live.finish(), writer.ended()) };
    let _ = timeout(LAST, last).await;
    backend.stop().await;
    Ok(well)
}

/// Says what to do once both services are ready; returns only if they are not, with the words for that.
async fn welcome(addresses: &Addresses, env: Lookup<'_>, screen: &Screen) -> String {
    let (ping, pong) = (addresses.ping, addresses.pong);
    let both = async { tokio::join!(ready(ping), ready(pong)) };
    if timeout(START, both).await.is_err() {
        return format!("ping and pong are not ready within {} s", START.as_secs());
    }
    let (ping, pong) = (ping.port(), pong.port());
    let (bold, dim) = (anstyle::Style::new().bold(), anstyle::Style::new().dimmed());
    let mut text = format!(
        "Ping and pong are running. Their traces are shown here; Ctrl-C stops them.\n\
         \x20 {bold}curl http://localhost:{ping}/ping{bold:#}     {dim}a trace: five spans in two services{dim:#}\n\
         \x20 {bold}curl http://localhost:{ping}/metrics{bold:#}  {dim}ping's metrics (pong's: port {pong}){dim:#}\n\n",
    );
    for variable in DIVERSIONS
        .iter()
        .filter(|variable| env(variable).is_some_and(|value| !value.is_empty()))
    {
        text.push_str(&format!(
            "{variable} is set: it may keep traces away from here.\n\n"
        ));
    }
    screen.show(text).await;
    std::future::pending().await
}

/// One line or more on stderr. Nobody is left to tell if that is closed.
fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "{what}");
}
