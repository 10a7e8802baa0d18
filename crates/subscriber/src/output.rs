//! Stdout, behind a bounded queue and a thread of its own.
//!
//! A request that logs only puts its line into the queue. When stdout blocks (a terminal that is paused, a pipe that nobody
//! reads), the queue fills and further lines are dropped and counted. Without the queue, such a reader would stop the
//! service.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::line::Format;

/// Lines that can wait for a slow stdout. With [`super::line::LONGEST`] that is 8 MiB of text at most.
pub(super) const WAITING_LINES: usize = 2_048;

/// What the thread receives.
#[derive(Debug)]
enum Message {
    Line(String),
    /// The sender is dropped once all earlier lines are written.
    Flush {
        _done: SyncSender<()>,
    },
}

/// Stdout, or another writer, behind a bounded queue. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Output {
    queue: SyncSender<Message>,
    lost: Arc<Lost>,
    pub(super) format: Format,
}

/// Log lines that were lost for one reason. Displays as a sentence without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostLines {
    /// How many.
    pub count: u64,
    /// Why the writer refused the last of them. None: it was too slow, and the queue was full.
    pub error: Option<ErrorKind>,
}

impl fmt::Display for LostLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} log line{plural} ", self.count)?;
        match self.error {
            None => f.write_str("dropped, because stdout was too slow"),
            Some(error) => write!(f, "not written: stdout: {error}"),
        }
    }
}

#[derive(Debug, Default)]
struct Lost {
    dropped: AtomicU64,
    /// How many lines stdout refused, and the last reason: a full disk, a pipe whose reader has gone.
    refused: Mutex<Option<(u64, ErrorKind)>>,
}

impl Output {
    /// Stdout: lines for people on a terminal, with colors if `color`; JSON elsewhere.
    ///
    /// # Errors
    ///
    /// Fails when the machine refuses the thread.
    pub fn stdout(color: bool) -> io::Result<Self> {
        let stdout = io::stdout();
        let format = match stdout.is_terminal() {
            true => Format::Terminal { color },
            false => Format::Json,
        };
        Self::new(stdout, format)
    }

    /// `writer` has a thread of its own, and can block it.
    ///
    /// # Errors
    ///
    /// Fails when the machine refuses the thread.
    pub fn new(writer: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        let (queue, lines) = sync_channel(WAITING_LINES);
        let lost = Arc::new(Lost::default());
        let counted = Arc::clone(&lost);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(writer, &lines, &counted))?;
        Ok(Self {
            queue,
            lost,
            format,
        })
    }

    /// Queues a line, which includes its end. A line that finds no room is dropped and counted.
    pub(super) fn line(&self, line: String) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was lost since the start, one entry a reason.
    pub fn lost(&self) -> impl Iterator<Item = LostLines> + use<> {
        let dropped = self.lost.dropped.load(Ordering::Relaxed);
        let dropped = (dropped > 0).then_some((dropped, None));
        let refused = *self.lost.refused();
        let refused = refused.map(|(count, reason)| (count, Some(reason)));
        let lost = dropped.into_iter().chain(refused);
        lost.map(|(count, error)| LostLines { count, error })
    }

    /// Returns a function that blocks until every line that was queued before is written. On a blocked stdout it never
    /// returns: call it on a thread of its own, and wait there for a limited time.
    pub fn flush(&self) -> impl FnOnce() + Send + use<> {
        let queue = self.queue.clone();
        move || {
            let (done, is_done) = sync_channel(0);
            if queue.send(Message::Flush { _done: done }).is_ok() {
                let _ = is_done.recv();
            }
        }
    }
}

/// Writes until the last [`Output`] is dropped.
fn write_all(mut writer: impl Write, lines: &Receiver<Message>, lost: &Lost) {
    for message in lines {
        match message {
            Message::Line(line) => {
                if let Err(error) = writer.write_all(line.as_bytes()) {
                    lost.refuse(error.kind());
                }
            }
            // A writer that holds lines back has taken them: they do not count as refused.
            Message::Flush { .. } => drop(writer.flush()),
        }
    }
}

impl Lost {
    fn refuse(&self, reason: ErrorKind) {
        let mut refused = self.refused();
        let lines = refused.map_or(0, |(lines, _)| lines);
        *refused = Some((lines + 1, reason));
    }

    fn refused(&self) -> MutexGuard<'_, Option<(u64, ErrorKind)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
