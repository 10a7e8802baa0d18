//! OTLP over gRPC, by the generated clients and by hand.

use std::{convert::Infallible, net::SocketAddr};

use axum::body::Body;
use backend::Backend;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::logs_service_client::LogsServiceClient,
        metrics::v1::metrics_service_client::MetricsServiceClient,
        trace::v1::{ExportTraceServiceResponse, trace_service_client::TraceServiceClient},
    },
    logs::v1::LogRecord,
};
use prost::Message;
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, codec::CompressionEncoding, transport::Channel};
use tonic_types::StatusExt;

use crate::{LIMIT, field, gzip, receiver, sample, start};

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const GRPC: (&str, &str) = ("content-type", "application/grpc");
pub(crate) const GZIP: (&str, &str) = ("grpc-encoding", "gzip");

async fn channel(backend: &Backend) -> Channel {
    let endpoint = format!("http://{}", backend.otlp_grpc());
    Channel::from_shared(endpoint)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn traces_logs_and_metrics_are_taken_packed_or_not() {
    for packed in [false, true] {
        let backend = start();
        let channel = channel(&backend).await;

        let mut traces = TraceServiceClient::new(channel.clone());
        let mut logs = LogsServiceClient::new(channel.clone());
        let mut metrics = MetricsServiceClient::new(channel);
        if packed {
            traces = traces.send_compressed(CompressionEncoding::Gzip);
            logs = logs.send_compressed(CompressionEncoding::Gzip);
            metrics = metrics.send_compressed(CompressionEncoding::Gzip);
        }
        let answer = traces.export(sample::full_protobuf()).await.unwrap();
        assert_eq!(answer.into_inner().partial_success, None);
        let log = receiver::logs(LogRecord {
            event_name: "happened".into(),
            ..LogRecord::default()
        });
        let answer = logs.export(log).await.unwrap();
        assert_eq!(answer.into_inner().partial_success, None);
        let answer = metrics.export(receiver::metrics("m", 1.0)).await.unwrap();
        assert_eq!(answer.into_inner().partial_success, None);

        let store = backend.store();
        let trace = store.trace(sample::TRACE.parse().unwrap()).unwrap();
        assert_eq!(trace.spans, sample::full_spans());
        assert_eq!(store.logs()[0].event_name, "happened");
        assert_eq!(
            store.metrics(),
            receiver::metrics("m", 1.0).resource_metrics
        );
        backend.stop().await;
    }
}

/// A message behind gRPC's prefix.
pub(crate) fn framed(packed: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[packed], length.to_be_bytes().as_slice(), message].concat()
}

/// What a call came to, without a client that looks at it: HTTP's status, and gRPC's.
pub(crate) async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (u16, Option<Status>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = timeout(LIMIT, sender.send_request(request)).await;
    let (head, body) = response.unwrap().unwrap().into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned();
    let trailers = trailers.unwrap_or_else(HeaderMap::new);
    let status =
        Status::from_header_map(&head.headers).or_else(|| Status::from_header_map(&trailers));
    (head.status.as_u16(), status)
}

/// A body of which the end is not sent as long as the sender lives.
async fn unfinished(start: Vec<u8>) -> (mpsc::Sender<Piece>, Body) {
    let (sender, body) = mpsc::channel(1);
    sender.send(Ok(start)).await.unwrap();
    (sender, Body::from_stream(ReceiverStream::new(body)))
}

type Piece = Result<Vec<u8>, Infallible>;

/// The status of a call for one of the signals.
pub(crate) async fn send_to(
    backend: &Backend,
    signal: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Code {
    let service = signal[..1].to_uppercase() + &signal[1..];
    let path = format!("/opentelemetry.proto.collector.{signal}.v1.{service}Service/Export");
    let headers = [&[GRPC], headers].concat();
    let (http, status) = call(backend.otlp_grpc(), &path, &headers, body).await;
    assert_eq!(http, 200);
    status.unwrap().code()
}

/// Calls for traces, and expects an answer of gRPC.
async fn send(backend: &Backend, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
    let (http, status) = call(
        backend.otlp_grpc(),
        TRACES,
        &[&[GRPC], headers].concat(),
        body,
    )
    .await;
    assert_eq!(http, 200);
    status.unwrap()
}

#[tokio::test]
async fn spans_with_invalid_ids_are_a_partial_success() {
    let backend = start();
    let mut client = TraceServiceClient::new(channel(&backend).await);
    let spans = vec![sample::bare([0; 16], [1; 8]), sample::bare([1; 16], [1; 8])];
    let answer = client.export(sample::request(spans)).await.unwrap();
    let partial = answer.into_inner().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("trace_id"), "{partial:?}");
    assert_eq!(backend.store().len(), 1);
}

#[tokio::test]
async fn what_is_no_request_is_invalid_argument() {
    let backend = start();
    let good = sample::full_protobuf().encode_to_vec();
    let [good, cut] = [good.as_slice(), &good[..good.len() - 1]];
    let twice = [good, good].concat(); // which is a request too
    let cases = [
        ("no message", vec![], vec![]),
        ("half a prefix", vec![], vec![0; 4]),
        (
            "less than it says",
            vec![],
            framed(0, &twice)[..5 + good.len()].to_vec(),
        ),
        (
            "more than it says",
            vec![],
            [framed(0, good), good.to_vec()].concat(),
        ),
        ("neither packed nor not", vec![], framed(2, good)),
        ("packed as nothing says", vec![], framed(1, &gzip(good))),
        ("not packed as it says", vec![GZIP], framed(1, good)),
        ("packed and cut", vec![GZIP], framed(1, &gzip(good)[..50])),
        ("no protobuf", vec![], framed(0, b"\xff")),
        ("cut", vec![], framed(0, cut)),
    ];
    for (case, headers, body) in cases {
        let status = send(&backend, &headers, body).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{case}: {status:?}");
        assert!(!status.message().is_empty());
    }
    assert!(backend.store().is_empty());
    let status = send(&backend, &[GZIP], framed(0, good)).await;
    assert_eq!(status.code(), Code::Ok, "packed is what the prefix says");
    assert_eq!(send(&backend, &[], framed(0, &[])).await.code(), Code::Ok);
}

#[tokio::test]
async fn what_is_too_large_is_resource_exhausted_and_not_to_be_tried_again() {
    let backend = start();
    let announced = [0, 1, 0, 0, 1]; // 16 MiB and one byte, of which none is sent
    let cases = [
        ("announced", vec![], announced.to_vec()),
        ("a bomb", vec![GZIP], framed(1, &gzip(&vec![0; 200 << 20]))),
        (
            "messages",
            vec![],
            framed(0, &field(1, &[2 << 3 | 2, 0].repeat(500_001))),
        ),
    ];
    for (case, headers, body) in cases {
        let status = send(&backend, &headers, body).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{case}: {status:?}");
        assert!(status.get_details_retry_info().is_none(), "{case}");
    }
}

#[tokio::test]
async fn who_comes_when_there_is_no_room_is_told_when_to_try_again() {
    let backend = start();
    // Four fill it, which are not finished.
    let mut large = framed(0, &vec![0; 16 << 20]);
    large.pop();
    let mut calls = JoinSet::new();
    let mut senders = Vec::new();
    for _ in 0..4 {
        let (sender, body) = unfinished(large.clone()).await;
        let address = backend.otlp_grpc();
        calls.spawn(async move { call(address, TRACES, &[GRPC], body).await });
        senders.push(sender);
    }
    let full = async {
        loop {
            let status = send(&backend, &[], framed(0, &[0; 1 << 10])).await;
            if status.code() == Code::Unavailable {
                break status;
            }
        }
    };
    let status = timeout(LIMIT, full).await.unwrap();
    let delay = status.get_details_retry_info().unwrap().retry_delay;
    assert!(delay.is_some_and(|delay| !delay.is_zero()));
    assert!(calls.try_join_next().is_none(), "all four are taken");
}

#[tokio::test]
async fn other_methods_packings_and_protocols_are_refused_as_what_they_are() {
    let backend = start();
    let sample = framed(0, &sample::full_protobuf().encode_to_vec());
    for path in [
        "/",
        "/v1/traces",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
    ] {
        let (http, status) = call(backend.otlp_grpc(), path, &[GRPC], sample.clone()).await;
        assert_eq!((http, status.unwrap().code()), (200, Code::Unimplemented));
    }
    let packed = [1, 0, 0, 0, 0];
    let status = send(&backend, &[("grpc-encoding", "snappy")], packed.to_vec()).await;
    assert_eq!(status.code(), Code::Unimplemented);

    for content_type in [
        "application/grpc+json",
        "application/grpc-web",
        "application/json",
        "",
    ] {
        let headers = [("content-type", content_type)];
        let (http, status) = call(backend.otlp_grpc(), TRACES, &headers, sample.clone()).await;
        assert_eq!((http, status.is_none()), (415, true), "{content_type}");
    }
    let origin = ("origin", "https://example.com");
    let status = send(&backend, &[origin], sample.clone()).await;
    assert_eq!(status.code(), Code::PermissionDenied);

    assert!(backend.store().is_empty());
    assert_eq!(send(&backend, &[], sample).await.code(), Code::Ok);
}

#[tokio::test]
async fn each_protocol_counts_what_it_takes_and_refuses() {
    let backend = start();
    let numbers = || {
        let received = backend.received();
        received
            .into_iter()
            .map(|of| (of.protocol, of.address, of.spans, of.refused))
    };
    let spans = vec![sample::bare([0; 16], [1; 8]), sample::bare([1; 16], [1; 8])];
    let partly = framed(0, &sample::request(spans).encode_to_vec());
    send(&backend, &[], partly).await;
    send(
        &backend,
        &[],
        framed(0, &sample::full_protobuf().encode_to_vec()),
    )
    .await;
    send(&backend, &[], vec![]).await;
    crate::post(&backend, "/v1/traces", &[crate::JSON], sample::FULL_JSON).await;
    crate::post(&backend, "/v1/traces", &[crate::JSON], "{").await;
    crate::post(&backend, "/v1/trace", &[crate::JSON], "{}").await;
    crate::post(&backend, "/v1/logs", &[], "").await;
    assert!(
        numbers().eq([
            ("otlp/http", backend.otlp_http(), 2, 3),
            ("otlp/grpc", backend.otlp_grpc(), 3, 2),
            ("zipkin", backend.zipkin(), 0, 0),
        ]),
        "{:?}",
        backend.received()
    );
}

#[tokio::test]
async fn a_call_in_flight_at_the_stop_is_answered_and_stored() {
    let backend = start();
    let store = backend.store().clone();
    let address = backend.otlp_grpc();
    let mut sample = framed(0, &sample::full_protobuf().encode_to_vec());
    let rest = sample.split_off(7);
    let (sender, body) = unfinished(sample).await;

    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut client, connection) = handshake.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{TRACES}"));
    let request = request.header(GRPC.0, GRPC.1).body(body).unwrap();
    let answer = tokio::spawn(client.send_request(request));
    // Two are behind one another on a connection: when the second is answered, the first has arrived.
    let second = Request::post(format!("http://{address}/"));
    let second = second.header(GRPC.0, GRPC.1).body(Body::empty()).unwrap();
    client.send_request(second).await.unwrap();

    let stop = tokio::spawn(backend.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    sender.send(Ok(rest)).await.unwrap();
    drop(sender);
    let answer = timeout(LIMIT, answer).await.unwrap().unwrap().unwrap();
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    let message = body.to_bytes();
    assert_eq!(
        &message[..],
        framed(0, &ExportTraceServiceResponse::default().encode_to_vec())
    );
    timeout(LIMIT, stop).await.unwrap().unwrap();
    assert_eq!(store.len(), 1);
    let _ = timeout(LIMIT, connection).await.unwrap().unwrap();
}
