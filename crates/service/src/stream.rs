//! A connection's socket: it comes back to the accept loop, whoever had it last.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::limits;

/// What hyper reads and writes.
pub(crate) struct Stream {
    /// Some until it is dropped.
    inner: Option<Inner>,
    /// The client sends no more.
    ended: bool,
    connection: Arc<Connection>,
}

struct Inner {
    tcp: TcpStream,
    released: oneshot::Sender<TcpStream>,
}

impl Stream {
    /// The receiver gets the socket when the stream is dropped.
    pub(crate) fn new(
        tcp: TcpStream,
        connection: Arc<Connection>,
    ) -> (Self, oneshot::Receiver<TcpStream>) {
        let (released, dropped) = oneshot::channel();
        let stream = Self {
            inner: Some(Inner { tcp, released }),
            ended: false,
            connection,
        };
        (stream, dropped)
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let inner = self.inner.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(&mut inner.tcp))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some(Inner { tcp, released }) = self.inner.take() else {
            return;
        };
        // A socket that is not ready for these few bytes belongs to a client that does not read.
        if let Some(words) = self.connection.last_words() {
            let _ = tcp.try_write(words);
        }
        let _ = released.send(tcp);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connection.ends_reader(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !self.ended {
            let before = buffer.filled().len();
            ready!(self.tcp()?.poll_read(context, buffer))?;
            let bytes = &buffer.filled()[before..];
            self.connection.received(bytes);
            if !bytes.is_empty() || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.ended = true;
        }
        // hyper drops the handler when it sees the end, or what it has not sent of an answer. It looks again when there
        // is an answer, and when the accept loop says so.
        if self.connection.awaits_answer(context) {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.ends_writer(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.tcp()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.ends_writer(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.tcp()?.poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(context)
    }
}

/// Answers a client without looking at what it asks.
pub(crate) async fn refuse(mut tcp: TcpStream, words: &'static [u8]) {
    if tcp.write_all(words).await.is_ok() {
        linger(tcp).await;
    }
}

/// Reads and drops what the client still sends, for a moment, so that it can read its answer: closing a socket with
/// unread bytes resets the connection, and takes the answer with it.
pub(crate) async fn linger(mut tcp: TcpStream) {
    let _ = tokio::time::timeout(limits::FAREWELL, async {
        tcp.shutdown().await?;
        let mut unread = [0; 1024];
        while tcp.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    })
    .await;
}
