//! The page: the files of `web/`, as they are.
//!
//! In a release build they are part of the executable; in a debug build they are read from the disk, so that a reload
//! shows an edit. Nothing comes from another host, and the browser is told to hold the page to that.

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// A file of the repository, by its path from the root.
macro_rules! sources {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../", $path)))),*]
    };
}

/// Files that the page leads to: where a span of ours comes from, and programs that send.
const SOURCES: [(&str, &str); 9] = sources![
    "crates/backend/tests/senders/go/main.go",
    "crates/backend/tests/senders/java/Sender.java",
    "crates/backend/tests/senders/javascript/order.js",
    "crates/backend/tests/senders/python/sender.py",
    "crates/instrumentation/src/client.rs",
    "crates/instrumentation/src/server.rs",
    "crates/ping/src/handler.rs",
    "crates/pong/src/handler.rs",
    "crates/showcase/examples/orders_stock.rs",
];

/// Sent with every file. Scripts and styles are files of this origin: what a span's name says is never run.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // Kept, but asked for each time: a newer showcase on the same port shows its own page.
    (header::CACHE_CONTROL, "no-cache"),
];

/// `/` is the page, `/page/…` what it consists of, `/source/…` some files of this repository as text.
pub(crate) fn router() -> Router {
    Router::new()
        .route(
            "/",
            get(async |headers: HeaderMap| file("index.html", &headers)),
        )
        .route(
            "/page/{*path}",
            get(async |Path(path): Path<String>, headers: HeaderMap| file(&path, &headers)),
        )
        .route(
            "/source/{*path}",
            get(async |Path(path): Path<String>| source(&path)),
        )
}

fn file(path: &str, request: &HeaderMap) -> Response {
    match (Files::get(path), content_type(path)) {
        (Some(file), Some(content_type)) => answer(&file, content_type, request),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn source(path: &str) -> Response {
    match SOURCES.iter().find(|(name, _)| *name == path) {
        Some((_, text)) => (HEADERS, *text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(file: &EmbeddedFile, content_type: &'static str, request: &HeaderMap) -> Response {
    let tag: String = file.metadata.sha256_hash()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    let known = request.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], HEADERS).into_response();
    }
    let own = [
        (header::ETAG, tag),
        (header::CONTENT_TYPE, content_type.to_owned()),
    ];
    (own, HEADERS, file.data.clone()).into_response()
}

/// `None`: no such files are served.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    match extension {
        "css" => Some("text/css; charset=utf-8"),
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use backend::{Backend, Settings};
    use reqwest::{Client, Response};

    use super::*;

    /// Beside the query API, as in the showcase.
    async fn get(path: &str, tag: Option<&str>) -> Response {
        let backend = Backend::start_with_page(Settings::on_free_ports(), router()).unwrap();
        let address: SocketAddr = backend.query();
        let mut request = Client::new().get(format!("http://{address}{path}"));
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        request.send().await.unwrap()
    }

    #[tokio::test]
    async fn each_file_of_the_page_is_served_and_only_to_a_page_of_its_own() {
        for path in Files::iter() {
            let response = get(&format!("/page/{path}"), None).await;
            assert_eq!(response.status(), 200, "{path}");
            let headers = response.headers();
            let content_type = headers["content-type"].to_str().unwrap();
            let (_, extension) = path.rsplit_once('.').unwrap();
            let kind = match extension {
                "js" => "text/javascript",
                "svg" => "image/svg+xml",
                text => &format!("text/{text}"),
            };
            assert!(content_type.starts_with(kind), "{path}: {content_type}");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["referrer-policy"], "no-referrer");
        }
        assert!(
            get("/", None)
                .await
                .text()
                .await
                .unwrap()
                .contains("<!doctype html>")
        );
    }

    #[tokio::test]
    async fn a_file_that_the_browser_has_is_not_sent_again() {
        let response = get("/", None).await;
        let tag = response.headers()["etag"].to_str().unwrap();
        let again = get("/", Some(tag)).await;
        assert_eq!(again.status(), 304);
        assert_eq!(again.text().await.unwrap(), "");
        assert_eq!(get("/", Some("\"other\"")).await.status(), 200);
    }

    #[tokio::test]
    async fn a_span_leads_to_the_line_that_makes_it() {
        for (path, line) in [
            ("crates/instrumentation/src/server.rs", "SERVER spans"),
            ("crates/instrumentation/src/client.rs", "CLIENT spans"),
            ("crates/ping/src/handler.rs", "info_span!(\"ping-request\""),
            (
                "crates/pong/src/handler.rs",
                ".span_builder(\"pong-request\")",
            ),
        ] {
            let response = get(&format!("/source/{path}"), None).await;
            let kind = response.headers()["content-type"].clone();
            assert!(kind.to_str().unwrap().starts_with("text/plain"), "{kind:?}");
            assert!(response.text().await.unwrap().contains(line), "{path}");
        }
    }

    #[tokio::test]
    async fn each_language_has_a_program_that_sends() {
        let snippets = Files::get("model/snippets.js").unwrap();
        let snippets = String::from_utf8(snippets.data.into_owned()).unwrap();
        let programs: Vec<_> = snippets.split("program: \"").skip(1).collect();
        assert_eq!(programs.len(), 5);
        for program in programs {
            let (path, _) = program.split_once('"').unwrap();
            assert_eq!(
                get(&format!("/source/{path}"), None).await.status(),
                200,
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn nothing_else_of_the_disk_is_served() {
        for path in [
            "/source/crates/showcase/src/page.rs",
            "/page/none.js",
            "/page/..%2Fsrc%2Fpage.rs",
            "/page/..%2F..%2F..%2Fgrafana%2Fgrafana.js",
        ] {
            assert_eq!(get(path, None).await.status(), 404, "{path}");
        }
    }
}
