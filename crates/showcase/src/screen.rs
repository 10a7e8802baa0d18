//! Standard output, from a thread of its own: a terminal that stands still (Ctrl-S, a pager) holds up nothing else.

use std::{
    io::{self, Write},
    thread,
};

use tokio::sync::{mpsc, oneshot};

/// Texts that may wait for the terminal.
const WAITING: usize = 16;

/// Columns where there is no terminal to ask.
const PIPED: usize = 100;

/// Takes texts to be written one after the other, until the last clone is dropped. Colours reach a terminal only, and
/// not if `NO_COLOR` is set.
#[derive(Clone)]
pub(crate) struct Screen(mpsc::Sender<String>);

/// The thread that writes.
pub(crate) struct Writer(Option<oneshot::Receiver<io::Result<()>>>);

impl Screen {
    pub(crate) fn start() -> (Self, Writer) {
        let (texts, waiting) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        // No task of the runtime: that one would wait for it at the end.
        thread::spawn(move || end.send(write(waiting)));
        (Self(texts), Writer(Some(ended)))
    }

    /// Columns there are now.
    pub(crate) fn width(&self) -> usize {
        terminal_size::terminal_size_of(io::stdout()).map_or(PIPED, |(width, _)| width.0.into())
    }

    /// Writes `text` after those before it; waits while there are too many of those.
    pub(crate) async fn show(&self, text: String) {
        // An error says that the thread has ended, and the writer says why.
        let _ = self.0.send(text).await;
    }

    /// Writes `text`, unless too many others are waiting.
    pub(crate) fn show_if_idle(&self, text: &str) {
        let _ = self.0.try_send(text.to_owned());
    }
}

fn write(mut texts: mpsc::Receiver<String>) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    while let Some(text) = texts.blocking_recv() {
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}

impl Writer {
    /// Returns when nothing can be written any more, with the reason.
    pub(crate) async fn failed(&mut self) -> io::Error {
        if let Some(ended) = &mut self.0 {
            let result = ended.await;
            self.0 = None;
            if let Ok(Err(error)) = result {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Returns when everything is written. Every [`Screen`] has to be dropped for that.
    pub(crate) async fn ended(self) {
        if let Some(ended) = self.0 {
            let _ = ended.await;
        }
    }
}
