//! How a backend ends.

use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{JSON, LIMIT, PROTOBUF, post, sample, start};

#[tokio::test]
async fn a_client_that_keeps_its_connection_is_refused_after_the_stop() {
    let backend = start();
    let url = format!("http://{}/v1/traces", backend.otlp_http());
    let keeps_alive = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = async || {
        keeps_alive
            .post(&url)
            .header(JSON.0, JSON.1)
            .body("{}")
            .send()
            .await
    };
    for _ in 0..3 {
        assert_eq!(send().await.unwrap().status(), 200);
    }
    timeout(LIMIT, backend.stop()).await.unwrap();
    assert!(send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_request_in_flight_at_the_stop_is_answered_and_stored() {
    let backend = start();
    let store = backend.store().clone();
    let body = sample::full_protobuf().encode_to_vec();
    let mut connection = TcpStream::connect(backend.otlp_http()).await.unwrap();
    // The interim response says that the request has arrived: only then is the body asked for.
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).await.unwrap();
    assert_eq!(interim.as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n");

    let address = backend.otlp_http();
    let stop = tokio::spawn(backend.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await; // until it no longer listens
    }
    connection.write_all(&body).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, connection.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    stop.await.unwrap();
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_the_stop() {
    let backend = start();
    let mut connection = TcpStream::connect(backend.otlp_http()).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.read_exact(&mut [0; 25]).await.unwrap();

    timeout(LIMIT, backend.stop()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(LIMIT, connection.read_to_string(&mut answer)).await;
    assert!(read.unwrap().is_ok(), "closed");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_backend_that_is_dropped_stops_listening() {
    let backend = start();
    post(&backend, "/v1/traces", &[PROTOBUF], "").await;
    let address = backend.otlp_http();
    drop(backend);
    let ended = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, ended).await.unwrap();
}
