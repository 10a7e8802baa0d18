//! Web pages of others are kept out: any page can make its reader's browser send requests to this machine.
//!
//! A browser says in `Origin` which page sends a POST, or asks across origins. It says nothing when a page asks its own
//! origin with GET, and a page's own origin can be here although the page is not from here: any name can be made to
//! point to this machine after the page was loaded (DNS rebinding). The name is then still in `Host`.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Who may ask whom, for people.
pub(crate) const REFUSAL: &str = "requests of other origins' web pages are not taken";

/// A layer for what browsers read: pages from here may ask, and whoever is no page, by an address or as `localhost`;
/// for anybody else it is 403.
pub(crate) async fn refuse_others(request: Request, next: Next) -> Response {
    let is_local = authority(request.uri(), request.headers()).is_some_and(is_local);
    if is_local && !is_foreign(request.uri(), request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, REFUSAL).into_response()
    }
}

/// Whether a web page asks that was not served from here. Nobody's page may have any name in `Host`: a container knows
/// this machine by one.
pub(crate) fn is_foreign(uri: &Uri, headers: &HeaderMap) -> bool {
    let is_own = |origin: &str| {
        authority(uri, headers).is_some_and(|authority| {
            is_local(authority) && origin.strip_prefix("http://") == Some(authority)
        })
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    !origins.all(|origin| origin.to_str().is_ok_and(is_own))
}

/// The host and port that are asked.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let of_uri = uri.authority().map(|authority| authority.as_str());
    of_uri.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// Whether it is named as nobody else can be.
fn is_local(authority: &str) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => authority,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_local_and_other_names_are_not() {
        for local in [
            "localhost",
            "LocalHost:16686",
            "127.0.0.1",
            "192.168.1.2:80",
            "[::1]",
            "[::1]:16686",
        ] {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "",
            "example.com",
            "evil.example:16686",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "localhost:",
            "localhost:x",
            "user@localhost",
            "localhost:1:2",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
