//! `docs/cost.md`: written whole, part by part; a part that is not measured this time stays as it was.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Error;
use crate::call::Client;
use crate::cpu::Callers;
use crate::instructions::Instructions;
use crate::machine::Memory;
use crate::serve::Variant;
use crate::setup::Setup;
use crate::{cpu, instructions, machine, profiles, scale};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cost.md");

/// Connections at once.
const CONNECTIONS: [u64; 4] = [1, 32, 64, 1_024];

/// Where everything is measured; elsewhere the rivals at 100 % only.
const COMPARED: Callers = Callers::Free(32);

/// A section of the document.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Instructions,
    Work,
    Cpu,
    Scale,
    Profiles,
}

impl Part {
    fn heading(self) -> &'static str {
        match self {
            Self::Instructions => "Instructions a request",
            Self::Work => "What the instructions are for",
            Self::Cpu => "CPU time a request",
            Self::Scale => "As it grows",
            Self::Profiles => "Release profile",
        }
    }

    fn text(self) -> Result<String, Error> {
        match self {
            Self::Instructions => instructions_text(),
            Self::Work => work_text(),
            Self::Cpu => cpu_text(),
            Self::Scale => scale::text(),
            Self::Profiles => profiles::text(),
        }
    }
}

/// Measures the parts, prints them, and puts them into the document.
pub fn write(parts: &[Part]) -> Result<(), Error> {
    for part in parts {
        let text = part.text()?;
        println!("## {}\n\n{text}", part.heading());
        let document = fs::read_to_string(Path::new(FILE))?;
        fs::write(FILE, replaced(&document, part.heading(), &text))?;
    }
    Ok(())
}

/// The document with another text under that heading.
fn replaced(document: &str, heading: &str, text: &str) -> String {
    let heading = format!("## {heading}\n");
    let (before, rest) = document.split_once(&heading).unwrap_or((document, ""));
    let after = rest.find("\n## ").map_or("", |at| &rest[at + 1..]);
    let end = if after.is_empty() { "" } else { "\n" };
    format!(
        "{}\n\n{heading}\n{}\n{end}{after}",
        before.trim_end(),
        text.trim_end()
    )
}

/// All that are compared, and how; bare is the same whatever the setup.
fn services() -> Vec<(Variant, Setup)> {
    let measured = Variant::MEASURED.iter().flat_map(|&variant| {
        let setups = variant.setups().iter();
        setups.map(move |&setup| (variant, setup))
    });
    let bare = (Variant::Bare, Setup::All);
    std::iter::once(bare).chain(measured).collect()
}

const CLIENTS: [(Client, Setup); 4] = [
    (Client::Bare, Setup::All),
    (Client::Wrapped, Setup::All),
    (Client::Wrapped, Setup::Off),
    (Client::Wrapped, Setup::Disabled),
];

fn instructions_text() -> Result<String, Error> {
    let services = services();
    let measured = services
        .iter()
        .map(|&(variant, setup)| instructions::of_service(variant, setup))
        .collect::<Result<Vec<_>, Error>>()?;
    let totals: Vec<_> = measured
        .iter()
        .map(|instructions| instructions.total)
        .collect();
    let mut text = format!(
        "{}\n\n\
         All spans of these services arrived: a run that loses one is an error. *New baggage*: it never repeats, while it is \
         the same in all other columns. All services are one executable: what a rival turns on in a shared crate, such as \
         `tracing/log`, is on for all. The guard measures ours without rivals.\n\n{}",
        machine::description()?,
        table(&services, &totals, thousands)
    );
    let clients = CLIENTS.map(|(client, setup)| instructions::of_client(client, setup));
    let clients = clients.into_iter().collect::<Result<Vec<_>, Error>>()?;
    let clients: Vec<_> = clients
        .iter()
        .map(|instructions| instructions.total)
        .collect();
    write!(
        text,
        "\n{}\n{}",
        client_table(&clients, thousands),
        parts_table(&services, &measured)
    )?;
    Ok(text)
}

fn cpu_text() -> Result<String, Error> {
    let mut text = format!(
        "{}\n\n\
         As many requests as there can be. `×` is the median of ratios to bare in the same round. The kernel divides user and \
         system time by sampling. Memory and spans are those at 100 %.",
        machine::description()?
    );
    for callers in [Callers::Pinned]
        .into_iter()
        .chain(CONNECTIONS.map(Callers::Free))
    {
        write!(text, "\n\n{}", cpu_of(callers)?)?;
    }
    let clients: Vec<_> = cpu::of_clients(&CLIENTS)?
        .iter()
        .map(|cpu| cpu.microseconds)
        .collect();
    write!(text, "\n{}", client_table(&clients, microseconds))?;
    Ok(text)
}

/// A row a service: everything at 100 %, the ratios of the other setups.
pub fn cpu_of(callers: Callers) -> Result<String, Error> {
    let mut measured = Vec::new();
    for setup in Setup::ALL {
        let is_measured = |variant: &&Variant| {
            let is_compared = setup == Setup::All || callers == COMPARED;
            let is_ours = **variant == Variant::Ours && setup != Setup::NewBaggage;
            variant.setups().contains(&setup) && (is_compared || is_ours)
        };
        let mut services = vec![(Variant::Bare, setup)];
        let variants = Variant::MEASURED.iter().filter(is_measured);
        services.extend(variants.map(|&variant| (variant, setup)));
        if services.len() > 1 {
            measured.extend(
                services
                    .iter()
                    .copied()
                    .zip(cpu::of_services(&services, callers)?),
            );
        }
    }
    let of = |variant, setup| {
        let mut measured = measured.iter();
        let found = measured.find(|(service, _)| *service == (variant, setup));
        found.map(|(_, cpu)| cpu)
    };
    let mut text = format!(
        "{}:\n\n\
         | service | manual span by | CPU, 100 % | user + system | × bare | new baggage | 10 % | off | disabled | spans lost | resident: peak, after |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        match callers {
            Callers::Pinned =>
                "One connection, its caller on the same processor as the service".to_owned(),
            Callers::Free(1) => "One connection, not pinned".to_owned(),
            Callers::Free(connections) => format!("{connections} connections, not pinned"),
        }
    );
    for &variant in [Variant::Bare].iter().chain(Variant::MEASURED) {
        let Some(all) = of(variant, Setup::All) else {
            continue;
        };
        let user = all.microseconds * all.user;
        write!(
            text,
            "| {} | {} | {} | {user:.1} + {:.1} |",
            variant.name(),
            variant.way(),
            microseconds(all.microseconds),
            all.microseconds - user
        )?;
        for setup in Setup::ALL {
            match of(variant, setup) {
                Some(cpu) if variant != Variant::Bare => write!(text, " {:.2} |", cpu.ratio)?,
                _ => text += "  |",
            }
        }
        let Memory { peak, now } = all.memory;
        let spans = match variant {
            Variant::Bare => String::new(),
            _ => format!("{} of {}", all.lost, all.spans),
        };
        writeln!(text, " {spans} | {peak:.0}, {now:.0} MiB |")?;
    }
    for ((variant, setup), cpu) in &measured {
        if *setup != Setup::All && cpu.lost > 0 {
            let (name, way, setup) = (variant.name(), variant.way(), setup.name());
            writeln!(
                text,
                "\n{name}, {way}, at {setup} lost {} of {} spans.",
                cpu.lost, cpu.spans
            )?;
        }
    }
    Ok(text)
}

fn thousands(instructions: f64) -> String {
    format!("{:.1}k", instructions / 1e3)
}

fn microseconds(time: f64) -> String {
    format!("{time:.1} µs")
}

/// A row a variant, a column a setup; the first value is bare's.
fn table(services: &[(Variant, Setup)], values: &[f64], show: impl Fn(f64) -> String) -> String {
    let bare = values[0];
    let names = Setup::ALL.map(Setup::name).join(" | ");
    let mut text = format!(
        "| service | manual span by | {names} |\n| --- | --- |{}\n| bare |  | {} |{}\n",
        " ---: |".repeat(Setup::ALL.len()),
        show(bare),
        "  |".repeat(Setup::ALL.len() - 1),
    );
    for &variant in Variant::MEASURED {
        text += &format!("| {} | {} |", variant.name(), variant.way());
        for setup in Setup::ALL {
            let mut measured = services.iter().zip(values);
            let value = measured.find(|(service, _)| **service == (variant, setup));
            text += &match value {
                Some((_, value)) => format!(" {}, {:.2} × |", show(*value), value / bare),
                None => "  |".to_owned(),
            };
        }
        text += "\n";
    }
    text
}

fn client_table(values: &[f64], show: impl Fn(f64) -> String) -> String {
    let cell = |value: f64| format!("{}, {:.2} ×", show(value), value / values[0]);
    format!(
        "| client | 100 % | off | disabled |\n| --- | --- | --- | --- |\n| reqwest | {} |  |  |\n| wrapped | {} | {} | {} |\n",
        show(values[0]),
        cell(values[1]),
        cell(values[2]),
        cell(values[3]),
    )
}

/// What this project's instructions are for, at 100 %.
fn work_text() -> Result<String, Error> {
    let bare = instructions::of_service(Variant::Bare, Setup::All)?;
    let ours = instructions::of_service(Variant::Ours, Setup::All)?;
    if ours.work.contains(&0.0) {
        return Err("functions are inlined into others: build with `--profile apart`".into());
    }
    let mut text = format!(
        "{}\n\n| this project at 100 % | instructions |\n| --- | ---: |\n| what bare has, too | {:.0} |\n",
        machine::description()?,
        bare.total
    );
    for ((what, _), count) in instructions::WORK.iter().zip(&ours.work) {
        text += &format!("| {what} | {count:.0} |\n");
    }
    let rest = ours.total - bare.total - ours.work.iter().sum::<f64>();
    text += &format!(
        "| the rest: manual metrics, the end of the manual span, the layer around the route, contexts entered and dropped | {rest:.0} |\n"
    );
    text += &format!("| together | {:.0} |\n", ours.total);
    Ok(text)
}

/// Where the instructions go, at 100 %.
fn parts_table(services: &[(Variant, Setup)], measured: &[Instructions]) -> String {
    let shown: Vec<_> = services
        .iter()
        .zip(measured)
        .filter(|((_, setup), _)| *setup == Setup::All)
        .collect();
    let mut parts: Vec<&String> = shown
        .iter()
        .flat_map(|(_, instructions)| instructions.parts.keys())
        .collect();
    parts.sort();
    parts.dedup();
    let of = |instructions: &Instructions, part: &str| {
        instructions.parts.get(part).copied().unwrap_or_default()
    };
    let largest = |part: &&String| {
        shown
            .iter()
            .map(|(_, instructions)| of(instructions, part))
            .fold(0.0, f64::max)
    };
    parts.retain(|part| largest(part) >= 100.0);
    parts.sort_by(|a, b| largest(b).total_cmp(&largest(a)));
    let row = |first: &str, cell: &dyn Fn(Variant, &Instructions) -> String| {
        let cells = shown
            .iter()
            .map(|((variant, _), instructions)| format!(" {} |", cell(*variant, instructions)));
        format!("| {first} |{}\n", cells.collect::<String>())
    };
    let mut text = row("at 100 %, in", &|variant, _| variant.name().to_owned());
    text += &format!("| --- |{}\n", " ---: |".repeat(shown.len()));
    text += &row("manual span by", &|variant, _| variant.way().to_owned());
    for part in parts {
        text += &row(part, &|_, instructions| {
            format!("{:.0}", of(instructions, part))
        });
    }
    text
}
