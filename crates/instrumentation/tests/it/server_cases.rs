//! What the layer emits, request by request, whole.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_sdk::trace::Sampler;
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::recorded::{Recorded, eventually, expected, text};
use crate::server::{layer, router, send, serve};

/// Sends the request, as it stands on the wire, on a connection of its own; compares its span, and the attributes
/// of `http.server.request.duration`, of which there must be no other.
async fn check(request: &str, status: u16, span: &str, duration: &str) {
    check_of(router(), request.as_bytes(), status, span, duration).await;
}

async fn check_of(router: Router, request: &[u8], status: u16, span: &str, duration: &str) {
    let recorded = Recorded::new();
    let address = serve(router.layer(layer(&recorded))).await;
    let (answered, port) = send(address, request).await;
    let name = String::from_utf8_lossy(request);
    assert_eq!(answered, status, "{name}");
    let port = port.to_string();
    assert_eq!(
        text(&recorded.span().await),
        expected(span, &[("PORT", &port)]),
        "{name}"
    );
    check_metrics(&recorded, duration).await;
}

async fn check_metrics(recorded: &Recorded, duration: &str) {
    let duration = expected(duration, &[]).replace('\n', " ");
    let labels = duration.split(' ');
    let active: Vec<_> = labels
        .filter(|label| {
            label.starts_with("http.request.method=") || label.starts_with("url.scheme=")
        })
        .collect();
    let wanted = format!(
        "http.server.active_requests {{{}}} 0\nhttp.server.request.duration {{{duration}}} 1",
        active.join(" ")
    );
    assert_eq!(recorded.metrics(), wanted);
}

#[tokio::test]
async fn server_span_has_exactly_these_attributes() {
    check(
        "GET /users/7?full=yes&sig=secret HTTP/1.1\r\n\
         Host: example.com:8081\r\n\
         User-Agent: curl/8\r\n\
         Forwarded: for=6.6.6.6;host=evil;proto=https\r\n\
         X-Forwarded-For: 6.6.6.6\r\n\
         X-Forwarded-Host: evil\r\n\
         X-Forwarded-Proto: https\r\n\
         Connection: close\r\n\r\n",
        200,
        r#"GET /users/{id} SERVER
           client.address="127.0.0.1"
           http.request.method="GET"
           http.response.status_code=200
           http.route="/users/{id}"
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.1"
           server.address="example.com"
           server.port=8081
           url.path="/users/7"
           url.query="full=yes&sig=REDACTED"
           url.scheme="http"
           user_agent.original="curl/8""#,
        r#"http.request.method="GET"
           http.response.status_code=200
           http.route="/users/{id}"
           network.protocol.version="1.1"
           url.scheme="http""#,
    )
    .await;
}

#[tokio::test]
async fn method_is_a_label_if_it_is_known_and_one_label_if_it_is_not() {
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY",
    ] {
        check(
            &format!("{method} /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            200,
            &format!(
                r#"{method} /any SERVER
                   client.address="127.0.0.1"
                   http.request.method="{method}"
                   http.response.status_code=200
                   http.route="/any"
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="a"
                   url.path="/any"
                   url.scheme="http""#
            ),
            &format!(
                r#"http.request.method="{method}" http.response.status_code=200 http.route="/any" network.protocol.version="1.1" url.scheme="http""#
            ),
        )
        .await;
    }
    for method in [
        "get",
        "Get",
        "PROPFIND",
        "_OTHER",
        "HTTP",
        "GETGET",
        "X!#$%&'*+-.^_`|~9",
    ] {
        check(
            &format!("{method} /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            200,
            &format!(
                r#"HTTP /any SERVER
                   client.address="127.0.0.1"
                   http.request.method="_OTHER"
                   http.request.method_original="{method}"
                   http.response.status_code=200
                   http.route="/any"
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="a"
                   url.path="/any"
                   url.scheme="http""#
            ),
            r#"http.request.method="_OTHER" http.response.status_code=200 http.route="/any" network.protocol.version="1.1" url.scheme="http""#,
        )
        .await;
    }
}

/// The list replaces the default, and is case-sensitive, also in combination with exemplars.
#[tokio::test]
async fn known_methods_of_a_layer_are_a_list_that_replaces_the_default() {
    for (method, label) in [
        ("PROPFIND", "PROPFIND"),
        ("MKCOL", "MKCOL"),
        ("GET", "_OTHER"),
        ("propfind", "_OTHER"),
    ] {
        let recorded = Recorded::new();
        let nowhere: instrumentation::Exemplars =
            std::sync::Arc::new(|_, _, _, _| Box::new(|_, _, _| {}));
        let layer = layer(&recorded)
            .with_known_methods(["PROPFIND", "MKCOL"])
            .with_exemplars(nowhere);
        let address = serve(router().layer(layer)).await;
        let request =
            format!("{method} /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes();
        let (status, port) = send(address, &request).await;
        assert_eq!(status, 200);
        let (name, original) = match label {
            "_OTHER" => (
                "HTTP",
                format!("http.request.method_original=\"{method}\"\n"),
            ),
            known => (known, String::new()),
        };
        let span = format!(
            r#"{name} /any SERVER
               client.address="127.0.0.1"
               http.request.method="{label}"
               {original}http.response.status_code=200
               http.route="/any"
               network.peer.address="127.0.0.1"
               network.peer.port=PORT
               network.protocol.version="1.1"
               server.address="a"
               url.path="/any"
               url.scheme="http""#
        );
        let words = [("PORT", &*port.to_string())];
        assert_eq!(text(&recorded.span().await), expected(&span, &words));
        check_metrics(
            &recorded,
            &format!(
                r#"http.request.method="{label}" http.response.status_code=200 http.route="/any" network.protocol.version="1.1" url.scheme="http""#
            ),
        )
        .await;
    }
}

/// A method that is not known is HEAD nevertheless: its body is not sent.
#[tokio::test]
async fn response_to_head_ends_with_its_head_where_head_is_not_known() {
    let recorded = Recorded::new();
    let endless = || async {
        let frames =
            futures_util::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>();
        axum::body::Body::from_stream(frames)
    };
    let router = Router::new().route("/", axum::routing::any(endless));
    let layer = layer(&recorded).with_known_methods(["GET"]);
    let address = serve(router.layer(layer)).await;
    let request = b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(send(address, request).await.0, 200);
    let span = text(&recorded.span().await);
    assert!(span.starts_with("HTTP / SERVER\n"), "{span}");
}

/// Every CONNECT is answered by the catch-all fallback: its target has no path.
#[tokio::test]
async fn connect_has_an_empty_path() {
    check(
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nConnection: close\r\n\r\n",
        404,
        r#"CONNECT SERVER
           client.address="127.0.0.1"
           http.request.method="CONNECT"
           http.response.status_code=404
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.1"
           server.address="example.com"
           server.port=443
           url.path=""
           url.scheme="http""#,
        r#"http.request.method="CONNECT" http.response.status_code=404 network.protocol.version="1.1" url.scheme="http""#,
    )
    .await;
}

#[tokio::test]
async fn route_is_the_template_with_the_prefixes_of_nested_routers() {
    for (path, status, route) in [
        ("/ok", 200, "/ok"),
        ("/users/7", 200, "/users/{id}"),
        ("/inner/items/7", 200, "/inner/items/{item}"),
        ("/inner/deep", 200, "/inner/deep"),
        ("/other/known", 200, "/other/known"),
        // The route is known, though the method is not allowed.
        ("/upload", 405, "/upload"),
    ] {
        check(
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            status,
            &format!(
                r#"GET {route} SERVER
                   client.address="127.0.0.1"
                   http.request.method="GET"
                   http.response.status_code={status}
                   http.route="{route}"
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="a"
                   url.path="{path}"
                   url.scheme="http""#
            ),
            &format!(
                r#"http.request.method="GET" http.response.status_code={status} http.route="{route}" network.protocol.version="1.1" url.scheme="http""#
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn unmatched_paths_have_no_route_and_one_series() {
    for (path, status) in [
        ("/", 404),
        ("/nowhere", 404),
        ("/users/7/", 404),
        ("/users", 404),
        ("/inner/nowhere", 404),
        ("/other/nowhere", 404), // the nested router's own fallback
        ("/files/a/b.txt", 200), // no template: the service that is nested routes as it likes
    ] {
        check(
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            status,
            &format!(
                r#"GET SERVER
                   client.address="127.0.0.1"
                   http.request.method="GET"
                   http.response.status_code={status}
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="a"
                   url.path="{path}"
                   url.scheme="http""#
            ),
            &format!(
                r#"http.request.method="GET" http.response.status_code={status} network.protocol.version="1.1" url.scheme="http""#
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn status_is_an_error_from_500() {
    for (path, status, span_status, error_type) in [
        ("/empty", 204, "", None),
        ("/moved", 302, "", None),
        ("/absent", 404, "", None),
        ("/broken", 500, " error", Some("500")),
        ("/busy", 503, " error", Some("503")),
    ] {
        let error = error_type
            .map(|error| format!("error.type=\"{error}\""))
            .unwrap_or_default();
        let newline = if error.is_empty() { "" } else { "\n" };
        check(
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            status,
            &format!(
                r#"GET {path} SERVER{span_status}
                   client.address="127.0.0.1"{newline}{error}
                   http.request.method="GET"
                   http.response.status_code={status}
                   http.route="{path}"
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   server.address="a"
                   url.path="{path}"
                   url.scheme="http""#
            ),
            &format!(
                r#"{error} http.request.method="GET" http.response.status_code={status} http.route="{path}" network.protocol.version="1.1" url.scheme="http""#
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn server_is_the_host_that_the_client_named() {
    // Request target, header lines; then server.* and url.path as recorded.
    for (target, headers, server, scheme) in [
        (
            "/ok",
            "Host: example.com\r\n",
            "server.address=\"example.com\"",
            "http",
        ),
        (
            "/ok",
            "Host: example.com:80\r\n",
            "server.address=\"example.com\"\nserver.port=80",
            "http",
        ),
        (
            "/ok",
            "Host: 10.1.2.80:8081\r\n",
            "server.address=\"10.1.2.80\"\nserver.port=8081",
            "http",
        ),
        ("/ok", "Host: [::1]\r\n", "server.address=\"::1\"", "http"),
        (
            "/ok",
            "Host: [::1]:8081\r\n",
            "server.address=\"::1\"\nserver.port=8081",
            "http",
        ),
        (
            "/ok",
            "Host: [fe80::1%25eth0]:1\r\n",
            "server.address=\"fe80::1%25eth0\"\nserver.port=1",
            "http",
        ),
        (
            "/ok",
            "Host: example.com:99999\r\n",
            "server.address=\"example.com\"",
            "http",
        ),
        ("/ok", "Host: \r\n", "", "http"),
        ("/ok", "Host: not a host\r\n", "", "http"),
        ("/ok", "Host: ::1\r\n", "", "http"),
        ("/ok", "", "", "http"),
        // Absolute-form: RFC 9112, 3.2.2, the target counts, not the header.
        (
            "http://target:81/ok",
            "Host: header:82\r\n",
            "server.address=\"target\"\nserver.port=81",
            "http",
        ),
        (
            "http://target/ok",
            "Host: header:82\r\n",
            "server.address=\"target\"\nserver.port=80",
            "http",
        ),
        (
            "https://[::1]/ok",
            "Host: header\r\n",
            "server.address=\"::1\"\nserver.port=443",
            "https",
        ),
        (
            "http://user:secret@target/ok",
            "Host: a\r\n",
            "server.address=\"target\"\nserver.port=80",
            "http",
        ),
        (
            "HTTPS://target:81/ok",
            "",
            "server.address=\"target\"\nserver.port=81",
            "https",
        ),
        // A scheme that somebody made up is no label.
        (
            "gopher://target/ok",
            "",
            "server.address=\"target\"\nserver.port=80",
            "http",
        ),
    ] {
        let server = if server.is_empty() {
            String::new()
        } else {
            format!("{server}\n")
        };
        check(
            &format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"),
            200,
            &format!(
                r#"GET /ok SERVER
                   client.address="127.0.0.1"
                   http.request.method="GET"
                   http.response.status_code=200
                   http.route="/ok"
                   network.peer.address="127.0.0.1"
                   network.peer.port=PORT
                   network.protocol.version="1.1"
                   {server}url.path="/ok"
                   url.scheme="{scheme}""#
            ),
            &format!(
                r#"http.request.method="GET" http.response.status_code=200 http.route="/ok" network.protocol.version="1.1" url.scheme="{scheme}""#
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn http_1_0_without_a_host_has_no_server_address() {
    check(
        "GET /ok HTTP/1.0\r\n\r\n",
        200,
        r#"GET /ok SERVER
           client.address="127.0.0.1"
           http.request.method="GET"
           http.response.status_code=200
           http.route="/ok"
           network.peer.address="127.0.0.1"
           network.peer.port=PORT
           network.protocol.version="1.0"
           url.path="/ok"
           url.scheme="http""#,
        r#"http.request.method="GET" http.response.status_code=200 http.route="/ok" network.protocol.version="1.0" url.scheme="http""#,
    )
    .await;
}

#[tokio::test]
async fn http_2_takes_server_and_scheme_from_the_pseudo_headers() {
    for (uri, server, scheme) in [
        (
            "http://example.com:8081/ok?q",
            "server.address=\"example.com\"\nserver.port=8081",
            "http",
        ),
        (
            "https://[::1]/ok?q",
            "server.address=\"::1\"\nserver.port=443",
            "https",
        ),
    ] {
        let recorded = Recorded::new();
        let address = serve(router().layer(layer(&recorded))).await;
        let stream = TcpStream::connect(address).await.unwrap();
        let port = stream.local_addr().unwrap().port().to_string();
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap();
        let span = format!(
            r#"GET /ok SERVER
               client.address="127.0.0.1"
               http.request.method="GET"
               http.response.status_code=200
               http.route="/ok"
               network.peer.address="127.0.0.1"
               network.peer.port=PORT
               network.protocol.version="2"
               {server}
               url.path="/ok"
               url.query="q"
               url.scheme="{scheme}""#
        );
        assert_eq!(
            text(&recorded.span().await),
            expected(&span, &[("PORT", &port)]),
            "{uri}"
        );
        check_metrics(
            &recorded,
            &format!(
                r#"http.request.method="GET" http.response.status_code=200 http.route="/ok" network.protocol.version="2" url.scheme="{scheme}""#
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn user_agent_is_text_whatever_bytes_it_has() {
    let long = "a".repeat(4000);
    for (sent, recorded) in [
        (&b"caf\xc3\xa9/1"[..], "café/1"),
        (b"caf\xe9/1", "caf\u{fffd}/1"),
        (b"", ""),
        (long.as_bytes(), &long),
    ] {
        let request = [b"GET /ok HTTP/1.0\r\nUser-Agent: ", sent, b"\r\n\r\n"].concat();
        let span = format!(
            r#"GET /ok SERVER
               client.address="127.0.0.1"
               http.request.method="GET"
               http.response.status_code=200
               http.route="/ok"
               network.peer.address="127.0.0.1"
               network.peer.port=PORT
               network.protocol.version="1.0"
               url.path="/ok"
               url.scheme="http"
               user_agent.original="{recorded}""#
        );
        let duration = r#"http.request.method="GET" http.response.status_code=200 http.route="/ok" network.protocol.version="1.0" url.scheme="http""#;
        check_of(router(), &request, 200, &span, duration).await;
    }
}

/// A router that is called without a connection knows no peer, and tells of none.
#[tokio::test]
async fn without_connect_info_there_is_no_peer() {
    let recorded = Recorded::new();
    let service = router().layer(layer(&recorded));
    let request = Request::get("/ok?").body(Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "ok"
    );
    let span = r#"GET /ok SERVER
        http.request.method="GET"
        http.response.status_code=200
        http.route="/ok"
        network.protocol.version="1.1"
        url.path="/ok"
        url.query=""
        url.scheme="http""#;
    assert_eq!(text(&recorded.span().await), expected(span, &[]));
}

#[tokio::test]
async fn a_request_that_is_not_sampled_still_counts() {
    let recorded = Recorded::sampled_by(Sampler::AlwaysOff);
    let address = serve(router().layer(layer(&recorded))).await;
    send(address, b"GET /ok HTTP/1.0\r\n\r\n").await;
    send(address, b"GET /broken HTTP/1.0\r\n\r\n").await;
    let expected = expected(
        r#"http.server.active_requests {http.request.method="GET" url.scheme="http"} 0
           http.server.request.duration {error.type="500" http.request.method="GET" http.response.status_code=500 http.route="/broken" network.protocol.version="1.0" url.scheme="http"} 1
           http.server.request.duration {http.request.method="GET" http.response.status_code=200 http.route="/ok" network.protocol.version="1.0" url.scheme="http"} 1"#,
        &[],
    );
    eventually(|| (recorded.metrics() == expected).then_some(())).await;
    assert_eq!(recorded.spans(), []);
}

#[tokio::test]
async fn instruments_are_as_the_conventions_define_them() {
    let recorded = Recorded::new();
    let address = serve(router().layer(layer(&recorded))).await;
    send(address, b"GET /ok HTTP/1.0\r\n\r\n").await;
    let bounds = vec![
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    ];
    let instrument = |name: &str, unit: &str, description: &str, bounds| {
        (
            name.to_owned(),
            unit.to_owned(),
            description.to_owned(),
            bounds,
        )
    };
    assert_eq!(
        recorded.instruments(),
        [
            instrument(
                "http.server.active_requests",
                "{request}",
                "Number of active HTTP server requests.",
                vec![]
            ),
            instrument(
                "http.server.request.duration",
                "s",
                "Duration of HTTP server requests.",
                bounds
            ),
        ]
    );
}

/// One router for all requests: what is cached for one must not leak into another.
#[tokio::test]
async fn requests_of_all_sorts_through_one_layer_keep_their_series_apart() {
    let recorded = Recorded::new();
    let address = serve(router().layer(layer(&recorded))).await;
    for _ in 0..3 {
        for request in [
            "GET /users/1 HTTP/1.0",
            "GET /users/2 HTTP/1.1",
            "POST /users/2 HTTP/1.0",
            "BREW /users/2 HTTP/1.0",
            "brew /any HTTP/1.0",
            "GET /nowhere HTTP/1.0",
            "GET /elsewhere HTTP/1.0",
            "GET https://a/ok HTTP/1.0",
        ] {
            send(
                address,
                format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await;
        }
    }
    recorded.ended(24).await;
    let expected = expected(
        r#"http.server.active_requests {http.request.method="GET" url.scheme="http"} 0
           http.server.active_requests {http.request.method="GET" url.scheme="https"} 0
           http.server.active_requests {http.request.method="POST" url.scheme="http"} 0
           http.server.active_requests {http.request.method="_OTHER" url.scheme="http"} 0
           http.server.request.duration {http.request.method="GET" http.response.status_code=200 http.route="/ok" network.protocol.version="1.0" url.scheme="https"} 3
           http.server.request.duration {http.request.method="GET" http.response.status_code=200 http.route="/users/{id}" network.protocol.version="1.0" url.scheme="http"} 3
           http.server.request.duration {http.request.method="GET" http.response.status_code=200 http.route="/users/{id}" network.protocol.version="1.1" url.scheme="http"} 3
           http.server.request.duration {http.request.method="GET" http.response.status_code=404 network.protocol.version="1.0" url.scheme="http"} 6
           http.server.request.duration {http.request.method="POST" http.response.status_code=201 http.route="/users/{id}" network.protocol.version="1.0" url.scheme="http"} 3
           http.server.request.duration {http.request.method="_OTHER" http.response.status_code=200 http.route="/any" network.protocol.version="1.0" url.scheme="http"} 3
           http.server.request.duration {http.request.method="_OTHER" http.response.status_code=405 http.route="/users/{id}" network.protocol.version="1.0" url.scheme="http"} 3"#,
        &[],
    );
    assert_eq!(recorded.metrics(), expected);
}

/// More ends of one endpoint than are bound: the rest must be counted all the same.
#[tokio::test]
async fn more_status_codes_than_are_bound_are_counted_too() {
    let recorded = Recorded::new();
    let handler = |method: Method, uri: http::Uri| async move {
        assert_eq!(method, Method::GET);
        StatusCode::from_u16(uri.query().unwrap().parse().unwrap()).unwrap()
    };
    let service = Router::new()
        .route("/status", get(handler))
        .layer(layer(&recorded));
    for _ in 0..2 {
        for status in 400..440 {
            let request = Request::get(format!("/status?{status}"))
                .body(Body::empty())
                .unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
    }
    let metrics = recorded.metrics();
    let durations = metrics
        .lines()
        .filter(|line| line.starts_with("http.server.request.duration"));
    let counts: Vec<_> = durations
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(counts, ["2"; 40]);
}

/// The peer of a connection over IPv6, if the machine has it.
#[tokio::test]
async fn peer_over_ipv6_is_written_without_brackets() {
    let recorded = Recorded::new();
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        return;
    };
    let address = listener.local_addr().unwrap();
    let router = router().layer(layer(&recorded));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let (_, port) = send(address, b"GET /ok HTTP/1.0\r\nHost: [::1]:1\r\n\r\n").await;
    let span = r#"GET /ok SERVER
        client.address="::1"
        http.request.method="GET"
        http.response.status_code=200
        http.route="/ok"
        network.peer.address="::1"
        network.peer.port=PORT
        network.protocol.version="1.0"
        server.address="::1"
        server.port=1
        url.path="/ok"
        url.scheme="http""#;
    assert_eq!(
        text(&recorded.span().await),
        expected(span, &[("PORT", &port.to_string())])
    );
}
