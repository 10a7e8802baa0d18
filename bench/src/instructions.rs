//! Instructions a request, by callgrind: the difference of two runs that differ in their number of requests, so that
//! start and stop cancel out. The whole process counts, the threads that export included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::call::Client;
use crate::child::{Program, Server};
use crate::load::{Length, Load, Pace};
use crate::serve::Variant;
use crate::setup::Setup;

/// Requests of the short and of the long run. Sampled or not, they fill batches of 512 spans.
const SHORT: u64 = 512;
const LONG: u64 = SHORT + 5_120;

/// Instructions a request.
#[derive(Clone, Debug, Default)]
pub struct Instructions {
    pub total: f64,
    /// By the part of the program that they belong to.
    pub parts: BTreeMap<String, f64>,
    /// By what they are for, with whatever is called for it: [`WORK`], in its order.
    pub work: Vec<f64>,
}

/// What telemetry does for a request, and the functions that do it.
pub const WORK: [(&str, &[&str]); 6] = [
    (
        "trace context and baggage out of the headers",
        &["TextMapPropagator::extract"],
    ),
    ("server span: start", &["Operation::start"]),
    (
        "server span: end, encoding, its metrics and the exemplar",
        &["InFlight::complete"],
    ),
    ("manual span: start", &["SpanBuilder::start"]),
    ("manual span: two events", &["SpanRef::add_event"]),
    (
        "export of both, on its thread",
        &["otlp::queue::Exporter::export"],
    ),
];

/// Of a service. Fails if a sampled span did not arrive: what is dropped costs nothing.
pub fn of_service(variant: Variant, setup: Setup) -> Result<Instructions, Error> {
    of(variant, setup, |receiver, profile| {
        Server::service(variant, setup, receiver, Some(profile))
    })
}

/// Of pong's own binary, everything sampled.
pub fn of_program(program: &Program) -> Result<Instructions, Error> {
    of(Variant::Ours, Setup::All, |receiver, profile| {
        Server::program(program, receiver.address, Some(profile))
    })
}

fn of(
    variant: Variant,
    setup: Setup,
    start: impl Fn(&Server, &Path) -> Result<Server, Error>,
) -> Result<Instructions, Error> {
    slope(|requests, profile| {
        let receiver = Server::receiver()?;
        let service = start(&receiver, profile)?;
        let mut load = Load::new(variant, service.address, setup)?;
        load.connect(1)?;
        load.send(Length::Requests(requests), Pace::FULL)?;
        service.stop()?;
        let expected = variant.spans() * setup.sampled(requests);
        let arrived = receiver.spans()?;
        if arrived == expected {
            Ok(())
        } else {
            Err(format!("{arrived} of {expected} spans arrived").into())
        }
    })
}

/// Of a client that asks a bare pong.
pub fn of_client(client: Client, setup: Setup) -> Result<Instructions, Error> {
    let receiver = Server::receiver()?;
    let pong = Server::service(Variant::Bare, setup, &receiver, None)?;
    slope(|requests, profile| {
        let mut command =
            client.command(setup, &receiver, pong.address, requests, Some(profile))?;
        let status = command
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(std::process::Stdio::null())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a client ended with {status}").into())
        }
    })
}

fn slope(run: impl Fn(u64, &Path) -> Result<(), Error>) -> Result<Instructions, Error> {
    let profile = |requests| {
        let file = temporary(requests);
        let profile = run(requests, &file).and_then(|()| Profile::read(&file));
        let _ = std::fs::remove_file(file);
        profile
    };
    let (short, long) = (profile(SHORT)?, profile(LONG)?);
    let a_request = |long: u64, short: u64| (long as f64 - short as f64) / (LONG - SHORT) as f64;
    let parts = long.parts.iter().map(|(part, &long)| {
        let short = short.parts.get(part).copied().unwrap_or_default();
        (part.clone(), a_request(long, short))
    });
    let work = long.work.iter().zip(&short.work);
    Ok(Instructions {
        total: a_request(long.total(), short.total()),
        parts: parts.collect(),
        work: work.map(|(&long, &short)| a_request(long, short)).collect(),
    })
}

fn temporary(requests: u64) -> PathBuf {
    std::env::temp_dir().join(format!("bench-{}-{requests}.callgrind", std::process::id()))
}

/// Lines for the terminal: the parts of these variants, sampled and not.
pub fn lines(variants: &[Variant]) -> Result<String, Error> {
    let mut text = String::new();
    for &variant in variants {
        for setup in [Setup::All, Setup::Off] {
            let Instructions { total, parts, .. } = of_service(variant, setup)?;
            text += &format!("{} {}: {total:.0}\n", variant.name(), setup.name());
            let mut parts: Vec<_> = parts.into_iter().collect();
            parts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            for (part, count) in parts.iter().filter(|(_, count)| *count >= 50.0) {
                text += &format!("  {count:7.0}  {part}\n");
            }
        }
    }
    Ok(text)
}

/// What callgrind wrote: instructions by part of the program, without those that were called.
struct Profile {
    parts: BTreeMap<String, u64>,
    work: Vec<u64>,
}

impl Profile {
    /// The format: <https://valgrind.org/docs/manual/cl-format.html>.
    fn read(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file)?;
        let (mut files, mut functions, mut objects) =
            (Names::default(), Names::default(), Names::default());
        let (mut object, mut source, mut function) = (String::new(), String::new(), String::new());
        let mut parts = BTreeMap::new();
        let mut called = String::new();
        let mut work = vec![0; WORK.len()];
        let mut is_call = false;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("ob", name)) => object = objects.get(name),
                Some(("fl" | "fi" | "fe", name)) => source = files.get(name),
                Some(("fn", name)) => function = functions.get(name),
                // Named here for the first time, maybe.
                Some(("cob", name)) => drop(objects.get(name)),
                Some(("cfi" | "cfl", name)) => drop(files.get(name)),
                Some(("cfn", name)) => called = functions.get(name),
                Some(("calls", _)) => is_call = true,
                _ if line.starts_with(is_position) => {
                    let cost: u64 = line.split(' ').nth(1).unwrap_or("0").parse()?;
                    // The line after `calls` has what the called function took.
                    if !std::mem::take(&mut is_call) {
                        *parts.entry(part(&object, &source, &function)).or_default() += cost;
                    } else if let Some(place) = place(&called) {
                        work[place] += cost;
                    }
                }
                _ => {}
            }
        }
        Ok(Self { parts, work })
    }

    fn total(&self) -> u64 {
        self.parts.values().sum()
    }
}

/// What a function is for: its place in [`WORK`].
fn place(function: &str) -> Option<usize> {
    // A recursive call, `f'2`, is in what `f` took.
    let is = |name: &&str| function.ends_with(*name);
    WORK.iter().position(|(_, names)| names.iter().any(is))
}

/// Of a line with costs.
fn is_position(first: char) -> bool {
    first.is_ascii_digit() || "+-*".contains(first)
}

/// Names are written once, `(1) name`, and are `(1)` from then on.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn get(&mut self, text: &str) -> String {
        match text.split_once(' ') {
            Some((number, name)) => {
                self.0.insert(number.to_owned(), name.to_owned());
                name.to_owned()
            }
            None => self.0.get(text).cloned().unwrap_or_default(),
        }
    }
}

/// The crate of a source file; of the C library, what the function is for.
fn part(object: &str, source: &str, function: &str) -> String {
    if let Some((_, path)) = source.split_once("/registry/src/") {
        let package = path.split('/').nth(1).unwrap_or_default();
        let version = package
            .rmatch_indices('-')
            .map(|(at, _)| at)
            .find(|at| package[at + 1..].starts_with(|first: char| first.is_ascii_digit()));
        return package[..version.unwrap_or(package.len())].to_owned();
    }
    if let Some((_, path)) = source.split_once("/crates/") {
        return path.split('/').next().unwrap_or_default().to_owned();
    }
    if source.contains("/rustc/") || source.contains("/library/") {
        return "std".to_owned();
    }
    let is = |words: &[&str]| words.iter().any(|word| function.contains(word));
    if is(&[
        "malloc",
        "free",
        "calloc",
        "realloc",
        "unlink_chunk",
        "tcache",
        "arena_get",
    ]) {
        "allocator".to_owned()
    } else if is(&[
        "memcpy", "memmove", "memset", "memcmp", "bcmp", "memchr", "strlen",
    ]) {
        "memcpy and the like".to_owned()
    } else if source.contains("/bench/src/") {
        "bench".to_owned()
    } else {
        match object.rsplit('/').next().unwrap_or_default() {
            library if library.contains(".so") => library.to_owned(),
            _ => "other".to_owned(),
        }
    }
}
