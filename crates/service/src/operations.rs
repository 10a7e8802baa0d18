//! The routes that are for whoever runs the service: `/metrics`, `/healthz`, `/readyz`, `/`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use openmetrics::Exposition;

use crate::scrape::Scrapes;
use crate::{About, Readiness};

/// Adds the operations routes to `router`.
///
/// Call it after `router.layer(..)`: a layer covers what was there before it, so that neither scrapes nor probes are
/// traced or counted. `router` must not have these four paths itself; axum panics then.
///
/// Without an `exposition`, `/metrics` answers 404 with the reason, and is still not counted.
pub fn operations(
    router: Router,
    about: &About,
    exposition: Option<Exposition>,
    readiness: Readiness,
) -> Router {
    let index = Bytes::from(about.index());
    let metrics = match exposition {
        Some(exposition) => get(metrics).with_state(Scrapes::new(exposition)),
        None => {
            let reason = if about.telemetry {
                "metrics are not served here: see OTEL_METRICS_EXPORTER and OTEL_SDK_DISABLED\n"
            } else {
                "this service has no metrics\n"
            };
            get(async move || (StatusCode::NOT_FOUND, reason))
        }
    };
    router
        .route("/", get(async move || plain(index)))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || ready(&readiness)))
        .route("/metrics", metrics)
}

fn plain(text: Bytes) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn ready(readiness: &Readiness) -> (StatusCode, &'static str) {
    if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}

async fn metrics(State(scrapes): State<Scrapes>, version: Version, headers: HeaderMap) -> Response {
    let gzip = list(&headers, ACCEPT_ENCODING).is_some_and(|accepted| accepts_gzip(&accepted));
    let scrape = match scrapes.scrape(version, list(&headers, ACCEPT), gzip).await {
        Ok(Some(scrape)) => scrape,
        Ok(None) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (
        [
            (CONTENT_TYPE, HeaderValue::from_static(scrape.content_type)),
            (VARY, HeaderValue::from_static("accept, accept-encoding")),
        ],
        scrape.body,
    )
        .into_response();
    if gzip {
        let encoding = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    response
}

/// A header as one list, however many lines it came in (RFC 9110, section 5.3).
fn list(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// RFC 9110, section 12.5.3: what is named counts before `*`, and `q=0` means no.
fn accepts_gzip(accepted: &str) -> bool {
    let quality = |wanted: &str| {
        accepted.split(',').find_map(|coding| {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| weight(parameters))
        })
    };
    quality("gzip").or_else(|| quality("*")).unwrap_or(0.0_f32) > 0.0
}

/// RFC 9110, section 12.4.2: parameters' names have no case. What is no weight accepts nothing.
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
