//! `/metrics` as a route of axum: negotiation, compression, and a bound on the expositions in memory.

use axum::extract::State;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::Exposition;
use crate::copies::Copies;

/// Returns the route that answers `GET` and `HEAD` with `exposition`.
///
/// The response is in the format that `Accept` prefers, and compressed with gzip if `Accept-Encoding` allows it. Encoding
/// runs on tokio's blocking threads, one exposition at a time.
///
/// Clients that do not read their response keep it in memory. While they hold as many copies as there may be, other
/// clients get the latest copy of the format and encoding they want, or 503 if there is none.
///
/// Without an exposition the route answers 404.
pub fn route(exposition: impl Into<Option<Exposition>>) -> MethodRouter {
    match exposition.into() {
        Some(exposition) => get(metrics).with_state(Copies::new(exposition)),
        None => get(async || StatusCode::NOT_FOUND),
    }
}

async fn metrics(State(copies): State<Copies>, version: Version, headers: HeaderMap) -> Response {
    let gzip = list(&headers, ACCEPT_ENCODING).is_some_and(|accepted| accepts_gzip(&accepted));
    let answer = match copies.scrape(version, list(&headers, ACCEPT), gzip).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(answer.content_type)),
        (VARY, HeaderValue::from_static("accept, accept-encoding")),
    ];
    let mut response = (headers, answer.body).into_response();
    if gzip {
        let encoding = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    response
}

/// Joins the lines of a header into one list (RFC 9110, 5.3).
fn list(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// RFC 9110, 12.5.3: a coding that is named counts before `*`, and `q=0` refuses it.
fn accepts_gzip(accepted: &str) -> bool {
    let quality = |wanted: &str| {
        accepted.split(',').find_map(|coding| {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
            is_wanted.then(|| weight(parameters))
        })
    };
    quality("gzip").or_else(|| quality("*")).unwrap_or(0.0_f32) > 0.0
}

/// RFC 9110, 12.4.2: names of parameters are case-insensitive. A malformed weight refuses the coding.
fn weight(parameters: &str) -> f32 {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_accept_it() {
        for accepted in [
            "gzip",
            "GZIP",
            "br, gzip;q=0.5",
            "*",
            "identity;q=0.1, *;q=1",
            "gzip;Q=0.5",
            "gzip ; q=0.001",
            "gzip;x=y",
            "gzip;x=0;q=1",
        ] {
            assert!(accepts_gzip(accepted), "{accepted}");
        }
        for accepted in [
            "",
            "br",
            "gzip;q=0",
            "gzip; q=0.0, *",
            "*;q=0",
            "gzip;q=x",
            "gzip;Q=0",
            "gzip ;\tq=0",
            "gzip;x=y;q=0",
            "gzip;x=y;Q=0.000",
            "*;Q=0",
        ] {
            assert!(!accepts_gzip(accepted), "{accepted}");
        }
    }
}
