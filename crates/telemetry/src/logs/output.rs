//! Stdout, behind a bounded queue and a thread of its own.
//!
//! A request that logs only puts its line into the queue. When stdout blocks (a terminal that is paused, a pipe that nobody
//! reads), the queue fills and further lines are dropped and counted. Without the queue, such a reader would stop the
//! service.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::line::Format;
use crate::{Loss, own_thread};

/// Lines that can wait for a slow stdout. With [`super::line::LONGEST`] that is 8 MiB of text at most.
pub(super) const WAITING_LINES: usize = 2_048;

/// How long the last lines may take when nobody has called [`Output::flush`].
const FLUSH_AT_DROP: Duration = Duration::from_millis(500);

const FLUSH_THREAD: &str = "log-flush";

/// What the thread receives.
#[derive(Debug)]
enum Message {
    Line(String),
    /// The sender is dropped once all earlier lines are written.
    Flush {
        _done: SyncSender<()>,
    },
}

/// The queue's end for those who write lines.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    queue: SyncSender<Message>,
    lost: Arc<Lost>,
    pub(super) format: Format,
}

/// Lines that were lost since the start.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    dropped: AtomicU64,
    /// How many lines stdout refused, and the last reason: a full disk, a pipe whose reader has gone.
    refused: Mutex<Option<(u64, ErrorKind)>>,
}

impl Output {
    /// # Errors
    ///
    /// Fails when the machine refuses the thread.
    pub(crate) fn stdout(color: bool) -> io::Result<Self> {
        let stdout = io::stdout();
        let format = match stdout.is_terminal() {
            true => Format::Terminal { color },
            false => Format::Json,
        };
        Self::new(stdout, format)
    }

    pub(super) fn new(writer: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
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

    pub(crate) fn lost(&self) -> Arc<Lost> {
        Arc::clone(&self.lost)
    }

    /// Waits until what was queued before is written, for `limit` at most. Returns whether it was in time.
    pub(crate) async fn flush(&self, limit: Duration) -> bool {
        let flush = self.flush_blocking();
        own_thread::wait(FLUSH_THREAD, limit, flush).await.is_some()
    }

    /// As [`Output::flush`], for a short time, and blocks.
    pub(crate) fn flush_at_drop(&self) {
        let _ = own_thread::run(FLUSH_THREAD, FLUSH_AT_DROP, self.flush_blocking());
    }

    /// On a blocked stdout the work never ends.
    fn flush_blocking(&self) -> impl FnOnce() + Send + use<> {
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
                    lost.refused(error.kind());
                }
            }
            // A writer that holds lines back has taken them: they do not count as refused.
            Message::Flush { .. } => drop(writer.flush()),
        }
    }
}

impl Lost {
    fn refused(&self, reason: ErrorKind) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = refused.map_or(0, |(lines, _)| lines);
        *refused = Some((lines + 1, reason));
    }

    pub(crate) fn lines(&self) -> u64 {
        self.losses().iter().map(Loss::count).sum()
    }

    /// One [`Loss::LogLines`] for each reason.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        let dropped = self.dropped.load(Ordering::Relaxed);
        let dropped = (dropped > 0).then_some((dropped, None));
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.map(|(count, reason)| (count, Some(reason)));
        let losses = dropped.into_iter().chain(refused);
        losses
            .map(|(count, error)| Loss::LogLines { count, error })
            .collect()
    }
}
