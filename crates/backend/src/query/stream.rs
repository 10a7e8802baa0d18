//! Answers that may be large, written while they are sent.

use std::{
    io::{self, Write},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

/// Bytes written before they are sent.
const PIECE: usize = 64 << 10;

/// Pieces that wait for the reader.
const WAITING: usize = 2;

/// How long a reader may take for a piece.
const PATIENCE: Duration = Duration::from_secs(30);

type Piece = Result<Bytes, io::Error>;

/// `value` as one line of JSON. The memory that it takes is that of a few pieces, however large the answer is and however
/// slow the reader; one that does not read is given up.
pub(crate) fn json(value: impl Serialize + Send + 'static) -> Response {
    stream("application/json", move |pieces| {
        Ok(serde_json::to_writer(pieces, &value)?)
    })
}

/// Like [`json`], on many lines with four spaces a level, as Jaeger indents.
pub(crate) fn indented_json(value: impl Serialize + Send + 'static) -> Response {
    stream("application/json", move |pieces| {
        let formatter = PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(pieces, formatter);
        Ok(value.serialize(&mut serializer)?)
    })
}

/// What `write` writes, in a thread of its own. If it fails, the answer breaks off, and the reader can tell.
pub(crate) fn stream(
    content_type: &'static str,
    write: impl FnOnce(&mut Pieces) -> io::Result<()> + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING + 1);
    // A place for bad news: there is none left for it when the reader stands still.
    let last = sender.clone().try_reserve_owned().ok();
    let mut pieces = Pieces {
        piece: Vec::with_capacity(PIECE),
        sender,
        runtime: Handle::current(),
    };
    tokio::task::spawn_blocking(move || {
        if let (Err(error), Some(last)) = (write(&mut pieces).and_then(|()| pieces.flush()), last) {
            last.send(Err(error));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// Takes an answer's bytes. To be written to where waiting is allowed.
pub(crate) struct Pieces {
    piece: Vec<u8>,
    sender: mpsc::Sender<Piece>,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = timeout(PATIENCE, self.sender.send(Ok(piece.into())));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn answer_arrives_whole_however_many_pieces_it_has() {
        let numbers: Vec<_> = (0..100_000).collect();
        let body = json(numbers.clone()).into_body();
        let text = body.collect().await.unwrap().to_bytes();
        assert!(text.len() > 8 * PIECE);
        assert_eq!(serde_json::from_slice::<Vec<u32>>(&text).unwrap(), numbers);
    }

    #[tokio::test]
    async fn answer_that_cannot_be_written_to_its_end_breaks_off() {
        let answer = stream("text/plain", |pieces| {
            pieces.write_all(&[b'x'; 3 * PIECE])?;
            Err(io::ErrorKind::TimedOut.into())
        });
        let mut body = answer.into_body();
        let mut last = None;
        while let Some(frame) = body.frame().await {
            last = Some(frame);
        }
        assert!(matches!(last, Some(Err(_))));
    }

    #[tokio::test]
    async fn nothing_more_is_written_for_a_reader_that_is_gone() {
        let (sender, ended) = tokio::sync::oneshot::channel();
        let answer = stream("text/plain", |pieces| {
            let written = std::iter::repeat_with(|| pieces.write_all(&[b'x'; PIECE]));
            let error = written.take(100).find_map(Result::err);
            let _ = sender.send(error.map(|error| error.kind()));
            Ok(())
        });
        drop(answer);
        assert_eq!(ended.await, Ok(Some(io::ErrorKind::BrokenPipe)));
    }
}
