//! How the cost grows: with series, with a queue that is full; what a scrape takes and delays; memory,
//! start, requests a second.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::child::Server;
use crate::load::{Length, Load, Pace, Seen};
use crate::machine;
use crate::serve::Variant;
use crate::setup::Setup;

/// How long each measurement loads a service.
const LENGTH: Duration = Duration::from_secs(5);

/// Of `load`'s rounds; the median counts.
const ROUNDS: usize = 5;

/// All tables of this part.
pub fn text() -> Result<String, Error> {
    let mut text = format!("{}\n\n", machine::description()?);
    text += &throughput()?;
    text += &series()?;
    text += &full_queue()?;
    text += &life()?;
    Ok(text)
}

/// A service, and what it is.
struct Measured {
    variant: Variant,
    server: Server,
}

impl Measured {
    fn start(variant: Variant, receiver: &Server) -> Result<Self, Error> {
        let server = Server::service(variant, Setup::All, receiver, None)?;
        Ok(Self { variant, server })
    }

    /// CPU time of a request, in microseconds, and what the crowd has seen.
    fn loaded(
        &self,
        connections: u64,
        rate: Option<f64>,
        agents: u64,
    ) -> Result<(f64, Seen), Error> {
        let Self { variant, server } = self;
        let mut load = Load::new(*variant, server.address, Setup::All)?;
        load.connect(connections)?;
        let before = machine::cpu_time(server.id())?;
        let seen = load.send(Length::Time(LENGTH), Pace { rate, agents })?;
        let cpu = machine::cpu_time(server.id())? - before;
        Ok((cpu.as_secs_f64() * 1e6 / seen.requests as f64, seen))
    }
}

/// Bare and ours, to be asked by turns.
fn pongs(receiver: &Server) -> Result<[Measured; 2], Error> {
    Ok([
        Measured::start(Variant::Bare, receiver)?,
        Measured::start(Variant::Ours, receiver)?,
    ])
}

/// The median of several rounds of both in turns.
fn in_turns<T>(
    pair: &[Measured; 2],
    mut round: impl FnMut(&Measured) -> Result<T, Error>,
    by: impl Fn(&T) -> f64,
) -> Result<[T; 2], Error> {
    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (rounds, service) in all.iter_mut().zip(pair) {
            rounds.push(round(service)?);
        }
    }
    Ok(all.map(|mut rounds| {
        rounds.sort_by(|a, b| by(a).total_cmp(&by(b)));
        rounds.swap_remove(rounds.len() / 2)
    }))
}

fn throughput() -> Result<String, Error> {
    let receiver = Server::receiver()?;
    let pongs = pongs(&receiver)?;
    let mut text = "64 connections, all sampled: as many requests as there can be, then both at the same load.\n\n\
         | | most requests a second | p50 | p99 | the same load | p50 | p99 | CPU a request |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    text += &throughput_of("pong", &pongs)?;
    let [pong, _] = pongs;
    let ping = |variant| {
        let server = Server::caller_of(variant, &pong.server, &receiver)?;
        Ok::<_, Error>(Measured { variant, server })
    };
    let pings = [ping(Variant::BarePing)?, ping(Variant::Ping)?];
    text += &throughput_of("ping, which asks a bare pong", &pings)?;
    Ok(text + "\n")
}

fn throughput_of(name: &str, pair: &[Measured; 2]) -> Result<String, Error> {
    let most = in_turns(
        pair,
        |service| service.loaded(64, None, 1),
        |(_, seen)| seen.a_second,
    )?;
    // A fifth of what the slower one can do: the callers need a processor, too.
    let rate = (most[1].1.a_second / 5.0 / 1e3).round() * 1e3;
    let same = in_turns(
        pair,
        |service| service.loaded(64, Some(rate), 1),
        |(_, seen)| seen.median.as_secs_f64(),
    )?;
    let mut text = String::new();
    for ((service, (_, most)), (cpu, same)) in pair.iter().zip(&most).zip(&same) {
        writeln!(
            text,
            "| {name}: {} | {:.0} | {} | {} | {rate:.0} a second | {} | {} | {cpu:.1} µs |",
            service.variant.name(),
            most.a_second,
            micros(most.median),
            micros(most.p99),
            micros(same.median),
            micros(same.p99),
        )?;
    }
    Ok(text)
}

/// Callers by the number of their user agents. Series beyond a hundred are one.
fn series() -> Result<String, Error> {
    let mut text = "| callers | CPU a request | scrape | its bytes | p99 | p99 while scraped |\n\
                    | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let rate = Some(2_000.0);
    for agents in [1, 10, 100, 1_000] {
        let receiver = Server::receiver()?;
        let ours = Measured::start(Variant::Ours, &receiver)?;
        let (cpu, _) = ours.loaded(64, None, agents)?;
        let (_, quiet) = ours.loaded(64, rate, agents)?;
        let address = ours.server.address;
        let scraper = thread::spawn(move || scrapes(address));
        let (_, scraped) = ours.loaded(64, rate, agents)?;
        let (time, bytes) = scraper.join().map_err(|_| "the scraper panicked")??;
        writeln!(
            text,
            "| {agents} | {cpu:.1} µs | {:.1} ms | {bytes} | {} | {} |",
            time.as_secs_f64() * 1e3,
            micros(quiet.p99),
            micros(scraped.p99),
        )?;
    }
    Ok(text + "\n")
}

/// Scrapes all the while; the median time of one, and its length.
fn scrapes(address: SocketAddr) -> Result<(Duration, usize), Error> {
    let start = Instant::now();
    let mut times = Vec::new();
    let mut length = 0;
    while start.elapsed() < LENGTH {
        let began = Instant::now();
        length = get(address, "/metrics")?.len();
        times.push(began.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    times.sort_unstable();
    Ok((times[times.len() / 2], length))
}

fn get(address: SocketAddr, path: &str) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A receiver that takes connections and never answers: spans are dropped, and requests go on.
fn full_queue() -> Result<String, Error> {
    let receiver = Server::receiver()?;
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let variant = Variant::Ours;
    let server = Server::service_to(variant, Setup::All, silent.local_addr()?, None)?;
    let pair = [
        Measured::start(variant, &receiver)?,
        Measured { variant, server },
    ];
    pair[1].loaded(1, None, 1)?; // fills the queue
    let [(taken, _), (dropped, _)] =
        in_turns(&pair, |service| service.loaded(1, None, 1), |(cpu, _)| *cpu)?;
    Ok(format!(
        "With a receiver that hangs, the queue is full and a request, whose spans are dropped, takes {dropped:.1} µs of CPU \
         time instead of {taken:.1} µs.\n\n"
    ))
}

/// From the start to a million requests.
fn life() -> Result<String, Error> {
    let mut text = "| | start to ready | resident at rest | after a million requests |\n| --- | ---: | ---: | ---: |\n".to_owned();
    for variant in [Variant::Bare, Variant::Ours] {
        let receiver = Server::receiver()?;
        let began = Instant::now();
        let service = Measured::start(variant, &receiver)?;
        let server = &service.server;
        while !get(server.address, "/readyz")?.starts_with(b"HTTP/1.1 200") {}
        let ready = began.elapsed();
        let rest = machine::memory(server.id())?.now;
        let mut sent = 0;
        while sent < 1_000_000 {
            sent += service.loaded(64, None, 1_000)?.1.requests;
        }
        writeln!(
            text,
            "| {} | {:.0} ms | {:.1} MiB | {:.1} MiB |",
            variant.name(),
            ready.as_secs_f64() * 1e3,
            rest,
            machine::memory(server.id())?.now,
        )?;
    }
    Ok(text)
}

fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}
