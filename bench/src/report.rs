//! `docs/cost.md`: written whole, part by part; a part that is not measured this time stays as it was.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Error;
use crate::call::Client;
use crate::instructions::Instructions;
use crate::serve::Variant;
use crate::setup::Sampling;
use crate::{cpu, instructions, machine, profiles, scale};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cost.md");

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

/// All that are compared, and how; bare is the same whatever the sampling.
fn services() -> Vec<(Variant, Sampling)> {
    let mut services = vec![(Variant::Bare, Sampling::All)];
    for variant in Variant::MEASURED {
        services.extend(Sampling::ALL.map(|sampling| (variant, sampling)));
    }
    services
        .retain(|(variant, sampling)| *variant == Variant::Ours || *sampling != Sampling::Disabled);
    services
}

const CLIENTS: [(Client, Sampling); 4] = [
    (Client::Bare, Sampling::All),
    (Client::Wrapped, Sampling::All),
    (Client::Wrapped, Sampling::Off),
    (Client::Wrapped, Sampling::Disabled),
];

fn instructions_text() -> Result<String, Error> {
    let services = services();
    let measured = services
        .iter()
        .map(|&(variant, sampling)| instructions::of_service(variant, sampling))
        .collect::<Result<Vec<_>, Error>>()?;
    let totals: Vec<_> = measured
        .iter()
        .map(|instructions| instructions.total)
        .collect();
    let mut text = format!(
        "{}\n\n{}",
        machine::description()?,
        table(&services, &totals, thousands)
    );
    let clients = CLIENTS.map(|(client, sampling)| instructions::of_client(client, sampling));
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
    let services = services();
    let measured = cpu::of_services(&services)?;
    let totals: Vec<_> = measured.iter().map(|cpu| cpu.microseconds).collect();
    let mut text = format!(
        "{}\n\n{}",
        machine::description()?,
        table(&services, &totals, microseconds)
    );
    for ((variant, sampling), cpu) in services.iter().zip(&measured) {
        if cpu.lost > 0 {
            let (name, sampling) = (variant.name(), sampling.name());
            writeln!(
                text,
                "\n{name} at {sampling} lost {} of {} spans.",
                cpu.lost, cpu.spans
            )?;
        }
    }
    let clients: Vec<_> = cpu::of_clients(&CLIENTS)?
        .iter()
        .map(|cpu| cpu.microseconds)
        .collect();
    write!(text, "\n{}", client_table(&clients, microseconds))?;
    Ok(text)
}

fn thousands(instructions: f64) -> String {
    format!("{:.1}k", instructions / 1e3)
}

fn microseconds(time: f64) -> String {
    format!("{time:.1} µs")
}

/// A row a variant, a column a sampling; the first value is bare's.
fn table(services: &[(Variant, Sampling)], values: &[f64], show: impl Fn(f64) -> String) -> String {
    let bare = values[0];
    let mut text = "| service |".to_owned();
    Sampling::ALL
        .iter()
        .for_each(|sampling| text += &format!(" {} |", sampling.name()));
    text += "\n| --- |";
    Sampling::ALL.iter().for_each(|_| text += " --- |");
    text += &format!("\n| bare | {} |  |  |  |\n", show(bare));
    for variant in Variant::MEASURED {
        text += &format!("| {} |", variant.name());
        for sampling in Sampling::ALL {
            let place = services
                .iter()
                .position(|service| *service == (variant, sampling));
            text += &match place.map(|place| values[place]) {
                Some(value) => format!(" {}, {:.2} × |", show(value), value / bare),
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
    let bare = instructions::of_service(Variant::Bare, Sampling::All)?;
    let ours = instructions::of_service(Variant::Ours, Sampling::All)?;
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
fn parts_table(services: &[(Variant, Sampling)], measured: &[Instructions]) -> String {
    let shown: Vec<_> = services
        .iter()
        .zip(measured)
        .filter(|((_, sampling), _)| *sampling == Sampling::All)
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
    let mut text = "| at 100 %, in |".to_owned();
    shown
        .iter()
        .for_each(|((variant, _), _)| text += &format!(" {} |", variant.name()));
    text += "\n| --- |";
    shown.iter().for_each(|_| text += " ---: |");
    text += "\n";
    for part in parts {
        text += &format!("| {part} |");
        shown
            .iter()
            .for_each(|(_, instructions)| text += &format!(" {:.0} |", of(instructions, part)));
        text += "\n";
    }
    text
}
