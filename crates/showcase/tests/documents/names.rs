//! Names between backticks that look like ours are names that the services really use, and the other way round.

use std::cell::RefCell;
use std::collections::BTreeSet;

use backend::{Span, Trace};

use crate::markdown::{documents, fences};
use crate::running::{Showcase, receiver};
use crate::{PATIENCE, read, sources};

/// What both services really say, in good times and bad.
#[derive(Default)]
struct Observed {
    spans: BTreeSet<String>,
    events: BTreeSet<String>,
    attributes: BTreeSet<String>,
    families: BTreeSet<String>,
    /// Names of samples and of labels.
    exposed: BTreeSet<String>,
    /// What `/` lists.
    listed: String,
}

impl Observed {
    async fn collect() -> Self {
        let (backend, (variable, endpoint)) = receiver();
        let showcase =
            Showcase::start(&[("PONG_FAILURE_RATE", "0.5"), (variable, &endpoint)]).await;
        // Until pong has succeeded and failed.
        let mut observed = Self::default();
        while !["Response success", "Response with error"]
            .iter()
            .all(|event| observed.events.contains(*event))
        {
            let seen = backend.store().len();
            showcase.ping("/ping", &[]).await;
            let traces = backend.store().wait_for(PATIENCE, |store| {
                let traces = store.latest(usize::MAX);
                (store.len() > seen && traces.iter().all(Trace::is_complete)).then_some(traces)
            });
            let traces = traces.await.unwrap();
            traces
                .iter()
                .flat_map(|trace| &trace.spans)
                .for_each(|span| observed.span(span));
        }
        observed.scrape(&showcase.ping("/metrics", &[]).await);
        observed.scrape(&showcase.pong("/metrics").await);
        observed.listed = showcase.ping("/", &[]).await + &showcase.pong("/").await;
        observed
    }

    fn span(&mut self, span: &Span) {
        self.spans.insert(span.name.clone());
        self.events
            .extend(span.events.iter().map(|event| event.name.clone()));
        let keys = span
            .attributes
            .iter()
            .chain(span.resource.attributes.iter())
            .map(|(key, _)| key.to_owned());
        self.attributes.extend(keys);
    }

    fn scrape(&mut self, scrape: &str) {
        for line in scrape.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                self.families
                    .extend(family.split(' ').next().map(str::to_owned));
            } else if !line.starts_with('#') {
                let (name, labels) = line.split_once(['{', ' ']).unwrap();
                self.exposed.insert(name.to_owned());
                let labels = labels
                    .split("\",")
                    .filter_map(|label| label.split_once("=\""));
                self.exposed
                    .extend(labels.map(|(label, _)| label.to_owned()));
            }
        }
    }

    /// Whether a family's or label's name is `name`, or begins with it where a `…` follows.
    fn exposes(&self, name: &str) -> bool {
        let all = || self.families.iter().chain(&self.exposed);
        match name.strip_suffix('…') {
            Some(start) => all().any(|it| it.starts_with(start)),
            None => all().any(|it| it == name),
        }
    }

    /// Whether `name` is an attribute, or an instrument that a family was made of.
    fn knows_dotted(&self, name: &str) -> bool {
        let family = name.replace('.', "_");
        self.attributes.contains(name)
            || self.families.iter().any(|it| {
                let unit = it.strip_prefix(&family);
                unit.is_some_and(|unit| unit.is_empty() || unit.starts_with('_'))
            })
    }
}

/// The words of a piece of code that may be names.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !(char.is_alphanumeric() || "_.…".contains(char)))
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
}

fn is_lower(word: &str, more: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_lowercase())
        && word
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || more.contains(char))
}

/// Prefixes of our families, where a word with underscores is meant to be one.
const EXPOSED: [&str; 7] = [
    "http_server_",
    "http_client_",
    "otel_",
    "process_",
    "tokio_",
    "request_count",
    "duration_",
];

/// What the original asks for, and what no longer exists.
const ORIGINAL: [&str; 1] = ["duration_count"];

/// Endings of names of files and hosts.
const NO_ATTRIBUTES: [&str; 16] = [
    ".rs", ".md", ".yml", ".toml", ".ini", ".json", ".js", ".png", ".io", ".com", ".html", ".lock",
    ".env", ".sh", ".jsonl", ".example",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_between_backticks_exist() {
    let observed = Observed::collect().await;
    let sources = sources();
    // Names that only show in rare cases, or in the examples, stand in the code.
    let in_sources = |name: &str| {
        ['"', '`', '=']
            .iter()
            .any(|end| sources.contains(&format!("{name}{end}")))
    };
    let mut checked = [0; 5];
    let mut unknown = Vec::new();
    for document in documents() {
        for code in document.code() {
            let first = code.split(' ').next().unwrap_or_default();
            let is_phrase = code.starts_with(|char: char| char.is_ascii_uppercase())
                && code.contains(' ')
                && code
                    .chars()
                    .skip(1)
                    .all(|char| char.is_ascii_lowercase() || char == ' ');
            let found = if is_phrase {
                checked[0] += 1;
                observed.events.contains(&code)
            } else if ["GET", "POST"].contains(&first) && code.contains(" /") {
                checked[1] += 1;
                let path = &code[code.find('/').unwrap_or_default()..];
                observed.spans.contains(&code)
                    || observed.listed.contains(&code)
                    || in_sources(path)
            } else if ["-request", "-span", "-operations"]
                .iter()
                .any(|end| code.ends_with(end))
                && is_lower(&code, "-")
            {
                checked[2] += 1;
                observed.spans.contains(&code) || in_sources(&code)
            } else {
                true
            };
            if !found {
                unknown.push(format!("{}: {code}", document.name));
            }
            // What begins with a bracket is a table of a manifest.
            let words =
                words(&code).filter(|word| !code.starts_with('[') && !ORIGINAL.contains(word));
            for word in words {
                let is_exposed =
                    is_lower(word, "_…") && EXPOSED.iter().any(|start| word.starts_with(start));
                let is_dotted = is_lower(word, "._")
                    && word.contains('.')
                    && !NO_ATTRIBUTES.iter().any(|end| word.ends_with(end));
                let found = if is_exposed {
                    checked[3] += 1;
                    observed.exposes(word)
                        || in_sources(word)
                        || in_sources(&word.replace('_', "."))
                } else if is_dotted {
                    checked[4] += 1;
                    observed.knows_dotted(word) || in_sources(word)
                } else {
                    true
                };
                if !found {
                    unknown.push(format!("{}: {word} in {code}", document.name));
                }
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "{unknown:#?} not in {:#?}",
        observed.families
    );
    assert!(
        checked.iter().all(|count| *count > 4),
        "{checked:?}: they are not found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_metric_of_a_scrape_is_named_in_a_document() {
    let observed = Observed::collect().await;
    let named: BTreeSet<_> = documents()
        .iter()
        .flat_map(|document| document.code())
        .collect();
    let missing: Vec<_> = observed
        .families
        .iter()
        .filter(|family| !named.contains(*family))
        .collect();
    assert!(
        observed.families.len() > 15 && missing.is_empty(),
        "{missing:#?}"
    );
}

/// The variables that the services ask for, and those among them that do nothing but make a warning.
fn settings() -> (BTreeSet<String>, BTreeSet<String>) {
    let asked = RefCell::new(BTreeSet::new());
    let nothing_set = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let ping = ping::Settings::from_env(&nothing_set);
    let pong = pong::Settings::from_env(&nothing_set);
    assert!(ping.is_ok() && pong.is_ok());
    let asked = asked.into_inner();
    let unsupported = asked.iter().filter(|name| {
        let one_set = |it: &str| (it == *name).then(|| "1".into());
        let settings = telemetry::Settings::from_env(&one_set);
        settings.is_ok_and(|settings| {
            settings
                .warnings()
                .iter()
                .any(|warning| warning.contains("it is not supported"))
        })
    });
    let unsupported = unsupported.cloned().collect();
    (asked, unsupported)
}

/// Whether `word` stands for `name`: with or without `OTEL_`; `…`, or a `_` at the end, for anything.
fn stands_for(word: &str, name: &str) -> bool {
    let names = [Some(name), name.strip_prefix("OTEL_")];
    names
        .into_iter()
        .flatten()
        .any(|name| match word.split_once('…') {
            Some((start, end)) => name.starts_with(start) && name.ends_with(end),
            None if word.ends_with('_') => name.starts_with(word),
            None => name == word,
        })
}

fn is_variable(word: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_uppercase())
        && word.contains('_')
        && word
            .chars()
            .all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || "_…".contains(char))
}

/// Code between backticks and lines of commands.
fn code_and_commands() -> Vec<String> {
    let fences = fences().into_iter().filter(|fence| fence.language == "sh");
    let commands = fences.flat_map(|fence| fence.lines);
    commands
        .chain(documents().iter().flat_map(|document| document.code()))
        .collect()
}

/// The variables that are asked for only where the receiver is on another machine.
fn settings_for_elsewhere() -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let elsewhere = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        let endpoint = match name {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => "https://collector.example",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" => "http://collector.example",
            // The list of exceptions is asked for where there is a proxy.
            "all_proxy" => "proxy.example:3128",
            _ => return None,
        };
        Some(endpoint.into())
    };
    assert!(telemetry::Settings::from_env(&elsewhere).is_ok());
    let directly = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://collector.example".into())
    };
    assert!(telemetry::Settings::from_env(&directly).is_ok());
    asked.into_inner()
}

#[test]
fn settings_in_the_documents_are_asked_for() {
    let (mut asked, _) = settings();
    asked.extend(settings_for_elsewhere());
    let compose = read("docker-compose.yml");
    let mut checked = 0;
    for code in code_and_commands() {
        for word in words(&code).filter(|word| is_variable(word)) {
            let known = asked.iter().any(|name| stands_for(word, name))
                || compose.contains(&format!("${{{word}:-"));
            assert!(known, "{word} in {code}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} settings: they are not found");
}

#[test]
fn each_setting_is_named_in_a_document() {
    let (asked, unsupported) = settings();
    let code = code_and_commands();
    let named: Vec<_> = code.iter().flat_map(|code| words(code)).collect();
    let missing: Vec<_> = asked
        .difference(&unsupported)
        .filter(|name| !named.iter().any(|word| stands_for(word, name)))
        .collect();
    assert!(
        asked.len() > 40 && unsupported.len() > 10,
        "{asked:?} {unsupported:?}"
    );
    assert!(missing.is_empty(), "{missing:#?}");
}
