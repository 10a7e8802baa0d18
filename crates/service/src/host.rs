//! Which host a request is for.
//!
//! A proxy in front of the service may route by the first of two `Host` headers, or by a part of one. If the service took
//! another, a client could reach a host that the proxy hides.

use axum::http::header::HOST;
use axum::http::{Request, Version};

/// RFC 9112, section 3.2: an HTTP/1.1 request has exactly one `Host`, which is empty or a host with or without a port.
/// HTTP/2 has `:authority` instead (RFC 9113, section 8.3.1).
pub(crate) fn is_valid<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => host.as_bytes().iter().copied().all(is_authority_byte),
        (Some(_), Some(_)) => false,
    }
}

/// RFC 3986, section 3.2, without user information.
fn is_authority_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}
