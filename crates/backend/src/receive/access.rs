//! Access control for browsers: which web pages may send and read, and the names under which this machine answers.
//!
//! Any web page can make a browser send requests to this machine. Three headers tell where a request comes from:
//!
//! * `Origin` names the page's origin, in each POST and each request to another origin.
//! * `Host` gives away DNS rebinding: an attacker's name is made to point to this machine after the page was loaded. The
//!   browser then takes this machine for the page's own origin, and sends no `Origin` with GET.
//! * `Sec-Fetch-Site` marks what a page of another site loads without reading it, such as pictures.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// The origins and names that are allowed.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    origins: Arc<[String]>,
    hosts: Arc<[String]>,
}

impl Access {
    /// `origins` are as browsers write them, or `*` for all. `hosts` are names in addition to this machine's own.
    pub(crate) fn new(origins: &[String], hosts: &[String]) -> Self {
        let own = gethostname::gethostname().into_string().ok();
        Self {
            origins: origins.into(),
            hosts: hosts.iter().cloned().chain(own).collect(),
        }
    }

    /// Checks a request that sends telemetry. `Host` may be any: containers have their own name for this machine.
    ///
    /// # Errors
    ///
    /// Why it is refused, for people.
    pub(crate) fn may_send(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let is_allowed = |origin: &str| self.is_own(origin, uri, headers) || self.allows(origin);
        match origins(headers).find(|origin| !is_allowed(origin)) {
            Some(origin) => Err(format!(
                "web pages of {origin} may not send here; --allow-origin {origin} lets them"
            )),
            None if is_blind(headers) => {
                Err("web pages of other sites may not send here".to_owned())
            }
            None => Ok(()),
        }
    }

    /// Checks a request that reads. Links from other sites work, since the linking page cannot see the response.
    ///
    /// # Errors
    ///
    /// Why it is refused, for people.
    pub(crate) fn may_read(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), String> {
        let Some(authority) = authority(uri, headers) else {
            return Err("the request has no Host".to_owned());
        };
        let name = name(authority);
        if !self.knows(name) {
            return Err(format!(
                "this machine is not known as {name}; --allow-host {name} takes requests for it"
            ));
        }
        let mut origins = origins(headers);
        if let Some(origin) = origins.find(|origin| !self.is_own(origin, uri, headers)) {
            return Err(format!("web pages of {origin} may not read here"));
        }
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let is_link = method == Method::GET
            && is("sec-fetch-mode", "navigate")
            && is("sec-fetch-dest", "document");
        if is_blind(headers) && !is_link {
            return Err("web pages of other sites may not read here".to_owned());
        }
        Ok(())
    }

    /// Answers preflights, and adds the headers that let a page read its response. To be applied to requests that
    /// [`may_send`](Self::may_send).
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        let access = self.clone();
        let is_allowed = move |origin: &HeaderValue, _: &_| access.allows(&text(origin));
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(is_allowed))
            .allow_methods(AllowMethods::list([Method::POST]))
            .allow_headers(AllowHeaders::mirror_request())
            // `navigator.sendBeacon`, which exporters use, sends credentials. None are used here.
            .allow_credentials(true)
            .expose_headers([header::RETRY_AFTER])
            .max_age(Duration::from_secs(600))
            // Chromium asks for it if the page comes from another network.
            .allow_private_network(true);
        (!self.origins.is_empty()).then_some(layer)
    }

    fn allows(&self, origin: &str) -> bool {
        let mut origins = self.origins.iter();
        origins.any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }

    /// Whether `origin` is that of the pages that are served here.
    fn is_own(&self, origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
        authority(uri, headers).is_some_and(|authority| {
            self.knows(name(authority)) && origin.strip_prefix("http://") == Some(authority)
        })
    }

    /// Whether a name can only mean this machine.
    fn knows(&self, name: &str) -> bool {
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name);
        let lower = name.to_ascii_lowercase();
        lower == "localhost"
            || lower.ends_with(".localhost") // RFC 6761, section 6.3
            || address.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }
}

fn origins(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers.get_all(header::ORIGIN).iter().map(text)
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Whether a page of another site loads something that it cannot read: such requests have no `Origin`.
fn is_blind(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| site == "cross-site") && !headers.contains_key(header::ORIGIN)
}

/// The host and port of the request.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let of_uri = uri.authority().map(|authority| authority.as_str());
    of_uri.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// An authority without its port.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_own_names_are_known_and_other_names_are_not() {
        let access = Access::new(&[], &["host.docker.internal".to_owned()]);
        let own = gethostname::gethostname().into_string().unwrap();
        for known in [
            "localhost",
            "LocalHost:16686",
            "showcase.localhost:16686",
            "127.0.0.1",
            "192.168.1.2:80",
            "[::1]",
            "[::1]:16686",
            "Host.Docker.Internal:16686",
            &own,
            &format!("{own}:1"),
        ] {
            assert!(access.knows(name(known)), "{known}");
        }
        for unknown in [
            "",
            "example.com",
            "evil.example:16686",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "evillocalhost",
            "localhost:",
            "localhost:x",
            "user@localhost",
            "localhost:1:2",
            "docker.internal",
        ] {
            assert!(!access.knows(name(unknown)), "{unknown}");
        }
    }
}
