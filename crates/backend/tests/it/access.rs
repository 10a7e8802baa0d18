//! Which web pages and which names are let in.

use backend::{Backend, Settings};
use reqwest::{Method, Response};
use tokio::net::TcpStream;

use crate::{CLIENT, JSON, PROTOBUF, post, settings, start};

const ELSEWHERE: (&str, &str) = ("origin", "https://example.com");
const DEVELOPMENT: (&str, &str) = ("origin", "http://localhost:5173");

async fn send(method: Method, url: String, headers: &[(&str, &str)]) -> Response {
    let request = CLIENT.request(method, url);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.unwrap()
}

fn allowing(origins: &[&str], hosts: &[&str]) -> Backend {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Backend::start(Settings {
        allowed_origins: owned(origins),
        allowed_hosts: owned(hosts),
        ..settings()
    })
    .unwrap()
}

/// The sentence of a refusal.
async fn refusal(response: Response) -> String {
    assert_eq!(response.status(), 403);
    let headers = response.headers();
    assert!(!headers.contains_key("access-control-allow-origin"));
    response.text().await.unwrap()
}

#[tokio::test]
async fn pages_of_other_origins_may_not_send_and_are_told_the_flag() {
    let backend = start();
    let own = format!("http://{}", backend.otlp_http());
    let port = backend.otlp_http().port();
    let foreign = [
        "https://example.com".to_owned(),
        "null".to_owned(),
        "http://127.0.0.1".to_owned(),
        format!("http://localhost:{port}"), // another origin than 127.0.0.1
        own.replace("http:", "https:"),
        format!("{own}.example.com"),
    ];
    for origin in foreign {
        let headers = [PROTOBUF, ("origin", origin.as_str())];
        let message = refusal(post(&backend, "/v1/traces", &headers, "").await).await;
        let flag = format!("--allow-origin {origin}");
        assert!(message.contains(&flag), "{message}");
    }
    let headers = [PROTOBUF, ("origin", own.as_str())];
    let response = post(&backend, "/v1/traces", &headers, "").await;
    assert_eq!(response.status(), 200);

    // A name that was made to point here after its page was loaded.
    let rebound = format!("evil.example:{port}");
    let origin = format!("http://{rebound}");
    let headers = [PROTOBUF, ("host", &rebound), ("origin", &origin)];
    refusal(post(&backend, "/v1/traces", &headers, "").await).await;
    // No page: a container that knows this machine by a name.
    let response = post(&backend, "/v1/traces", &headers[..2], "").await;
    assert_eq!(response.status(), 200);
    // A form of another site, sent by a browser that leaves `Origin` out.
    let unseen = [PROTOBUF, ("sec-fetch-site", "cross-site")];
    refusal(post(&backend, "/v1/traces", &unseen, "").await).await;
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_send_and_browsers_are_told_so() {
    let backend = allowing(&["http://localhost:5173"], &[]);
    let any = allowing(&["*"], &[]);
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        for backend in [&backend, &any] {
            let asked = [
                DEVELOPMENT,
                ("access-control-request-method", "POST"),
                (
                    "access-control-request-headers",
                    "content-type,x-api-key,traceparent",
                ),
                ("access-control-request-private-network", "true"),
            ];
            let url = format!("http://{}{path}", backend.otlp_http());
            let preflight = send(Method::OPTIONS, url, &asked).await;
            assert_eq!(preflight.status(), 200);
            for (name, value) in [
                ("access-control-allow-origin", DEVELOPMENT.1),
                ("access-control-allow-methods", "POST"),
                ("access-control-allow-headers", asked[2].1),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-private-network", "true"),
                ("access-control-max-age", "600"),
            ] {
                assert_eq!(preflight.headers()[name], value, "{name}");
            }
            let headers = [JSON, DEVELOPMENT, ("sec-fetch-site", "same-site")];
            let response = post(backend, path, &headers, "{}").await;
            assert_eq!(response.status(), 200);
            let allowed = &response.headers()["access-control-allow-origin"];
            assert_eq!(allowed, DEVELOPMENT.1);
        }
        let headers = [JSON, ELSEWHERE];
        refusal(post(&backend, path, &headers, "{}").await).await;
        let headers = [JSON, ELSEWHERE, ("sec-fetch-site", "cross-site")];
        let response = post(&any, path, &headers, "{}").await;
        assert_eq!(response.status(), 200);
        // A page reads why its request was refused otherwise.
        let response = post(&any, path, &headers, "{").await;
        assert_eq!(response.status(), 400);
        let allowed = &response.headers()["access-control-allow-origin"];
        assert_eq!(allowed, ELSEWHERE.1);
    }
    let url = format!("http://{}/api/v2/spans", backend.zipkin());
    let response = send(Method::OPTIONS, url.clone(), &[DEVELOPMENT]).await;
    assert_eq!(response.status(), 200);
    refusal(send(Method::OPTIONS, url, &[ELSEWHERE]).await).await;

    // What others have sent is not for them.
    let url = format!("http://{}/api/services", any.query());
    refusal(send(Method::GET, url, &[DEVELOPMENT]).await).await;
}

/// A page is read with GET, of which browsers say nothing in `Origin` when they take it for its own origin's.
#[tokio::test]
async fn the_query_port_answers_no_foreign_page_and_no_foreign_name_and_says_why() {
    let backend = allowing(&["*"], &["host.docker.internal"]);
    let port = backend.query().port();
    let own = format!("http://127.0.0.1:{port}");
    let rebound = format!("evil.example:{port}");
    let rebound_page = format!("http://{rebound}");
    let of_localhost = format!("localhost:{port}");
    let page_of_localhost = format!("http://{of_localhost}");
    let docker = format!("Host.Docker.Internal:{port}");
    let subdomain = format!("traces.localhost:{port}");
    let hostname = gethostname::gethostname().into_string().unwrap();
    let cross_site = ("sec-fetch-site", "cross-site");
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[], ""),
        (&[("origin", &own)], ""),
        (&[("host", &of_localhost)], ""),
        (
            &[("host", &of_localhost), ("origin", &page_of_localhost)],
            "",
        ),
        (&[("host", &docker)], ""),
        (&[("host", &subdomain)], ""),
        (&[("host", &hostname)], ""),
        (&[("sec-fetch-site", "same-origin")], ""),
        // Somebody follows a link.
        (
            &[
                cross_site,
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            "",
        ),
        (&[cross_site, ("sec-fetch-mode", "no-cors")], "other sites"),
        (&[ELSEWHERE], "web pages of https://example.com"),
        (&[("origin", &own), ELSEWHERE], "https://example.com"),
        (&[("host", &rebound)], "--allow-host evil.example takes"),
        (
            &[("host", &rebound), ("origin", &rebound_page)],
            "--allow-host evil.example takes",
        ),
    ];
    for (headers, why) in cases {
        for (path, status) in [("/api/services", 200), ("/nothing", 404)] {
            let response = send(Method::GET, format!("{own}{path}"), headers).await;
            if why.is_empty() {
                assert_eq!(response.status(), status, "{path} {headers:?}");
            } else {
                let message = refusal(response).await;
                assert!(message.contains(why), "{headers:?}: {message}");
            }
        }
    }
}

#[tokio::test]
async fn answers_are_not_guessed_at_and_not_shown_by_other_sites() {
    let backend = start();
    let urls = [
        format!("http://{}/api/services", backend.query()),
        format!("http://{}/api/status", backend.query()),
        format!("http://{}/nothing", backend.query()),
        format!("http://{}/v1/traces", backend.otlp_http()),
        format!("http://{}/api/v2/spans", backend.zipkin()),
    ];
    for url in urls {
        for headers in [&[][..], &[ELSEWHERE]] {
            let response = send(Method::GET, url.clone(), headers).await;
            let headers = response.headers();
            assert_eq!(headers["x-content-type-options"], "nosniff", "{url}");
            assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        }
    }
}

/// Programs that look up `localhost` may get either address.
#[tokio::test]
async fn loopback_is_listened_on_by_both_of_its_addresses() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // no IPv6 here
    }
    let backend = start();
    for address in [
        backend.otlp_http(),
        backend.otlp_grpc(),
        backend.zipkin(),
        backend.query(),
    ] {
        for host in ["127.0.0.1", "::1"] {
            let connected = TcpStream::connect((host, address.port())).await;
            assert!(connected.is_ok(), "{host}");
        }
    }
    let url = format!("http://[::1]:{}/api/services", backend.query().port());
    let origin = url.strip_suffix("/api/services").unwrap();
    let response = send(Method::GET, url.clone(), &[("origin", origin)]).await;
    assert_eq!(response.status(), 200);
    backend.stop().await;
}
