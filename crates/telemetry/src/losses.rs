//! What was lost, for whoever stops the service.

use std::fmt;
use std::io::Write;

/// What was lost between start and end, and why. Empty when nothing was.
///
/// A loss of telemetry is no failure of the service, so this is no error: [`Losses::report`] it, and exit as the service
/// deserves.
#[must_use = "losses are silent unless `report` prints them"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<String>);

impl Losses {
    pub(crate) fn new(sentences: Vec<String>) -> Self {
        Self(sentences)
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One sentence for each kind of loss, with its count.
    pub fn sentences(&self) -> &[String] {
        &self.0
    }

    /// Prints one line on stderr; prints nothing when nothing was lost. The log has ended by then, hence stderr.
    pub fn report(&self) {
        if !self.is_empty() {
            // `eprintln!` panics where stderr is closed.
            let _ = writeln!(std::io::stderr(), "{self}");
        }
    }
}

/// As [`Losses::report`] prints it, without the end of the line.
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            f.write_str("no telemetry was lost")
        } else {
            write!(f, "telemetry was lost: {}", self.0.join("; "))
        }
    }
}
