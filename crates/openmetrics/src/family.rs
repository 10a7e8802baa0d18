//! Under which name and type a family of the registry is exposed, if it can be.

use std::borrow::Cow;
use std::collections::HashSet;

use prometheus::proto::{MetricFamily, MetricType};

use crate::labels::family_name;
use crate::negotiation::Format;

/// A type, as far as OpenTelemetry's metrics have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
    Unknown,
}

impl Kind {
    /// As `# TYPE` spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
            Kind::Unknown => "unknown",
        }
    }

    /// What samples of this type have, or could have, behind the family's name.
    fn suffixes(self, format: Format) -> &'static [&'static str] {
        match (self, format) {
            (Kind::Counter, Format::OpenMetrics) => &["", "_total", "_created"],
            (Kind::Histogram, Format::OpenMetrics) => {
                &["", "_bucket", "_sum", "_count", "_created"]
            }
            (Kind::Histogram, Format::Text) => &["", "_bucket", "_sum", "_count"],
            (Kind::Info, _) => &["", "_info"],
            _ => &[""],
        }
    }
}

/// A family that is exposed.
pub(crate) struct Exposed<'a> {
    pub(crate) kind: Kind,
    /// The registry's name: in both formats that of the samples, but for the suffixes of a histogram.
    pub(crate) sample: Cow<'a, str>,
    /// What `sample` has behind the name in `# TYPE`.
    suffix: &'static str,
}

impl Exposed<'_> {
    /// The name in `# TYPE`, `# UNIT` and `# HELP`.
    pub(crate) fn name(&self) -> &str {
        self.sample
            .strip_suffix(self.suffix)
            .unwrap_or(&self.sample)
    }
}

/// The names that one exposition has used up. OpenMetrics 1.0, "Suffixes": no family's samples may look like another's.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// `None` if the family has no name or type that can be exposed beside those before it.
    pub(crate) fn admit<'a>(
        &mut self,
        family: &'a MetricFamily,
        format: Format,
    ) -> Option<Exposed<'a>> {
        let sample = family_name(family.name());
        let (kind, suffix) = match (family.get_field_type(), format) {
            _ if sample.is_empty() => return None,
            (MetricType::COUNTER, Format::Text) => (Kind::Counter, ""),
            (MetricType::COUNTER, Format::OpenMetrics) if is_counter(family, &sample) => {
                (Kind::Counter, "_total")
            }
            (MetricType::COUNTER, Format::OpenMetrics) => (Kind::Unknown, ""),
            (MetricType::GAUGE, Format::OpenMetrics) if is_target(family) => (Kind::Info, "_info"),
            (MetricType::GAUGE, _) => (Kind::Gauge, ""),
            (MetricType::HISTOGRAM, _) => (Kind::Histogram, ""),
            (MetricType::SUMMARY | MetricType::UNTYPED, _) => return None,
        };
        let exposed = Exposed {
            kind,
            sample,
            suffix,
        };
        if self.claim(&exposed, format) {
            return Some(exposed);
        }
        // A counter `x_total` beside a gauge `x`: its series stay, its type does not.
        let exposed = Exposed {
            kind: Kind::Unknown,
            suffix: "",
            ..exposed
        };
        (suffix == "_total" && self.claim(&exposed, format)).then_some(exposed)
    }

    fn claim(&mut self, exposed: &Exposed<'_>, format: Format) -> bool {
        let names = exposed.kind.suffixes(format).iter();
        let names: Vec<String> = names
            .map(|suffix| format!("{}{suffix}", exposed.name()))
            .collect();
        let free = !names.iter().any(|name| self.0.contains(name));
        if free {
            self.0.extend(names);
        }
        free
    }
}

/// Whether OpenMetrics may call it a counter: by its name and by its values.
fn is_counter(family: &MetricFamily, sample: &str) -> bool {
    let mut values = family
        .get_metric()
        .iter()
        .map(|metric| metric.get_counter().get_value());
    sample.ends_with("_total") && sample != "_total" && values.all(|value| value >= 0.0)
}

/// Whether it is the resource, which OpenTelemetry's exporter can only make a gauge of.
fn is_target(family: &MetricFamily) -> bool {
    let mut values = family
        .get_metric()
        .iter()
        .map(|metric| metric.get_gauge().get_value());
    family.name() == TARGET_INFO && values.all(|value| value == 1.0)
}

/// Resource attributes, as a family.
pub(crate) const TARGET_INFO: &str = "target_info";
