//! Closes a listener without resetting clients that have just connected.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::limits;

/// Closes `listener` and returns the connections that were waiting in its backlog.
///
/// Closing alone would reset them, although their clients may have sent a request already. A connection that arrives
/// after the last look into the backlog would be reset too. So on Linux the kernel first ignores new clients: they
/// try again a second later and get a refusal.
pub(crate) async fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    // tokio's listener knows only of connections that its reactor has seen.
    let Ok(listener) = listener.into_std() else {
        return waiting;
    };
    if ignore_new_clients(&listener).is_ok() {
        accept_waiting(&listener, &mut waiting);
        // Handshakes that have begun are completed.
        tokio::time::sleep(limits::HANDSHAKE).await;
    }
    accept_waiting(&listener, &mut waiting);
    waiting
}

fn accept_waiting(listener: &std::net::TcpListener, waiting: &mut Vec<(TcpStream, SocketAddr)>) {
    while waiting.len() < limits::BACKLOG {
        match listener.accept() {
            Ok((tcp, peer)) => {
                let tcp = tcp
                    .set_nonblocking(true)
                    .and_then(|()| TcpStream::from_std(tcp));
                waiting.extend(tcp.map(|tcp| (tcp, peer)));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => return,
        }
    }
}

/// Sets a filter on the listening socket that drops packets with SYN and without ACK: the first of each connection, and no
/// other. The sockets of connections inherit the filter, but never get such a packet.
#[cfg(target_os = "linux")]
fn ignore_new_clients(listener: &std::net::TcpListener) -> io::Result<()> {
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
fn ignore_new_clients(_: &std::net::TcpListener) -> io::Result<()> {
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
        ignore_new_clients(&listener).unwrap();
        let newcomer = tokio::spawn(TcpStream::connect(address));
        // Lets the newcomer begin: it has this thread.
        tokio::task::yield_now().await;

        listener.set_nonblocking(true).unwrap();
        let mut waiting = Vec::new();
        accept_waiting(&listener, &mut waiting);
        let peers: Vec<_> = waiting.iter().map(|(_, peer)| *peer).collect();
        assert_eq!(peers, [early.local_addr().unwrap()]);

        drop(listener);
        let error = within(newcomer).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
