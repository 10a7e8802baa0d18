//! Connections: how many a port has, and which of them give way.

use std::{net::SocketAddr, time::Duration};

use backend::Backend;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{JSON, LIMIT, post, start};

/// Connections of a port at once.
const CONNECTIONS: usize = 64;

/// Connects and sends `sent`.
async fn connect(address: SocketAddr, sent: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(sent.as_bytes()).await.unwrap();
    connection
}

/// Sends a request on a connection of its own. Returns the response, or `None` if the connection was closed for another.
async fn ask(address: SocketAddr, head: &str) -> Option<String> {
    let request = format!("{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut connection = connect(address, &request).await;
    let mut response = String::new();
    let read = timeout(LIMIT, connection.read_to_string(&mut response)).await;
    read.unwrap().ok().filter(|bytes| *bytes > 0)?;
    Some(response)
}

fn ports(backend: &Backend) -> [SocketAddr; 4] {
    [
        backend.otlp_http(),
        backend.otlp_grpc(),
        backend.zipkin(),
        backend.query(),
    ]
}

#[tokio::test]
async fn silent_connections_give_way_to_those_that_ask() {
    let backend = start();
    for address in ports(&backend) {
        let half = "GET / HTTP/1.1\r\nhost: localhost\r\n";
        let mut silent = Vec::new();
        for sent in ["", half].iter().cycle().take(CONNECTIONS + 1) {
            silent.push(connect(address, sent).await);
        }
        for _ in 0..CONNECTIONS {
            let response = ask(address, "GET /").await.unwrap();
            assert!(response.starts_with("HTTP/1.1 4"), "{response}");
        }
    }
}

/// Event streams at once.
const STREAMS: usize = 32;

/// Whether events come or not: a stream on which something is always sent is never idle.
#[tokio::test]
async fn seventy_event_streams_keep_nobody_out_and_the_newest_go_on() {
    let backend = start();
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS + 6 {
        let request = "GET /api/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let mut stream = connect(backend.query(), request).await;
        let mut head = [0; 15];
        timeout(LIMIT, stream.read_exact(&mut head))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(head.as_slice(), b"HTTP/1.1 200 OK");
        streams.push(stream);
        assert!(ask(backend.query(), "GET /api/services").await.is_some());
    }

    let span = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}"#;
    assert_eq!(
        post(&backend, "/v1/traces", &[JSON], span).await.status(),
        200
    );
    let newest = streams.split_off(streams.len() - STREAMS);
    for mut stream in newest {
        let mut received = String::new();
        while !received.contains("event: trace") {
            let mut piece = [0; 1024];
            let read = timeout(LIMIT, stream.read(&mut piece)).await.unwrap();
            let read = read.unwrap();
            assert_ne!(read, 0, "the stream goes on: {received}");
            received.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    }
    for mut stream in streams {
        let mut rest = Vec::new();
        let ended = timeout(LIMIT, async {
            // At the end of a response the connection stays.
            while !rest.ends_with(b"0\r\n\r\n") && stream.read_buf(&mut rest).await.unwrap() > 0 {}
        });
        assert!(ended.await.is_ok(), "the stream has given way");
    }
}

#[tokio::test]
async fn idle_and_silent_connections_do_not_delay_the_stop() {
    let backend = start();
    let mut connections = Vec::new();
    for address in ports(&backend) {
        connections.push(connect(address, "").await);
        let mut idle = connect(address, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert_ne!(idle.read(&mut [0; 4096]).await.unwrap(), 0);
        connections.push(idle);
    }
    // Far below the time that requests in flight get.
    let stopped = timeout(Duration::from_secs(2), backend.stop()).await;
    assert!(stopped.is_ok());
    for mut connection in connections {
        let read = timeout(LIMIT, connection.read_to_end(&mut Vec::new())).await;
        assert!(read.is_ok(), "closed");
    }
}

/// The usual mistake: an exporter of OTLP over HTTP is given gRPC's port.
#[tokio::test]
async fn http_1_on_the_port_of_grpc_is_told_where_to_go() {
    let backend = start();
    let response = ask(backend.otlp_grpc(), "POST /v1/traces").await.unwrap();
    assert!(response.starts_with("HTTP/1.1 415 "), "{response}");
    assert!(response.contains("usually 4318"), "{response}");
}
