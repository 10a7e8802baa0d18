//! The name and the type that a family of the registry has in an exposition, if it can be exposed.
//!
//! The formats give samples suffixes (`_bucket`, `_total`). A gauge `x_count` beside a histogram `x` would look like a sample
//! of it, and a parser would reject the scrape.

use std::borrow::Cow;
use std::collections::HashSet;

use prometheus::proto::{MetricFamily, MetricType};

use crate::labels::family_name;
use crate::negotiation::Format;

/// The types that OpenTelemetry's metrics can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
    Unknown,
}

impl Kind {
    /// The type in `# TYPE`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
            Kind::Unknown => "unknown",
        }
    }

    /// The suffixes that the format reserves for samples of this type.
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

/// The name and type of a family in the exposition.
pub(crate) struct Exposed<'a> {
    pub(crate) kind: Kind,
    /// The registry's name. Both formats give it to the samples; those of a histogram have a suffix as well.
    pub(crate) sample: Cow<'a, str>,
    /// The part of `sample` that is missing from the name in `# TYPE`.
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

/// The names that are taken in one exposition. OpenMetrics 1.0, "Suffixes": samples of one family must not look like those
/// of another.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// Returns `None` if no name and type of the family can stand beside those of the families before it.
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
        // A counter `x_total` beside a gauge `x` keeps its series, but not its type.
        let exposed = Exposed {
            kind: Kind::Unknown,
            suffix: "",
            ..exposed
        };
        (suffix == "_total" && self.claim(&exposed, format)).then_some(exposed)
    }

    fn claim(&mut self, exposed: &Exposed<'_>, format: Format) -> bool {
        let (name, suffixes) = (exposed.name(), exposed.kind.suffixes(format).iter());
        let names: Vec<_> = suffixes.map(|suffix| format!("{name}{suffix}")).collect();
        let free = !names.iter().any(|name| self.0.contains(name));
        if free {
            self.0.extend(names);
        }
        free
    }
}

/// Whether the family may be a counter in OpenMetrics, by its name and by its values.
fn is_counter(family: &MetricFamily, sample: &str) -> bool {
    let mut metrics = family.get_metric().iter();
    let is_named = sample.ends_with("_total") && sample != "_total";
    is_named && metrics.all(|metric| metric.get_counter().get_value() >= 0.0)
}

/// Whether the family is the resource, which OpenTelemetry's exporter can only make a gauge of.
fn is_target(family: &MetricFamily) -> bool {
    let mut metrics = family.get_metric().iter();
    family.name() == TARGET_INFO && metrics.all(|metric| metric.get_gauge().get_value() == 1.0)
}

/// The family of the resource attributes.
pub(crate) const TARGET_INFO: &str = "target_info";
