//! What the client emits and sends, request by request, whole.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::LOCATION;
use http_body::Frame;
use http_body_util::StreamBody;
use instrumentation::client::Client;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{FutureExt, SpanId, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SdkTracer};
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Method, Request, Url};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::recorded::{Recorded, expected, propagator, text};
use crate::scripted::{Peer, read_head};
use crate::server::serve;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
}

fn client_of(recorded: &Recorded, http: reqwest::ClientBuilder) -> Client<SdkTracer> {
    Client::new(
        http.build().unwrap(),
        recorded.tracer(),
        &recorded.meter(),
        propagator(),
    )
}

pub(crate) fn client(recorded: &Recorded) -> Client<SdkTracer> {
    client_of(recorded, http())
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

/// Compares the only span and the only series there is.
async fn check(recorded: &Recorded, port: u16, span: &str, duration: &str) {
    let port = port.to_string();
    let words = [("PORT", &*port)];
    assert_eq!(text(&recorded.span().await), expected(span, &words));
    let duration = expected(duration, &words).replace('\n', " ");
    assert_eq!(
        recorded.metrics(),
        format!("http.client.request.duration {{{duration}}} 1")
    );
}

/// A request that ends without an answer; compares all that is recorded of it.
async fn check_failure(
    http: reqwest::ClientBuilder,
    request: Request,
    error_type: &str,
    description: &str,
) {
    let recorded = Recorded::new();
    let (method, url) = (request.method().clone(), request.url().clone());
    let (host, port) = (
        url.host_str().unwrap().to_owned(),
        url.port_or_known_default().unwrap(),
    );
    client_of(&recorded, http)
        .execute(request)
        .await
        .unwrap_err();
    let description = match description {
        "" => text(&recorded.span().await)
            .lines()
            .next()
            .unwrap()
            .replace("GET CLIENT error: ", ""),
        _ => description.to_owned(),
    };
    assert!(
        !description.is_empty() && !description.contains(url.as_str()),
        "{description}"
    );
    check(
        &recorded,
        port,
        &format!(
            r#"{method} CLIENT error: {description}
               error.type="{error_type}"
               http.request.method="{method}"
               server.address="{host}"
               server.port=PORT
               url.full="{url}""#
        ),
        &format!(
            r#"error.type="{error_type}" http.request.method="{method}" server.address="{host}" server.port=PORT"#
        ),
    )
    .await;
}

/// Status codes as they are answered, and `/loop`, which redirects to itself.
async fn statuses() -> SocketAddr {
    let status = |uri: http::Uri| async move {
        match uri.path() {
            "/loop" => (StatusCode::FOUND, [(LOCATION, "/loop")]),
            path => (
                StatusCode::from_u16(path[1..].parse().unwrap()).unwrap(),
                [(LOCATION, "/200")],
            ),
        }
    };
    serve(Router::new().route("/{status}", any(status))).await
}

#[tokio::test]
async fn client_span_has_exactly_these_attributes() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    let url = format!(
        "http://localhost:{}/pong?full=yes&sig=secret#part",
        peer.address.port()
    );
    let http = http()
        .resolve("localhost", peer.address)
        .user_agent("test/1");
    let response = client_of(&recorded, http).execute(get(&url)).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "ok");
    check(
        &recorded,
        peer.address.port(),
        r#"GET CLIENT
           http.request.method="GET"
           http.response.status_code=200
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.1"
           server.address="localhost"
           server.port=PORT
           url.full="http://localhost:PORT/pong?full=yes&sig=REDACTED#part""#,
        r#"http.request.method="GET"
           http.response.status_code=200
           network.protocol.version="1.1"
           server.address="localhost"
           server.port=PORT"#,
    )
    .await;
    // What is redacted in telemetry is sent all the same.
    assert!(
        peer.request()
            .await
            .starts_with("GET /pong?full=yes&sig=secret HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn status_is_an_error_from_400() {
    let address = statuses().await;
    for (status, is_error) in [
        (200, false),
        (204, false),
        (302, false),
        (400, true),
        (404, true),
        (500, true),
        (503, true),
        (599, true),
    ] {
        let recorded = Recorded::new();
        let response = client(&recorded)
            .execute(get(&format!("http://{address}/{status}")))
            .await
            .unwrap();
        assert_eq!(response.status(), status);
        let (span_status, error) = if is_error {
            (" error", format!("error.type=\"{status}\"\n"))
        } else {
            ("", String::new())
        };
        check(
            &recorded,
            address.port(),
            &format!(
                r#"GET CLIENT{span_status}
                   {error}http.request.method="GET"
                   http.response.status_code={status}
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT
                   url.full="http://127.0.0.1:PORT/{status}""#
            ),
            &format!(
                r#"{error}http.request.method="GET"
                   http.response.status_code={status}
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT"#
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn unknown_method_is_one_label() {
    let address = statuses().await;
    for method in ["BREW", "get"] {
        let recorded = Recorded::new();
        let mut request = get(&format!("http://{address}/200"));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        client(&recorded).execute(request).await.unwrap();
        check(
            &recorded,
            address.port(),
            &format!(
                r#"HTTP CLIENT
                   http.request.method="_OTHER"
                   http.request.method_original="{method}"
                   http.response.status_code=200
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT
                   url.full="http://127.0.0.1:PORT/200""#
            ),
            r#"http.request.method="_OTHER"
               http.response.status_code=200
               network.protocol.version="1.1"
               server.address="127.0.0.1"
               server.port=PORT"#,
        )
        .await;
    }
}

#[tokio::test]
async fn credentials_in_the_url_are_not_recorded() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    let port = peer.address.port();
    client(&recorded)
        .execute(get(&format!("http://user:secret@127.0.0.1:{port}/")))
        .await
        .unwrap();
    check(
        &recorded,
        port,
        r#"GET CLIENT
           http.request.method="GET"
           http.response.status_code=200
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.1"
           server.address="127.0.0.1"
           server.port=PORT
           url.full="http://REDACTED:REDACTED@127.0.0.1:PORT/""#,
        r#"http.request.method="GET"
           http.response.status_code=200
           network.protocol.version="1.1"
           server.address="127.0.0.1"
           server.port=PORT"#,
    )
    .await;
}

/// Names and ports as the URL has them, the port also where it is the scheme's. All through a proxy, so that
/// nothing leaves the machine; the proxy is then the peer.
#[tokio::test]
async fn server_is_the_one_in_the_url_with_a_port_in_any_case_and_ipv6_without_brackets() {
    for (url, address, port) in [
        ("http://example.com/", "example.com", 80),
        ("http://example.com:80/", "example.com", 80),
        ("http://EXAMPLE.com:8082/", "example.com", 8082),
        ("http://[2001:DB8::7]/", "2001:db8::7", 80),
        ("http://[::1]:8082/", "::1", 8082),
        ("http://10.1.2.80/", "10.1.2.80", 80),
        ("http://b\u{fc}cher.example/", "xn--bcher-kva.example", 80),
    ] {
        let recorded = Recorded::new();
        let peer = Peer::answering(OK).await;
        let proxy = reqwest::Proxy::http(format!("http://{}", peer.address)).unwrap();
        let url = Url::parse(url).unwrap();
        let request = Request::new(Method::GET, url.clone());
        let http = reqwest::Client::builder().proxy(proxy);
        client_of(&recorded, http).execute(request).await.unwrap();
        let span = format!(
            r#"GET CLIENT
               http.request.method="GET"
               http.response.status_code=200
               network.peer.address="127.0.0.1"
               network.peer.port=PORT
               network.protocol.version="1.1"
               server.address="{address}"
               server.port={port}
               url.full="{url}""#
        );
        let duration = format!(
            r#"http.request.method="GET" http.response.status_code=200 network.protocol.version="1.1" server.address="{address}" server.port={port}"#
        );
        check(&recorded, peer.address.port(), &span, &duration).await;
    }
}

#[tokio::test]
async fn connection_that_fails_for_another_reason_is_connect() {
    let peer = Peer::answering("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let proxy = reqwest::Proxy::https(format!("http://{}", peer.address)).unwrap();
    let http = reqwest::Client::builder().proxy(proxy);
    check_failure(http, get("https://example.com/"), "connect", "").await;
}

#[tokio::test]
async fn http_1_0_answer_is_recorded_as_such() {
    let recorded = Recorded::new();
    let peer = Peer::answering("HTTP/1.0 200 OK\r\n\r\nok").await;
    client(&recorded)
        .execute(get(&format!("http://{}/", peer.address)))
        .await
        .unwrap();
    check(
        &recorded,
        peer.address.port(),
        r#"GET CLIENT
           http.request.method="GET"
           http.response.status_code=200
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.0"
           server.address="127.0.0.1"
           server.port=PORT
           url.full="http://127.0.0.1:PORT/""#,
        r#"http.request.method="GET"
           http.response.status_code=200
           network.protocol.version="1.0"
           server.address="127.0.0.1"
           server.port=PORT"#,
    )
    .await;
}

/// A port that nobody listens at: it was free a moment ago.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn refused_connection_is_connection_refused() {
    let url = format!("http://127.0.0.1:{}/", closed_port().await);
    check_failure(http(), get(&url), "connection_refused", "").await;
}

#[tokio::test]
async fn name_that_does_not_resolve_is_dns() {
    // Longer than a label may be: no resolver asks anybody.
    let url = format!("http://{}.invalid:81/", "a".repeat(64));
    check_failure(http(), get(&url), "dns", "").await;
}

#[tokio::test]
async fn answer_that_does_not_come_in_time_is_timeout() {
    let peer = Peer::silent().await;
    let url = format!("http://{}/", peer.address);
    let http = http().timeout(Duration::from_millis(50));
    check_failure(http, get(&url), "timeout", "operation timed out").await;
}

#[tokio::test]
async fn answer_that_breaks_off_is_incomplete_response() {
    for answer in ["", "HTTP/1.1 20"] {
        let peer = Peer::answering(answer).await;
        let url = format!("http://{}/", peer.address);
        let description = "connection closed before message completed";
        check_failure(http(), get(&url), "incomplete_response", description).await;
    }
}

#[tokio::test]
async fn connection_that_is_reset_is_connection_reset() {
    let peer = Peer::resetting().await;
    let url = format!("http://{}/", peer.address);
    check_failure(http(), get(&url), "connection_reset", "").await;
}

#[tokio::test]
async fn answer_that_is_no_http_is_invalid_response() {
    let peer = Peer::answering("220 mail.example.com ESMTP\r\n\r\n").await;
    check_failure(
        http(),
        get(&format!("http://{}/", peer.address)),
        "invalid_response",
        "",
    )
    .await;
}

#[tokio::test]
async fn peer_that_speaks_no_tls_is_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    check_failure(http(), get(&format!("https://{address}/")), "tls", "").await;
}

#[tokio::test]
async fn endless_redirect_is_redirect() {
    let url = format!("http://{}/loop", statuses().await);
    let http = http().redirect(Policy::limited(3));
    check_failure(http, get(&url), "redirect", "too many redirects").await;
}

#[tokio::test]
async fn body_that_fails_is_request_body() {
    let peer = Peer::silent().await;
    let mut request = get(&format!("http://{}/", peer.address));
    *request.method_mut() = Method::POST;
    let frames = stream::once(async { Err::<Frame<Bytes>, _>("disk full") });
    let broken = reqwest::Body::wrap(StreamBody::new(Box::pin(frames)));
    *request.body_mut() = Some(broken);
    check_failure(http(), request, "request_body", "disk full").await;
}

#[tokio::test]
async fn request_that_cannot_be_sent_is_invalid_request() {
    check_failure(http(), get("ftp://127.0.0.1/"), "invalid_request", "").await;
}

#[tokio::test]
async fn redirect_that_is_followed_is_one_request() {
    let recorded = Recorded::new();
    let address = statuses().await;
    let client = client_of(&recorded, http().redirect(Policy::limited(3)));
    let response = client
        .execute(get(&format!("http://{address}/302")))
        .await
        .unwrap();
    assert_eq!(response.url().path(), "/200");
    check(
        &recorded,
        address.port(),
        r#"GET CLIENT
           http.request.method="GET"
           http.response.status_code=200
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.1"
           server.address="127.0.0.1"
           server.port=PORT
           url.full="http://127.0.0.1:PORT/302""#,
        r#"http.request.method="GET"
           http.response.status_code=200
           network.protocol.version="1.1"
           server.address="127.0.0.1"
           server.port=PORT"#,
    )
    .await;
}

/// http-spans, *Status*: "the cancellation SHOULD NOT be treated as an error".
#[tokio::test]
async fn caller_that_drops_the_future_leaves_no_open_span_and_no_error() {
    for fetch in [false, true] {
        let recorded = Recorded::new();
        let peer = Peer::silent().await;
        let (client, url) = (client(&recorded), format!("http://{}/", peer.address));
        let call = tokio::spawn(async move {
            if fetch {
                client.fetch(get(&url), 8).await.map(drop).unwrap();
            } else {
                client.execute(get(&url)).await.map(drop).unwrap();
            }
        });
        let port = peer.address.port();
        assert!(peer.request().await.starts_with("GET / HTTP/1.1"));
        assert_eq!(recorded.spans(), []);
        call.abort();
        check(
            &recorded,
            port,
            r#"GET CLIENT
               http.request.method="GET"
               server.address="127.0.0.1"
               server.port=PORT
               url.full="http://127.0.0.1:PORT/""#,
            r#"http.request.method="GET" server.address="127.0.0.1" server.port=PORT"#,
        )
        .await;
    }
}

/// What the peer answered stays what it was: a status code is an error by itself.
#[tokio::test]
async fn caller_that_drops_a_fetch_after_the_head_leaves_the_error_to_the_status_code() {
    for (head, status, mark, error_type) in [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 200, "", ""),
        (
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n",
            503,
            " error",
            "error.type=\"503\"\n",
        ),
    ] {
        let recorded = Recorded::new();
        let (peer, taken) = endless(head).await;
        let client = client(&recorded);
        let fetch = async {
            let request = get(&format!("http://{peer}/"));
            client.fetch(request, usize::MAX).await
        };
        tokio::select! {
            _ = fetch => panic!("the response has an end"),
            taken = taken => taken.unwrap(),
        }
        check(
            &recorded,
            peer.port(),
            &format!(
                r#"GET CLIENT{mark}
                   {error_type}http.request.method="GET"
                   http.response.status_code={status}
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT
                   url.full="http://127.0.0.1:PORT/""#
            ),
            &format!(
                r#"{error_type}http.request.method="GET"
                   http.response.status_code={status}
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT"#
            ),
        )
        .await;
    }
}

/// A peer that answers with `head` and a body without end. It tells when more of the body was taken than the sockets'
/// buffers hold: the head has been read then.
async fn endless(head: &'static str) -> (SocketAddr, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, taken) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..32 {
            stream.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
        }
        tell.send(()).unwrap();
        while stream.write_all(b"x").await.is_ok() {}
    });
    (address, taken)
}

#[tokio::test]
async fn response_that_is_fetched_is_whole_and_its_connection_serves_the_next() {
    let recorded = Recorded::new();
    let app = Router::new().route("/", any(async || "word"));
    let address = serve(app).await;
    let client = client(&recorded);
    for _ in 0..2 {
        let request = get(&format!("http://{address}/"));
        let response = client.fetch(request, 4).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-length"], "4");
        assert_eq!(**response.body(), *b"word");
    }
    assert_eq!(
        recorded.metrics(),
        format!(
            r#"http.client.request.duration {{http.request.method="GET" http.response.status_code=200 network.protocol.version="1.1" server.address="127.0.0.1" server.port={}}} 2"#,
            address.port()
        )
    );
    let spans = recorded.ended(2).await;
    assert_eq!(text(&spans[0]), text(&spans[1]));
    assert!(!text(&spans[0]).contains("error"), "{}", text(&spans[0]));
}

/// What is recorded of a fetch from a peer that answers 200, and then something is wrong.
async fn check_broken(recorded: &Recorded, peer: SocketAddr, error_type: &str, description: &str) {
    check(
        recorded,
        peer.port(),
        &format!(
            r#"GET CLIENT error: {description}
               error.type="{error_type}"
               http.request.method="GET"
               http.response.status_code=200
               network.peer.address="127.0.0.1"
               network.peer.port=PORT
               network.protocol.version="1.1"
               server.address="127.0.0.1"
               server.port=PORT
               url.full="http://127.0.0.1:PORT/""#
        ),
        &format!(
            r#"error.type="{error_type}"
               http.request.method="GET"
               http.response.status_code=200
               network.protocol.version="1.1"
               server.address="127.0.0.1"
               server.port=PORT"#
        ),
    )
    .await;
}

#[tokio::test]
async fn what_goes_wrong_after_the_head_is_an_error_of_a_fetch() {
    for (answer, error_type, description) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf",
            "incomplete_response",
            "end of file before message length reached",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            "invalid_response",
            "Invalid chunk size line: missing size digit",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnine byte",
            "response_too_long",
            "the response's body is too long",
        ),
    ] {
        let recorded = Recorded::new();
        let peer = Peer::answering(answer).await;
        let request = get(&format!("http://{}/", peer.address));
        let error = client(&recorded).fetch(request, 8).await.unwrap_err();
        assert!(!error.is_timeout(), "{error:?}");
        check_broken(&recorded, peer.address, error_type, description).await;
    }
}

#[tokio::test]
async fn body_that_does_not_come_in_time_is_timeout() {
    let recorded = Recorded::new();
    let peer = Peer::beginning("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
    let request = get(&format!("http://{}/", peer.address));
    let client = client_of(&recorded, http().timeout(Duration::from_secs(2)));
    let error = client.fetch(request, 8).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    check_broken(&recorded, peer.address, "timeout", "operation timed out").await;
}

#[tokio::test]
async fn headers_of_the_propagator_are_replaced_and_others_kept() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    let mut request = get(&format!("http://{}/", peer.address));
    for (name, value) in [
        (
            "traceparent",
            "00-11111111111111111111111111111111-2222222222222222-01",
        ),
        ("tracestate", "stale=1"),
        ("baggage", "stale=1"),
        ("x-other", "kept"),
    ] {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    client(&recorded).execute(request).await.unwrap();
    let span = recorded.span().await;
    let head = peer.request().await;
    let mut lines: Vec<_> = head.lines().filter(|line| !line.is_empty()).collect();
    lines.sort();
    let traceparent = format!(
        "traceparent: 00-{}-{}-01",
        span.span_context.trace_id(),
        span.span_context.span_id()
    );
    let host = lines[2].to_owned();
    // The SDK's propagator sends an empty `tracestate`.
    assert_eq!(
        lines,
        [
            "GET / HTTP/1.1",
            "accept: */*",
            &host,
            &traceparent,
            "tracestate: ",
            "x-other: kept"
        ]
    );
}

#[tokio::test]
async fn baggage_of_the_current_context_is_sent() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    let context = Context::new().with_baggage([KeyValue::new("user", "7")]);
    let request = get(&format!("http://{}/", peer.address));
    client(&recorded)
        .execute(request)
        .with_context(context)
        .await
        .unwrap();
    assert!(peer.request().await.contains("\r\nbaggage: user=7\r\n"));
}

#[tokio::test]
async fn parent_is_the_current_context_and_stays_so_after_the_call() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    let client = client(&recorded);
    let parent = Context::new().with_span(recorded.tracer().start("parent"));
    let (trace_id, span_id) = {
        let span = parent.span();
        (
            span.span_context().trace_id(),
            span.span_context().span_id(),
        )
    };
    async {
        client
            .execute(get(&format!("http://{}/", peer.address)))
            .await
            .unwrap();
        assert_eq!(Context::current().span().span_context().span_id(), span_id);
    }
    .with_context(parent)
    .await;
    let span = recorded
        .ended(2)
        .await
        .into_iter()
        .find(|span| span.name == "GET")
        .unwrap();
    assert_eq!(span.parent_span_id, span_id);
    assert_eq!(span.span_context.trace_id(), trace_id);
}

#[tokio::test]
async fn request_that_is_not_sampled_is_sent_with_its_context_and_still_counts() {
    let recorded = Recorded::sampled_by(Sampler::AlwaysOff);
    let peer = Peer::answering(OK).await;
    let port = peer.address.port();
    client(&recorded)
        .execute(get(&format!("http://127.0.0.1:{port}/")))
        .await
        .unwrap();
    let head = peer.request().await;
    let traceparent = head
        .lines()
        .find(|line| line.starts_with("traceparent: 00-"))
        .unwrap();
    assert!(traceparent.ends_with("-00"), "{traceparent}");
    assert_eq!(recorded.spans(), []);
    let duration = r#"http.client.request.duration {http.request.method="GET" http.response.status_code=200 network.protocol.version="1.1" server.address="127.0.0.1" server.port=PORT} 1"#;
    assert_eq!(
        recorded.metrics(),
        expected(duration, &[("PORT", &port.to_string())])
    );
}

/// An exporter's own requests, for one, must make no telemetry.
#[tokio::test]
async fn where_telemetry_is_suppressed_the_request_is_only_sent() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    let request = get(&format!("http://{}/", peer.address));
    let suppressed = Context::new().with_telemetry_suppressed();
    client(&recorded)
        .execute(request)
        .with_context(suppressed)
        .await
        .unwrap();
    assert!(!peer.request().await.contains("traceparent"));
    assert_eq!(recorded.spans(), []);
    // Whatever comes afterwards is the only thing that counts.
    let peer = Peer::answering(OK).await;
    let request = get(&format!("http://{}/", peer.address));
    client(&recorded).execute(request).await.unwrap();
    let metrics = recorded.metrics();
    assert!(
        metrics.lines().count() == 1 && metrics.ends_with("} 1"),
        "{metrics}"
    );
}

/// A resolver, for one, that is instrumented itself.
#[tokio::test]
async fn what_reqwest_does_for_a_request_is_done_in_its_span() {
    #[derive(Default)]
    struct Resolver(Arc<std::sync::Mutex<Vec<SpanId>>>);
    impl Resolve for Resolver {
        fn resolve(&self, _: Name) -> Resolving {
            let span_id = Context::current().span().span_context().span_id();
            self.0.lock().unwrap().push(span_id);
            Box::pin(async { Err("nowhere".into()) })
        }
    }
    let recorded = Recorded::new();
    let resolver = Resolver::default();
    let seen = resolver.0.clone();
    let client = client_of(&recorded, http().dns_resolver(Arc::new(resolver)));
    client
        .execute(get("http://example.com/"))
        .await
        .unwrap_err();
    let span = recorded.span().await;
    assert_eq!(*seen.lock().unwrap(), [span.span_context.span_id()]);
    assert!(!Context::current().has_active_span());
}

#[tokio::test]
async fn instrument_is_as_the_conventions_define_it() {
    let recorded = Recorded::new();
    let peer = Peer::answering(OK).await;
    client(&recorded)
        .execute(get(&format!("http://{}/", peer.address)))
        .await
        .unwrap();
    let bounds = vec![
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    ];
    let (name, unit) = ("http.client.request.duration".to_owned(), "s".to_owned());
    let description = "Duration of HTTP client requests.".to_owned();
    assert_eq!(recorded.instruments(), [(name, unit, description, bounds)]);
}

/// Several servers and methods through one client: what is cached for one must not leak into another.
#[tokio::test]
async fn requests_of_all_sorts_through_one_client_keep_their_series_apart() {
    let recorded = Recorded::new();
    let client = Arc::new(client_of(
        &recorded,
        http().resolve("other", (Ipv4Addr::LOCALHOST, 0).into()),
    ));
    let address = statuses().await;
    let port = address.port();
    for _ in 0..3 {
        for (method, url) in [
            (Method::GET, format!("http://127.0.0.1:{port}/200")),
            (Method::GET, format!("http://127.0.0.1:{port}/404")),
            (Method::POST, format!("http://127.0.0.1:{port}/200")),
            (Method::GET, format!("http://other:{port}/200")),
        ] {
            client
                .execute(Request::new(method, Url::parse(&url).unwrap()))
                .await
                .unwrap();
        }
    }
    let metrics = r#"http.client.request.duration {error.type="404" http.request.method="GET" http.response.status_code=404 network.protocol.version="1.1" server.address="127.0.0.1" server.port=PORT} 3
        http.client.request.duration {http.request.method="GET" http.response.status_code=200 network.protocol.version="1.1" server.address="127.0.0.1" server.port=PORT} 3
        http.client.request.duration {http.request.method="GET" http.response.status_code=200 network.protocol.version="1.1" server.address="other" server.port=PORT} 3
        http.client.request.duration {http.request.method="POST" http.response.status_code=200 network.protocol.version="1.1" server.address="127.0.0.1" server.port=PORT} 3"#;
    assert_eq!(
        recorded.metrics(),
        expected(metrics, &[("PORT", &port.to_string())])
    );
}

#[tokio::test]
async fn request_that_takes_longer_than_its_caller_allows_is_timeout() {
    for fetch in [false, true] {
        let recorded = Recorded::new();
        let peer = Peer::silent().await;
        let request = get(&format!("http://{}/", peer.address));
        let client = client(&recorded).within(Duration::from_millis(50));
        let is_timeout = if fetch {
            client.fetch(request, 8).await.unwrap_err().is_timeout()
        } else {
            client.execute(request).await.unwrap_err().is_timeout()
        };
        assert!(is_timeout);
        check(
            &recorded,
            peer.address.port(),
            r#"GET CLIENT error: operation timed out
               error.type="timeout"
               http.request.method="GET"
               server.address="127.0.0.1"
               server.port=PORT
               url.full="http://127.0.0.1:PORT/""#,
            r#"error.type="timeout" http.request.method="GET" server.address="127.0.0.1" server.port=PORT"#,
        )
        .await;
    }
}

#[tokio::test]
async fn body_that_takes_longer_than_its_caller_allows_is_timeout() {
    let recorded = Recorded::new();
    let peer = Peer::beginning("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
    let request = get(&format!("http://{}/", peer.address));
    let client = client(&recorded).within(Duration::from_secs(2));
    let error = client.fetch(request, 8).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    check_broken(&recorded, peer.address, "timeout", "operation timed out").await;
}

/// Of the caller's limit and the request's own; a clone has the same. Where telemetry is suppressed it holds as well.
#[tokio::test]
async fn the_shorter_limit_counts() {
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(3600));
    for (own, within) in [(short, long), (long, short)] {
        for suppressed in [false, true] {
            let recorded = Recorded::new();
            let peer = Peer::silent().await;
            let mut request = get(&format!("http://{}/", peer.address));
            *request.timeout_mut() = Some(own);
            let client = client(&recorded).within(within).clone();
            let call = client.execute(request);
            let result = if suppressed {
                let context = Context::current().with_telemetry_suppressed();
                call.with_context(context).await
            } else {
                call.await
            };
            assert!(result.unwrap_err().is_timeout());
        }
    }
}

#[tokio::test]
async fn known_methods_of_a_client_are_a_list_that_replaces_the_default() {
    let address = statuses().await;
    for (method, label) in [
        ("PROPFIND", "PROPFIND"),
        ("GET", "_OTHER"),
        ("propfind", "_OTHER"),
    ] {
        let recorded = Recorded::new();
        let mut request = get(&format!("http://{address}/200"));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        let client = client(&recorded).with_known_methods(["PROPFIND", "MKCOL"]);
        client.execute(request).await.unwrap();
        let (name, original) = match label {
            "_OTHER" => (
                "HTTP",
                format!("http.request.method_original=\"{method}\"\n"),
            ),
            known => (known, String::new()),
        };
        check(
            &recorded,
            address.port(),
            &format!(
                r#"{name} CLIENT
                   http.request.method="{label}"
                   {original}http.response.status_code=200
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT
                   url.full="http://127.0.0.1:PORT/200""#
            ),
            &format!(
                r#"http.request.method="{label}"
                   http.response.status_code=200
                   network.protocol.version="1.1"
                   server.address="127.0.0.1"
                   server.port=PORT"#
            ),
        )
        .await;
    }
}
