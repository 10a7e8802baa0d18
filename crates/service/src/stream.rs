//! A connection's socket, as hyper and the handlers of upgraded connections use it.
//!
//! hyper closes the socket when it is done, which resets the connection if the client has sent more than was read: the
//! response is lost then. It also takes the end of what a client sends for its end. Here the socket comes back to the
//! connection's task, and the end is hidden as long as the client waits for a response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::activity::Activity;
use crate::limits;

pub(crate) struct Stream {
    /// The socket and its way back. `None` once dropped.
    tcp: Option<(TcpStream, oneshot::Sender<TcpStream>)>,
    /// The client has closed its sending half.
    ended: bool,
    activity: Arc<Activity>,
    /// [`Activity::cut`] as the reader and the writer of an upgraded connection wait for it.
    cut: [Option<Pin<Box<WaitForCancellationFutureOwned>>>; 2],
}

const READER: usize = 0;
const WRITER: usize = 1;

impl Stream {
    /// The receiver gets the socket when the stream is dropped.
    pub(crate) fn new(
        tcp: TcpStream,
        activity: Arc<Activity>,
    ) -> (Self, oneshot::Receiver<TcpStream>) {
        let (release, released) = oneshot::channel();
        let stream = Self {
            tcp: Some((tcp, release)),
            ended: false,
            activity,
            cut: [None, None],
        };
        (stream, released)
    }

    /// The socket, or an error once the connection was upgraded and is cut.
    fn tcp(&mut self, half: usize, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if self.activity.flags.upgraded.get() {
            let cut = self.cut[half]
                .get_or_insert_with(|| Box::pin(self.activity.cut.clone().cancelled_owned()));
            if cut.as_mut().poll(context).is_ready() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        let (tcp, _) = self.tcp.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(tcp))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some((tcp, release)) = self.tcp.take() else {
            return;
        };
        // A socket without room for these few bytes belongs to a client that does not read.
        if let Some(response) = self.activity.final_response() {
            let _ = tcp.try_write(response);
        }
        let _ = release.send(tcp);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ended {
            let tcp = self.tcp(READER, context)?;
            let before = buffer.filled().len();
            ready!(tcp.poll_read(context, buffer))?;
            let bytes = &buffer.filled()[before..];
            self.activity.received(bytes);
            if !bytes.is_empty() || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.ended = true;
        }
        // At the end hyper drops the handler, or what it has not sent of a response.
        if self.activity.awaits_response(context) {
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
        self.tcp(WRITER, context)?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tcp(WRITER, context)?
            .poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp(WRITER, context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp(WRITER, context)?.poll_shutdown(context)
    }
}

/// Answers 503, whatever the client sends.
pub(crate) async fn refuse(mut tcp: TcpStream) {
    let _ = tcp.write_all(limits::SERVICE_UNAVAILABLE).await;
    linger(tcp).await;
}

/// Reads and drops what the client still sends, for a limited time, so that it can read its response.
pub(crate) async fn linger(mut tcp: TcpStream) {
    let _ = tokio::time::timeout(limits::CLOSE_GRACE, async {
        tcp.shutdown().await?;
        let mut unread = [0; 1024];
        while tcp.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    })
    .await;
}
