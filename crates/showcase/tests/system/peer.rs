//! Who misbehaves as he is told, in pong's place or in the collector's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::PATIENCE;
use crate::parts::within;

/// What becomes of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// Read, kept, and answered 200 after so long.
    Takes(Duration),
    /// Read, kept, and answered with a 200 like this.
    TakesSaying(&'static str),
    /// Read and answered like this.
    Says(&'static str),
    /// Read, and answered like this; then the connection is closed.
    BreaksOff(&'static str),
    /// Read, and answered like this; then nothing more comes.
    Hangs(&'static str),
    /// Read, and answered like this and then a byte a second.
    Drips(&'static str),
    /// Read, and answered like this and so many bytes.
    Floods(&'static str, usize),
    /// Read as far as the head goes; then the connection is reset.
    Resets,
}

/// Listens until it is dropped; its connections end then too.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    seen: Arc<Mutex<Seen>>,
    listening: AbortHandle,
}

#[derive(Default)]
struct Seen {
    requests: usize,
    /// Bodies of those that were kept.
    kept: Vec<Vec<u8>>,
}

impl Peer {
    pub(crate) async fn start(conduct: Conduct) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), conduct).await
    }

    /// Listens there as soon as nobody else does.
    pub(crate) async fn at(address: SocketAddr, conduct: Conduct) -> Self {
        let listener = within(PATIENCE, async || TcpListener::bind(address).await.ok());
        let listener = listener.await.expect("the address becomes free");
        let address = listener.local_addr().expect("it has an address");
        let (conduct, told) = watch::channel(conduct);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listening = tokio::spawn(listen(listener, told, Arc::clone(&seen))).abort_handle();
        Self {
            address,
            conduct,
            seen,
            listening,
        }
    }

    /// From the next request on.
    pub(crate) fn conduct(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().unwrap().requests
    }

    /// Forgets the requests that were kept.
    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().kept.clear();
    }

    /// Ids of the spans that were in the requests that were kept. One that was sent twice is there once.
    pub(crate) fn spans(&self) -> HashSet<Vec<u8>> {
        let seen = self.seen.lock().unwrap();
        let requests = seen.kept.iter().map(|body| {
            ExportTraceServiceRequest::decode(body.as_slice()).expect("it is a request of OTLP")
        });
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        spans.map(|span| span.span_id).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, told: watch::Receiver<Conduct>, seen: Arc<Mutex<Seen>>) {
    // Dropped with this task, and then its connections are.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(converse(stream, told.clone(), Arc::clone(&seen)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(
    mut stream: TcpStream,
    told: watch::Receiver<Conduct>,
    seen: Arc<Mutex<Seen>>,
) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    loop {
        let head = read_head(&mut stream, &mut buffer).await?;
        seen.lock().unwrap().requests += 1;
        let conduct = *told.borrow();
        if matches!(conduct, Conduct::Resets) {
            // Without lingering, the system resets the connection when it is dropped.
            return stream.set_zero_linger();
        }
        let body = read_body(&mut stream, &mut buffer, length(&head)).await?;
        match conduct {
            Conduct::Takes(_) | Conduct::TakesSaying(_) => seen.lock().unwrap().kept.push(body),
            _ => {}
        }
        if let Conduct::Takes(pause) = conduct {
            tokio::time::sleep(pause).await;
        }
        let answer = match conduct {
            Conduct::Takes(_) | Conduct::Resets => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Conduct::Says(answer)
            | Conduct::TakesSaying(answer)
            | Conduct::BreaksOff(answer)
            | Conduct::Hangs(answer)
            | Conduct::Drips(answer)
            | Conduct::Floods(answer, _) => answer,
        };
        stream.write_all(answer.as_bytes()).await?;
        match conduct {
            Conduct::BreaksOff(_) => return Ok(()),
            Conduct::Hangs(_) => {
                stream.read_to_end(&mut Vec::new()).await?;
                return Ok(());
            }
            Conduct::Drips(_) => loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(b"x").await?;
            },
            Conduct::Floods(_, bytes) => stream.write_all(&vec![b'x'; bytes]).await?,
            _ => {}
        }
    }
}

/// The next head. What follows it stays in the buffer.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<String> {
    const END: &[u8] = b"\r\n\r\n";
    loop {
        let end = buffer.windows(END.len()).position(|window| window == END);
        if let Some(end) = end {
            let head: Vec<_> = buffer.drain(..end + END.len()).collect();
            return Ok(String::from_utf8_lossy(&head).to_ascii_lowercase());
        }
        read_some(stream, buffer).await?;
    }
}

async fn read_body(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    length: usize,
) -> io::Result<Vec<u8>> {
    while buffer.len() < length {
        read_some(stream, buffer).await?;
    }
    Ok(buffer.drain(..length).collect())
}

async fn read_some(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// `Content-Length` of a head in small letters.
fn length(head: &str) -> usize {
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(0, |length| length.trim().parse().expect("a number"))
}
