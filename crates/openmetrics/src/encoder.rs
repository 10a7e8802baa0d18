//! Writes both formats, in one pass and piece by piece.
//!
//! A label set is escaped once for its series and copied into each line. A bound is formatted once for a scrape.

use std::fmt::Write;
use std::io;
use std::iter::once;
use std::ops::Range;

use prometheus::proto::{Metric, MetricFamily};

use crate::exemplars::{Exemplar, Exemplars};
use crate::family::{Exposed, Kind, Names, TARGET_INFO};
use crate::labels::{self, Label, write_escaped, write_labels};
use crate::negotiation::Format;
use crate::number::{write_bound, write_value};

/// The units that OpenTelemetry's exporter appends to a name. Any other last word need not be a unit.
const UNITS: &str = "amperes bytes celsius days gibibytes gigabytes grams hertz hours joules kibibytes kilobytes mebibytes \
     megabytes meters microseconds milliseconds minutes nanoseconds percent ratio seconds terabytes tibibytes volts watts";

/// Shortest piece in bytes. A piece ends with a series.
const PIECE: usize = 16 * 1024;

/// Writes the gathered families to `sink`, in `format`.
pub(crate) fn encode(
    families: &[MetricFamily],
    format: Format,
    exemplars: &Exemplars,
    sink: &mut dyn io::Write,
) -> io::Result<()> {
    let mut encoder = Encoder {
        sink,
        out: String::new(),
        format,
        exemplars,
        names: Names::default(),
        bounds: Vec::new(),
    };
    // OpenMetrics 1.0, "MetricSet": the target comes first.
    let (target, others): (Vec<_>, Vec<_>) = families
        .iter()
        .partition(|family| family.name() == TARGET_INFO);
    for family in target.into_iter().chain(others) {
        encoder.family(family)?;
    }
    if format == Format::OpenMetrics {
        encoder.out.push_str("# EOF\n");
    }
    encoder.sink.write_all(encoder.out.as_bytes())
}

struct Encoder<'a> {
    sink: &'a mut dyn io::Write,
    out: String,
    format: Format,
    exemplars: &'a Exemplars,
    names: Names,
    /// Bounds already formatted, by their index in a histogram.
    bounds: Vec<(f64, String)>,
}

impl Encoder<'_> {
    fn family(&mut self, family: &MetricFamily) -> io::Result<()> {
        let Some(exposed) = self.names.admit(family, self.format) else {
            return Ok(());
        };
        self.metadata(&exposed, family.help());
        let name = &exposed.sample;
        let (text, series) = series(family, exposed.kind);
        for (labels, metric) in series {
            let labels = &text[labels];
            match exposed.kind {
                Kind::Histogram => self.histogram(name, labels, metric),
                Kind::Gauge | Kind::Info => {
                    self.sample(name, "", labels, metric.get_gauge().get_value());
                }
                Kind::Counter | Kind::Unknown => {
                    self.sample(name, "", labels, metric.get_counter().get_value());
                }
            }
            if self.out.len() >= PIECE {
                self.sink.write_all(self.out.as_bytes())?;
                self.out.clear();
            }
        }
        Ok(())
    }

    /// OpenMetrics 1.0, "MetricFamily metadata": TYPE, UNIT, HELP. In the text format HELP, TYPE is usual.
    fn metadata(&mut self, exposed: &Exposed<'_>, help: &str) {
        let name = exposed.name();
        if self.format == Format::Text {
            self.help(name, help);
        }
        self.comment("TYPE", name, exposed.kind.name());
        if self.format == Format::OpenMetrics {
            if let Some(unit) = unit(name).filter(|_| exposed.kind != Kind::Info) {
                self.comment("UNIT", name, unit);
            }
            self.help(name, help);
        }
    }

    fn comment(&mut self, keyword: &str, name: &str, text: &str) {
        self.out.extend(["# ", keyword, " ", name, " ", text, "\n"]);
    }

    fn help(&mut self, name: &str, help: &str) {
        if help.is_empty() {
            return;
        }
        self.out.extend(["# HELP ", name, " "]);
        write_escaped(&mut self.out, help, self.format == Format::OpenMetrics);
        self.out.push('\n');
    }

    fn histogram(&mut self, name: &str, labels: &str, metric: &Metric) {
        let histogram = metric.get_histogram();
        let exemplars = self.exemplars(name, metric);
        let mut exemplars = exemplars.iter().peekable();
        let buckets = histogram.get_bucket().iter();
        let buckets = buckets
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .filter(|(bound, _)| bound.is_finite())
            .chain(once((f64::INFINITY, histogram.get_sample_count())));

        let (mut below, mut counted, mut negative) = (f64::NEG_INFINITY, 0, false);
        for (index, (bound, count)) in buckets.enumerate() {
            if bound <= below {
                continue;
            }
            let comma = if labels.is_empty() { "" } else { "," };
            self.out.extend([name, "_bucket{", labels, comma, "le=\""]);
            self.bound(index, bound);
            let _ = write!(self.out, "\"}} {count}");
            // The value decides, because a view may have given the series other bounds than the handle was made with.
            let mut latest: Option<&Exemplar> = None;
            while let Some(exemplar) = exemplars.next_if(|exemplar| exemplar.value <= bound) {
                if latest.is_none_or(|latest| latest.unix_millis <= exemplar.unix_millis) {
                    latest = Some(exemplar);
                }
            }
            // An exemplar can be newer than the counts.
            if let Some(exemplar) = latest.filter(|_| count > counted) {
                self.exemplar(exemplar);
            }
            self.out.push('\n');
            negative |= bound < 0.0;
            (below, counted) = (bound, count);
        }

        // OpenMetrics 1.0, "Histogram": the sum is a counter, so not negative; the count is there if the sum is.
        let sum = histogram.get_sample_sum();
        if self.format == Format::Text || sum >= 0.0 && !negative {
            self.sample(name, "_sum", labels, sum);
            self.sample_name(name, "_count", labels);
            let _ = writeln!(self.out, "{}", histogram.get_sample_count());
        }
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &str, value: f64) {
        self.sample_name(name, suffix, labels);
        write_value(&mut self.out, value);
        self.out.push('\n');
    }

    fn sample_name(&mut self, name: &str, suffix: &str, labels: &str) {
        let (open, close) = if labels.is_empty() {
            ("", " ")
        } else {
            ("{", "} ")
        };
        self.out.extend([name, suffix, open, labels, close]);
    }

    fn bound(&mut self, index: usize, bound: f64) {
        if bound == f64::INFINITY {
            self.out.push_str("+Inf");
            return;
        }
        if self.bounds.len() <= index {
            self.bounds.resize(index + 1, (f64::NAN, String::new()));
        }
        if let Some((printed, text)) = self.bounds.get_mut(index) {
            if *printed != bound {
                *printed = bound;
                text.clear();
                write_bound(text, bound, self.format);
            }
            self.out.push_str(text);
        }
    }

    /// The exemplars of the series, in ascending order of bucket.
    fn exemplars(&self, name: &str, metric: &Metric) -> Vec<Exemplar> {
        if self.format == Format::Text || !self.exemplars.has(name) {
            return Vec::new();
        }
        let labels = metric.get_label().iter();
        let labels = labels.map(|label| (label.name(), label.value()));
        self.exemplars.latest(name, &labels::measured(labels))
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        let (span_id, trace_id) = (exemplar.span_id, exemplar.trace_id);
        let labels = format_args!(r#"span_id="{span_id:016x}",trace_id="{trace_id:032x}""#);
        let _ = write!(self.out, " # {{{labels}}} ");
        write_value(&mut self.out, exemplar.value);
        let (seconds, millis) = (exemplar.unix_millis / 1000, exemplar.unix_millis % 1000);
        let _ = write!(self.out, " {seconds}.{millis:03}");
    }
}

/// The series of a family, sorted by their labels and without duplicates. The labels are ranges of the returned text.
fn series(family: &MetricFamily, kind: Kind) -> (String, Vec<(Range<usize>, &Metric)>) {
    let name = match kind {
        Kind::Histogram => labels::histogram_label_name,
        _ => labels::label_name,
    };
    let mut text = String::new();
    let mut labels: Vec<Label<'_>> = Vec::new();
    let mut series: Vec<_> = family
        .get_metric()
        .iter()
        .map(|metric| {
            let pairs = metric.get_label().iter();
            labels.clear();
            labels.extend(pairs.map(|label| (name(label.name()), label.value())));
            let start = text.len();
            write_labels(&mut text, &mut labels);
            (start..text.len(), metric)
        })
        .collect();
    series.sort_by(|(one, _), (other, _)| text[one.clone()].cmp(&text[other.clone()]));
    series.dedup_by(|(one, _), (other, _)| text[one.clone()] == text[other.clone()]);
    (text, series)
}

/// The unit at the end of a family's name.
fn unit(name: &str) -> Option<&'static str> {
    let (_, last) = name.rsplit_once('_')?;
    UNITS.split(' ').find(|unit| *unit == last)
}
