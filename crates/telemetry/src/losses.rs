//! What was lost, for the caller who stops the service.

use std::fmt;
use std::io::Write;

/// What was lost between start and shutdown, and why. Empty when nothing was lost.
///
/// Lost telemetry is not a failure of the service, so this is not an error: call [`Losses::report`], and exit with the code
/// that the service itself deserves.
#[must_use = "losses are silent unless `report` prints them"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<Loss>);

/// One kind of loss. Displays as a sentence without its end: `3 spans dropped, because the queue of 16384 was full`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// Spans, log records or metric data points that did not reach their receiver.
    Items {
        /// The exporter (`otel.component.type`), where one kind of item has several exporters.
        exporter: Option<String>,
        /// How many, and why.
        loss: otlp::Loss,
    },
    /// The last push of metrics did not end in time. Metrics do not wait in a queue, so there is no count of what was lost.
    LastMetrics,
    /// Log lines that stdout did not take.
    LogLines(subscriber::LostLines),
    /// The last log lines were not written in time, because stdout is blocked.
    LastLogLines,
}

impl Loss {
    /// How many items were lost; 0 where that is not known.
    pub fn count(&self) -> u64 {
        match self {
            Self::Items { loss, .. } => loss.count,
            Self::LogLines(lost) => lost.count,
            Self::LastMetrics | Self::LastLogLines => 0,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items {
                exporter: Some(exporter),
                loss,
            } => write!(f, "{exporter}: {loss}"),
            Self::Items {
                exporter: None,
                loss,
            } => write!(f, "{loss}"),
            Self::LastMetrics => f.write_str("the last metrics were not pushed in time"),
            Self::LogLines(lost) => write!(f, "{lost}"),
            Self::LastLogLines => f.write_str(
                "the last log lines were not written in time, because stdout is blocked",
            ),
        }
    }
}

impl Losses {
    pub(crate) fn new(losses: Vec<Loss>) -> Self {
        Self(losses)
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each kind of loss.
    pub fn iter(&self) -> std::slice::Iter<'_, Loss> {
        self.0.iter()
    }

    /// Each kind of loss as a sentence.
    pub fn sentences(&self) -> Vec<String> {
        self.iter().map(Loss::to_string).collect()
    }

    /// Prints one line to stderr; prints nothing when nothing was lost. The log has ended by then, hence stderr.
    pub fn report(&self) {
        if !self.is_empty() {
            // `eprintln!` panics where stderr is closed.
            let _ = writeln!(std::io::stderr(), "{self}");
        }
    }
}

impl<'a> IntoIterator for &'a Losses {
    type Item = &'a Loss;
    type IntoIter = std::slice::Iter<'a, Loss>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As [`Losses::report`] prints it, without the end of the line.
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            f.write_str("no telemetry was lost")
        } else {
            write!(f, "telemetry was lost: {}", self.sentences().join("; "))
        }
    }
}
