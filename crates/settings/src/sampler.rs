//! `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`: which traces are recorded.

use std::fmt;

use crate::reader::Reader;

/// Which traces are recorded. Displays as `OTEL_TRACES_SAMPLER` spells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    /// Decides about a trace that begins here.
    pub root: Root,
    /// Whether the decision of a parent is followed. Then `root` decides only for spans without a parent.
    pub parent_based: bool,
}

/// The decision about a trace that begins here.
#[derive(Clone, Debug, PartialEq)]
pub enum Root {
    /// Every trace is recorded.
    AlwaysOn,
    /// No trace is recorded.
    AlwaysOff,
    /// Probability from 0 to 1, decided by the trace id.
    Ratio(f64),
}

impl Sampler {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        const WANTED: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
                              parentbased_traceidratio";
        let default = Self {
            root: Root::AlwaysOn,
            parent_based: true,
        };
        let named = reader.parsed(
            "OTEL_TRACES_SAMPLER",
            WANTED,
            "parentbased_always_on",
            |value| {
                let value = value.to_ascii_lowercase();
                let name = value.strip_prefix("parentbased_");
                let root = match name.unwrap_or(&value) {
                    "always_on" => Root::AlwaysOn,
                    "always_off" => Root::AlwaysOff,
                    "traceidratio" => Root::Ratio(1.0),
                    _ => return None,
                };
                Some(Self {
                    root,
                    parent_based: name.is_some(),
                })
            },
        );
        let mut sampler = named.unwrap_or(default);
        sampler.read_argument(reader);
        sampler
    }

    fn read_argument(&mut self, reader: &mut Reader<'_>) {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        if let Root::Ratio(ratio) = &mut self.root {
            *ratio = reader
                .parsed(NAME, "a probability from 0 to 1", "1", |value| {
                    let ratio = value.parse().ok()?;
                    (0.0..=1.0).contains(&ratio).then_some(ratio)
                })
                .unwrap_or(*ratio);
        } else if let Some(value) = reader.text(NAME) {
            reader.warn(format!(
                "{NAME} is {value:?}; wanted: nothing, since the sampler {self} takes no argument; used instead: {self}"
            ));
        }
    }
}

/// As `OTEL_TRACES_SAMPLER` spells it, with the argument in brackets.
impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parent_based {
            f.write_str("parentbased_")?;
        }
        match self.root {
            Root::AlwaysOn => f.write_str("always_on"),
            Root::AlwaysOff => f.write_str("always_off"),
            Root::Ratio(ratio) => write!(f, "traceidratio({ratio})"),
        }
    }
}
