//! The health check, for container images that have neither a shell nor curl.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Error;

/// Docker's own limit is 30 s by default; a healthy service answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

/// Bytes that are read of the status line.
const STATUS_LINE_LIMIT: u64 = 256;

/// Requests `/readyz` of the service that listens on `address`, at loopback if that is an unspecified address (`0.0.0.0`,
/// `[::]`). Takes at most three seconds.
///
/// # Errors
///
/// An error of one line if there is no response, or if its status is not 200.
pub async fn healthcheck(address: SocketAddr) -> Result<(), Error> {
    let address = SocketAddr::new(local(address.ip()), address.port());
    let reason = match tokio::time::timeout(LIMIT, status_line(address)).await {
        Ok(Ok(line)) if line.split(' ').nth(1) == Some("200") => return Ok(()),
        Ok(Ok(line)) => format!("answers {:?}", line.trim_end()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", LIMIT.as_secs()),
    };
    Err(format!("not ready: http://{address}/readyz: {reason}").into())
}

fn local(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The status line of `/readyz`. Nothing else is needed, so this is not a whole HTTP client.
async fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream.take(STATUS_LINE_LIMIT))
        .read_line(&mut line)
        .await?;
    if line.starts_with("HTTP/1.") {
        Ok(line)
    } else {
        Err(io::Error::new(
            ErrorKind::InvalidData,
            "the answer is not HTTP",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::within;

    async fn complaint(address: &str) -> String {
        within(healthcheck(address.parse().unwrap()))
            .await
            .unwrap_err()
            .to_string()
    }

    /// Listens, sends `answer` to whoever comes, and closes.
    async fn answering(answer: &'static str) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn unspecified_address_is_asked_at_loopback() {
        for (address, asked) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("127.0.0.2:1", "127.0.0.2:1"),
        ] {
            let complaint = complaint(address).await;
            assert!(
                complaint.starts_with(&format!("not ready: http://{asked}/readyz: ")),
                "{complaint}"
            );
        }
    }

    #[tokio::test]
    async fn anything_but_200_is_not_ready_and_said_in_one_line() {
        for (answer, reason) in [
            (
                "HTTP/1.1 503 Service Unavailable\r\n\r\n",
                "answers \"HTTP/1.1 503 Service Unavailable\"",
            ),
            ("HTTP/1.1 404\r\n\r\n", "answers \"HTTP/1.1 404\""),
            ("SSH-2.0-200\r\n", "the answer is not HTTP"),
            ("", "the answer is not HTTP"),
        ] {
            let address = answering(answer).await;
            assert_eq!(
                complaint(&address.to_string()).await,
                format!("not ready: http://{address}/readyz: {reason}")
            );
        }
    }

    #[tokio::test]
    async fn ready_is_200() {
        let address = answering("HTTP/1.1 200 OK\r\n\r\n").await;
        within(healthcheck(address)).await.unwrap();
    }

    #[tokio::test]
    async fn service_that_hangs_is_not_ready() {
        // Nobody accepts.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(
            complaint(&address.to_string()).await,
            format!("not ready: http://{address}/readyz: no answer within 3 s")
        );
    }
}
