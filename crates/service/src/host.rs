//! Which host a request is for.

use axum::http::header::HOST;
use axum::http::{Request, Version};
use hyper::body::Incoming;

/// RFC 9112, section 3.2: HTTP/1.1 has exactly one `Host`, whose value is a host with or without a port, or empty. A proxy
/// in front that takes another one of two would route by a host that the service does not see.
///
/// HTTP/2 has `:authority` instead (RFC 9113, section 8.3.1).
pub(crate) fn names_one_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => host.as_bytes().iter().all(|byte| is_of_authority(*byte)),
        (Some(_), Some(_)) => false,
    }
}

/// RFC 3986, section 3.2, without the user information: what ends a host, or has no place in a URL, is not in it.
fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}
