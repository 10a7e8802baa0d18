//! A peer that says what a test wants it to say, HTTP or not.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Answers one request.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    request: oneshot::Receiver<String>,
}

enum Answer {
    Text(&'static str),
    Begin(&'static str),
    Reset,
    None,
}

impl Peer {
    /// Reads the head of a request, writes `answer`, closes.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::new(Answer::Text(answer)).await
    }

    /// Reads the head of a request, writes `start` of an answer, then waits until the other side closes.
    pub(crate) async fn beginning(start: &'static str) -> Self {
        Self::new(Answer::Begin(start)).await
    }

    /// Reads the head of a request, then waits until the other side closes.
    pub(crate) async fn silent() -> Self {
        Self::new(Answer::None).await
    }

    /// Reads the head of a request, then breaks the connection.
    pub(crate) async fn resetting() -> Self {
        Self::new(Answer::Reset).await
    }

    async fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, request) = oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Not every test wants to know.
            let _ = arrived.send(read_head(&mut stream).await);
            match answer {
                Answer::Text(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                Answer::Begin(start) => {
                    stream.write_all(start.as_bytes()).await.unwrap();
                    drop(stream.read_to_end(&mut Vec::new()).await);
                }
                // Without lingering, the system resets the connection when it is dropped.
                Answer::Reset => stream.set_zero_linger().unwrap(),
                Answer::None => drop(stream.read_to_end(&mut Vec::new()).await),
            }
        });
        Self { address, request }
    }

    /// The request's head, once it arrived.
    pub(crate) async fn request(self) -> String {
        self.request.await.unwrap()
    }
}

pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
