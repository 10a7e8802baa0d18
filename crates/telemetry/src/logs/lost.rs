//! Lines that stdout did not take.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_appender::non_blocking::ErrorCounter;

/// How many lines were lost since the start, and why.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// Dropped before the queue.
    late: ErrorCounter,
    refused: Refused,
}

impl Lost {
    pub(super) fn new(late: ErrorCounter, refused: Refused) -> Self {
        Self { late, refused }
    }

    pub(crate) fn lines(&self) -> usize {
        self.late.dropped_lines() + self.refused.lock().lines
    }

    /// One sentence for each kind of loss.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let late = self.late.dropped_lines();
        let late =
            (late > 0).then(|| format!("{late} log lines dropped, because stdout was too slow"));
        let refused = self.refused.lock();
        let refused = refused
            .last
            .map(|reason| format!("{} log lines not written: stdout: {reason}", refused.lines));
        late.into_iter().chain(refused).collect()
    }
}

/// Counts what stdout refuses: a full disk, a pipe whose reader has gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused(Arc<Mutex<Refusals>>);

#[derive(Debug, Default)]
struct Refusals {
    lines: usize,
    last: Option<ErrorKind>,
}

impl Refused {
    /// A writer that takes everything. The queue's thread would swallow an error, and could not end while there are some.
    pub(super) fn count<W: Write>(&self, writer: W) -> impl Write + use<W> {
        Counting {
            writer,
            refused: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        // A count and a kind stay true whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Counting<W> {
    writer: W,
    refused: Refused,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.writer.write(line).or_else(|error| {
            if error.kind() == ErrorKind::Interrupted {
                return Err(error);
            }
            let mut refused = self.refused.lock();
            refused.lines += 1;
            refused.last = Some(error.kind());
            Ok(line.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        // What it holds back was counted when it was written.
        let _ = self.writer.flush();
        Ok(())
    }
}
