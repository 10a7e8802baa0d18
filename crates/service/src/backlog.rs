//! Closing a listener without resetting those who have just connected.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::limits;

/// Closes `listener` and returns who was waiting in its backlog.
///
/// Those clients are connected as far as they can tell, and may have sent a request; closing alone resets them. Whoever
/// comes between the last look into the backlog and the end would be reset too, so the kernel first stops answering
/// newcomers where it can be told to (Linux): they find nobody listening a second later, when they try again.
pub(crate) async fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    let Ok(listener) = listener.into_std() else {
        return waiting;
    };
    if refuse_newcomers(&listener).is_ok() {
        // Those whom the kernel has answered already are about to be connected.
        take(&listener, &mut waiting);
        tokio::time::sleep(limits::HANDSHAKE).await;
    }
    take(&listener, &mut waiting);
    drop(listener);
    waiting
}

fn take(listener: &std::net::TcpListener, waiting: &mut Vec<(TcpStream, SocketAddr)>) {
    while waiting.len() < limits::BACKLOG {
        match listener.accept() {
            Ok((stream, peer)) => {
                waiting.extend(registered(stream).map(|stream| (stream, peer)).ok())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => break,
        }
    }
}

fn registered(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// A filter on the listening socket that drops packets with SYN and without ACK: the first of a connection, and no
/// other. (A connection's own socket inherits it and never gets such a packet.)
#[cfg(target_os = "linux")]
fn refuse_newcomers(listener: &std::net::TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // Classic BPF, from the kernel's linux/filter.h; a TCP socket's filter sees the TCP header first.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;

    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn refuse_newcomers(_: &std::net::TcpListener) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::support::within;

    #[tokio::test]
    async fn newcomer_during_the_close_finds_nobody_listening_instead_of_being_reset() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let early = TcpStream::connect(address).await.unwrap();
        refuse_newcomers(&listener).unwrap();
        let newcomer = tokio::spawn(TcpStream::connect(address));
        // Lets the newcomer begin: it has this thread.
        tokio::task::yield_now().await;

        listener.set_nonblocking(true).unwrap();
        let mut waiting = Vec::new();
        take(&listener, &mut waiting);
        let peers: Vec<_> = waiting.iter().map(|(_, peer)| *peer).collect();
        assert_eq!(peers, [early.local_addr().unwrap()]);

        drop(listener);
        let error = within(newcomer).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
