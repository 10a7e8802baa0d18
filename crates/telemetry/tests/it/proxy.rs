//! Exporting through a proxy, as most networks of companies want it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use telemetry::{Losses, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::help::{PATIENCE, SERVICE, Variables, settings, span};
use crate::receiver::{Receiver, nobody};
use crate::tls::Certificates;

/// A forward proxy. Every name that it is asked for is the receiver at `target`: a name service of its own.
struct Proxy {
    address: SocketAddr,
    /// The heads of the requests to the proxy itself.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
        };
        let heads = proxy.heads.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, heads.clone()));
            }
        });
        proxy
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, heads: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    heads.lock().unwrap().push(head.clone());
    let mut server = TcpStream::connect(target).await.unwrap();
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        // RFC 9112, 3.2.1: the origin's target is the path alone.
        let (method, rest) = head.split_once(" http://").unwrap();
        let path = &rest[rest.find('/').unwrap()..];
        let head = format!("{method} {path}");
        server.write_all(head.as_bytes()).await.unwrap();
    }
    server.write_all(&bytes[end..]).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

/// Sends a span with these settings, changed by `change`.
async fn send(variables: Variables<'_>, change: impl Fn(Settings) -> Settings) -> (String, Losses) {
    let telemetry = telemetry::build(SERVICE, &change(settings(variables))).unwrap();
    span(&telemetry, "span");
    let summary = telemetry.summary().to_owned();
    (summary, telemetry.shutdown(PATIENCE).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn http_goes_through_the_proxy_with_its_credentials_which_nobody_prints() {
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        let receiver = Receiver::start();
        let proxy = Proxy::start(receiver.address).await;
        let url = format!("http://us3r:p%40ss@{}", proxy.address);
        let variables = [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http://collector.example:4318",
            ),
            (variable, &url),
        ];
        let (summary, lost) = send(&variables, |settings| settings).await;
        assert!(lost.is_empty(), "{variable}: {lost}");
        assert_eq!(receiver.spans().len(), 1, "{variable}");
        assert_eq!(receiver.first().path, "/v1/traces");
        let [head] = &proxy.heads()[..] else {
            panic!("{:#?}", proxy.heads())
        };
        assert!(
            head.starts_with("POST http://collector.example:4318/v1/traces HTTP/1.1\r\n"),
            "{head}"
        );
        // `us3r:p@ss`
        assert!(
            head.contains("proxy-authorization: Basic dXMzcjpwQHNz\r\n"),
            "{head}"
        );
        let through = format!(" through the proxy http://{}", proxy.address);
        assert!(summary.contains(&through), "{summary}");
        let debug = format!("{:?}", settings(&variables));
        for text in [summary, debug] {
            assert!(!text.contains("us3r") && !text.contains("dXMz"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_cut_in_two_or_makes_the_proxy_none() {
    for password in ["p@ss", "p^ss", "p|ss", "p{ss", "p\"ss", "p ss", "p\u{e4}ss"] {
        let receiver = Receiver::start();
        let proxy = Proxy::start(receiver.address).await;
        let url = format!("http://u:{password}@{}", proxy.address);
        let variables = [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http://collector.example:4318",
            ),
            ("HTTP_PROXY", &url),
        ];
        let (summary, lost) = send(&variables, |settings| settings).await;
        assert!(lost.is_empty(), "{password}: {lost}");
        assert!(proxy.heads()[0].contains("proxy-authorization: Basic "));
        let debug = format!("{:?}", settings(&variables));
        for text in [summary, debug] {
            assert!(!text.contains("ss@") && !text.contains(password), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_goes_through_a_tunnel() {
    let certificates = Certificates::new();
    let receiver = Receiver::tls(certificates.acceptor(false));
    let proxy = Proxy::start(receiver.address).await;
    let address = proxy.address.to_string();
    let (_, lost) = send(
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example"),
            (
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                &certificates.path("ca.pem"),
            ),
            ("HTTPS_PROXY", &address),
            // For the other scheme.
            ("HTTP_PROXY", "http://127.0.0.1:1"),
        ],
        |settings| settings,
    )
    .await;
    assert!(lost.is_empty(), "{lost}");
    assert_eq!(receiver.spans().len(), 1);
    let heads = proxy.heads();
    assert!(
        heads[0].starts_with("CONNECT collector.example:443 HTTP/1.1\r\n"),
        "{heads:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_goes_through_a_tunnel_with_and_without_tls() {
    let certificates = Certificates::new();
    let secure = Receiver::tls(certificates.acceptor(false));
    let plain = Receiver::start();
    for (scheme, variable, receiver) in [
        ("https", "HTTPS_PROXY", &secure),
        ("http", "HTTP_PROXY", &plain),
    ] {
        let proxy = Proxy::start(receiver.address).await;
        let url = format!("http://us3r:p%40ss@{}", proxy.address);
        let endpoint = format!("{scheme}://collector.example:4317");
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            (
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                &certificates.path("ca.pem"),
            ),
            (variable, &url),
        ];
        let (summary, lost) = send(&variables, |settings| settings).await;
        assert!(lost.is_empty(), "{scheme}: {lost}");
        assert_eq!(receiver.spans().len(), 1);
        let heads = proxy.heads();
        assert!(
            heads[0].starts_with("CONNECT collector.example:4317 HTTP/1.1\r\n")
                && heads[0]
                    .to_lowercase()
                    .contains("proxy-authorization: basic dxmzcjpwqhnz\r\n"),
            "{heads:#?}"
        );
        let through = format!(" through the proxy http://{}", proxy.address);
        assert!(summary.contains(&through), "{summary}");
        assert!(!summary.contains("us3r"), "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_that_is_away_is_named_and_not_the_endpoint() {
    for protocol in ["http/protobuf", "grpc"] {
        let nobody = nobody().to_string();
        let (_, lost) = send(
            &[
                (
                    "OTEL_EXPORTER_OTLP_ENDPOINT",
                    "http://collector.example:4318",
                ),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("HTTP_PROXY", &nobody),
            ],
            |settings| settings,
        )
        .await;
        assert_eq!(
            lost.sentences(),
            [format!(
                "1 span not exported, last: nothing listens at http://{nobody}, the proxy of HTTP_PROXY"
            )],
            "{protocol}"
        );
    }
}

/// Whether a proxy is used for this endpoint, by what the first line of the log says.
fn is_used(endpoint: &str, variables: Variables<'_>, change: fn(Settings) -> Settings) -> bool {
    let mut all = variables.to_vec();
    all.push(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
    all.push(("ALL_PROXY", "proxy.example:3128"));
    let telemetry = telemetry::build(SERVICE, &change(settings(&all))).unwrap();
    let is_used = telemetry
        .summary()
        .contains(" through the proxy http://proxy.example:3128");
    let _ = futures_executor::block_on(telemetry.shutdown(PATIENCE));
    is_used
}

#[test]
fn this_machine_is_reached_directly() {
    for host in [
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        assert!(
            !is_used(&format!("http://{host}:4318"), &[], |settings| settings),
            "{host}"
        );
    }
    assert!(is_used("http://collector.example:4318", &[], |settings| {
        settings
    }));
    assert!(!is_used(
        "http://collector.example:4318",
        &[],
        Settings::without_proxy
    ));
}

#[test]
fn no_proxy_takes_all_usual_forms() {
    const NAME: &str = "http://collector.example:4318";
    const V4: &str = "http://10.1.2.3:4318";
    const V6: &str = "http://[fd00::1]:4318";
    for (list, endpoint, used) in [
        ("*", NAME, false),
        ("*", V4, false),
        ("collector.example", NAME, false),
        ("COLLECTOR.example", NAME, false),
        ("example", NAME, false),
        (".example", NAME, false),
        ("*.example", NAME, false),
        ("ample", NAME, true),
        ("other.example", NAME, true),
        ("a.test, b.test ,collector.example", NAME, false),
        ("a.test collector.example", NAME, false),
        ("collector.example:4318", NAME, false),
        ("collector.example:80", NAME, true),
        ("10.1.2.3", V4, false),
        ("10.1.2.3:4318", V4, false),
        ("10.0.0.0/8", V4, false),
        ("192.168.0.0/16", V4, true),
        ("fd00::1", V6, false),
        ("[fd00::1]", V6, false),
        ("[fd00::1]:4318", V6, false),
        ("[fd00::1]:80", V6, true),
        ("fd00::/8", V6, false),
        ("", NAME, true),
        (",", NAME, true),
    ] {
        for variable in ["no_proxy", "NO_PROXY"] {
            let variables = [(variable, list)];
            assert_eq!(
                is_used(endpoint, &variables, |settings| settings),
                used,
                "{list:?} {endpoint}"
            );
        }
    }
}

#[test]
fn what_is_no_proxy_is_warned_of_without_a_password() {
    let warnings = |variables: Variables<'_>| {
        let mut all = variables.to_vec();
        all.push((
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector.example:4318",
        ));
        settings(&all).warnings().to_vec()
    };
    for value in [
        "socks5://proxy:1080",
        "http://",
        "proxy:port",
        "http://proxy/path",
    ] {
        assert_eq!(
            warnings(&[("HTTP_PROXY", value)]),
            [format!(
                "HTTP_PROXY is {value:?}; wanted: host:port, or a URL that starts with http:// or https://; used instead: none"
            )]
        );
    }
    let [secret] = &warnings(&[("HTTP_PROXY", "ftp://us3r:s3cret@proxy")])[..] else {
        panic!("one warning")
    };
    assert!(secret.starts_with("HTTP_PROXY is not understood") && !secret.contains("s3cret"));
    assert_eq!(
        warnings(&[
            ("HTTP_PROXY", "https://proxy:3128"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        ]),
        [
            "HTTP_PROXY is not used for gRPC, which connects directly; wanted: a proxy that starts with http://, or OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        ]
    );
    // The one that is used is named, and where none is wanted none is spoken of.
    let both = [("HTTP_PROXY", "socks5://a:1"), ("ALL_PROXY", "b:1")];
    assert!(warnings(&both)[0].ends_with("; used instead: ALL_PROXY"));
    assert!(settings(&both).without_proxy().warnings().is_empty());
    // A request's header in a CGI program.
    let cgi = [("HTTP_PROXY", "evil:1"), ("REQUEST_METHOD", "GET")];
    assert_eq!(warnings(&cgi), [""; 0]);
}
