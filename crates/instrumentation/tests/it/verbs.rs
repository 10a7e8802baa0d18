//! Requests that the client's verbs start, on the wire and in telemetry.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use http::{HeaderMap, Uri};
use instrumentation::client::{Client, FetchError, RequestBuilder};
use opentelemetry_sdk::trace::SdkTracer;
use reqwest::Method;

use crate::client::client;
use crate::recorded::{Recorded, expected, text};
use crate::scripted::Peer;
use crate::server::serve;

const NAMES: [&str; 6] = [
    "authorization",
    "content-type",
    "traceparent",
    "x-a",
    "x-b",
    "x-c",
];

/// Answers with what it got: method, target, the headers that a test sets, body.
async fn echo() -> SocketAddr {
    let echo = async |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let header = |name: &str| headers[name].to_str().unwrap_or_default().to_owned();
        let mut lines = vec![format!("{method} {uri}")];
        for name in NAMES {
            lines.extend(
                headers
                    .get(name)
                    .map(|_| format!("{name}: {}", header(name))),
            );
        }
        lines.push(String::from_utf8(body.to_vec()).unwrap());
        lines.join("\n")
    };
    serve(Router::new().route("/{path}", any(echo))).await
}

/// The span and the series of one request of `method` for `path` that was answered 200.
async fn check(recorded: &Recorded, address: SocketAddr, method: &str, path: &str) -> String {
    let span = recorded.span().await;
    let port = address.port().to_string();
    let words = [("METHOD", method), ("PATH", path), ("PORT", &*port)];
    assert_eq!(
        text(&span),
        expected(
            r#"METHOD CLIENT
               http.request.method="METHOD"
               http.response.status_code=200
               network.peer.address="127.0.0.1"
               network.peer.port=PORT
               network.protocol.version="1.1"
               server.address="127.0.0.1"
               server.port=PORT
               url.full="http://127.0.0.1:PORTPATH""#,
            &words
        )
    );
    assert_eq!(
        recorded.metrics(),
        expected(
            r#"http.client.request.duration {http.request.method="METHOD" http.response.status_code=200 network.protocol.version="1.1" server.address="127.0.0.1" server.port=PORT} 1"#,
            &words
        )
    );
    let ids = &span.span_context;
    format!("00-{}-{}-01", ids.trace_id(), ids.span_id())
}

#[tokio::test]
async fn each_verb_sends_its_method_with_the_context_of_its_span() {
    let address = echo().await;
    let url = format!("http://{address}/a");
    type Verb = fn(&Client<SdkTracer>, String) -> RequestBuilder<SdkTracer>;
    let verbs: [(&str, Verb); 7] = [
        ("GET", |client, url| client.get(url)),
        ("HEAD", |client, url| client.head(url)),
        ("POST", |client, url| client.post(url)),
        ("PUT", |client, url| client.put(url)),
        ("PATCH", |client, url| client.patch(url)),
        ("DELETE", |client, url| client.delete(url)),
        ("OPTIONS", |client, url| {
            client.request(Method::OPTIONS, url)
        }),
    ];
    for (method, verb) in verbs {
        let recorded = Recorded::new();
        let response = verb(&client(&recorded), url.clone()).send().await.unwrap();
        let body = response.text().await.unwrap();
        let traceparent = check(&recorded, address, method, "/a").await;
        let sent = match method {
            "HEAD" => String::new(),
            _ => format!("{method} /a\ntraceparent: {traceparent}\n"),
        };
        assert_eq!(body, sent);
    }
}

#[tokio::test]
async fn every_part_of_a_request_is_sent() {
    let (recorded, address) = (Recorded::new(), echo().await);
    let mut headers = HeaderMap::new();
    headers.insert("x-b", "3".parse().unwrap());
    headers.insert("traceparent", "another's".parse().unwrap());
    let request = client(&recorded)
        .post(format!("http://{address}/orders?page=1"))
        .header("x-a", "1")
        .header("x-b", "2")
        .headers(headers)
        .bearer_auth("secret")
        .query(&[("sig", "s t")])
        .json(&[7])
        .timeout(Duration::from_secs(3600))
        .with(|request| request.header("x-c", "4"));
    let response = request.fetch(1024).await.unwrap();
    let target = "/orders?page=1&sig=REDACTED";
    let traceparent = check(&recorded, address, "POST", target).await;
    assert_eq!(
        String::from_utf8(response.into_body().to_vec()).unwrap(),
        [
            "POST /orders?page=1&sig=s+t",
            "authorization: Bearer secret",
            "content-type: application/json",
            &format!("traceparent: {traceparent}"),
            "x-a: 1",
            "x-b: 3",
            "x-c: 4",
            "[7]",
        ]
        .join("\n")
    );
}

#[tokio::test]
async fn limits_of_a_request_hold() {
    let recorded = Recorded::new();
    let client = client(&recorded);
    let peer = Peer::silent().await;
    let request = client.get(format!("http://{}/", peer.address));
    let late = request.timeout(Duration::from_millis(50)).send().await;
    assert!(late.unwrap_err().is_timeout());
    let echo = echo().await;
    let request = client.post(format!("http://{echo}/a")).body("too long");
    let long = request.fetch(4).await.unwrap_err();
    assert!(matches!(long, FetchError::TooLong), "{long:?}");
    let metrics = expected(
        r#"http.client.request.duration {error.type="response_too_long" http.request.method="POST" http.response.status_code=200 network.protocol.version="1.1" server.address="127.0.0.1" server.port=ECHO} 1
           http.client.request.duration {error.type="timeout" http.request.method="GET" server.address="127.0.0.1" server.port=SILENT} 1"#,
        &[
            ("ECHO", &*echo.port().to_string()),
            ("SILENT", &*peer.address.port().to_string()),
        ],
    );
    assert_eq!(recorded.metrics(), metrics);
}

/// reqwest builds such a request, and refuses to send it.
#[tokio::test]
async fn url_that_cannot_be_requested_is_an_error_of_send_and_counts() {
    let recorded = Recorded::new();
    let client = client(&recorded);
    let error = client.get("ftp://127.0.0.1/").send().await.unwrap_err();
    assert!(error.is_builder(), "{error:?}");
    let error = client.get("ftp://127.0.0.1/").fetch(8).await.unwrap_err();
    assert!(matches!(error, FetchError::Request(_)), "{error:?}");
    assert_eq!(
        recorded.metrics(),
        r#"http.client.request.duration {error.type="invalid_request" http.request.method="GET" server.address="127.0.0.1" server.port=21} 2"#
    );
    for span in recorded.ended(2).await {
        let description = text(&span).lines().next().unwrap().to_owned();
        assert!(
            description.starts_with("GET CLIENT error: ") && !description.contains("127.0.0.1"),
            "{description}"
        );
        let attributes = r#"error.type="invalid_request"
            http.request.method="GET"
            server.address="127.0.0.1"
            server.port=21
            url.full="ftp://127.0.0.1/""#;
        assert_eq!(
            text(&span),
            expected(&format!("{description}\n{attributes}"), &[])
        );
    }
}

/// There is no request then, hence no server to name.
#[tokio::test]
async fn part_that_is_invalid_is_an_error_of_send_and_nothing_is_recorded() {
    let recorded = Recorded::new();
    let client = client(&recorded);
    let not_a_url = || client.get("not a URL");
    assert!(not_a_url().send().await.unwrap_err().is_builder());
    assert!(not_a_url().build().unwrap_err().is_builder());
    let error = not_a_url().fetch(8).await.unwrap_err();
    assert!(matches!(error, FetchError::Request(error) if error.is_builder()));
    let request = client.get("http://127.0.0.1/").header("line\nbreak", "");
    assert!(request.send().await.unwrap_err().is_builder());
    // A request that is sent is then the only one.
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let request = client.get(format!("http://{}/", peer.address)).build();
    client.execute(request.unwrap()).await.unwrap();
    check(&recorded, peer.address, "GET", "/").await;
}
