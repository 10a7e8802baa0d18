//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, as curl and most other programs have them.

use std::fmt;

use http::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use crate::reader::Reader;

/// Each also in lower case, which wins.
const OF_ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const OF_HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
const OF_HTTP: [&str; 2] = ["http_proxy", "HTTP_PROXY"];

const WANTED: &str = "host:port, or a URL that starts with http:// or https://";

/// The proxy between an exporter and its endpoint. Displays as its URL, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Without credentials.
    pub url: String,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<HeaderValue>,
    /// The variable that names it.
    pub variable: String,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.trim_end_matches('/'))
    }
}

impl Proxy {
    /// The proxy for `endpoint`. None on this machine, and where `NO_PROXY` says so.
    pub(crate) fn read(reader: &mut Reader<'_>, endpoint: &str) -> Option<Self> {
        let url = Url::parse(endpoint).ok()?;
        if is_here(&url) {
            return None;
        }
        // In a CGI program `HTTP_PROXY` is what the request's header `Proxy` says.
        let names: &[&str] = match url.scheme() {
            "https" => &OF_HTTPS,
            _ if reader.is_set("REQUEST_METHOD") => &OF_HTTP[..1],
            _ => &OF_HTTP,
        };
        let mut names = names.iter().chain(&OF_ALL);
        let (variable, proxy) = names.find_map(|name| Some((*name, one(reader, name)?)))?;
        let exceptions = ["no_proxy", "NO_PROXY"];
        let exceptions = exceptions.into_iter().find_map(|name| reader.text(name));
        let exceptions = exceptions.unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let matcher = Matcher::builder()
            .all(proxy)
            .no(exceptions_at(&exceptions, port)?)
            .build();
        let found = matcher.intercept(&endpoint.parse().ok()?)?;
        let authorization = found.basic_auth().cloned().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Some(Self {
            url: found.uri().to_string(),
            authorization,
            variable: variable.to_owned(),
        })
    }

    /// gRPC's tunnel goes through a plain connection to the proxy. None, with a warning, where that wants TLS.
    pub(crate) fn for_grpc(self, reader: &mut Reader<'_>) -> Option<Self> {
        if self.url.starts_with("http://") {
            return Some(self);
        }
        reader.warn(format!(
            "{} is not used for gRPC, which connects directly; wanted: a proxy that starts with http://, or \
             OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            self.variable
        ));
        None
    }
}

/// Whether a warning is about one of the variables.
pub(crate) fn is_warning_of_proxy(warning: &str) -> bool {
    let name = warning.split(' ').next().unwrap_or_default();
    [OF_ALL, OF_HTTPS, OF_HTTP].as_flattened().contains(&name)
}

/// The value of one variable, if it is a proxy. It may hold a password, so a warning does not show it then.
fn one(reader: &mut Reader<'_>, name: &str) -> Option<String> {
    let value = reader.text(name)?;
    let with_scheme = match value.contains("://") {
        true => value.clone(),
        false => format!("http://{value}"),
    };
    let url = Url::parse(&with_scheme).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/"
    });
    if let Some(url) = url {
        // As it was understood: `Matcher` splits a password with an `@` elsewhere, and takes some others for no proxy.
        return Some(url.into());
    }
    if !reader.is_warned_of(name) {
        let not_understood = |_: &str| None::<String>;
        let next = OF_ALL.into_iter().find(|next| reader.is_set(next));
        let instead = next.filter(|_| !OF_ALL.contains(&name)).unwrap_or("none");
        match value.contains('@') {
            true => reader.parsed_secret(name, WANTED, instead, not_understood),
            false => reader.parsed(name, WANTED, instead, not_understood),
        };
    }
    None
}

/// Whether the endpoint is on this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        // To connect to the unspecified address is to connect to this machine.
        Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(url::Host::Ipv6(address)) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost"
                || name.ends_with(".localhost")
                || gethostname::gethostname()
                    .to_str()
                    .is_some_and(|host| host.eq_ignore_ascii_case(name))
        }
        None => false,
    }
}

/// The list in the words of [`Matcher`], which knows names, their subdomains, addresses and networks: without the
/// `*` of `*.example.com`, the brackets of `[::1]`, and the port of `example.com:4318`, if it is this one. None: `*`,
/// everything.
fn exceptions_at(list: &str, port: u16) -> Option<String> {
    let mut kept = Vec::new();
    for entry in list.split([',', ' ']).map(str::trim) {
        if entry == "*" {
            return None;
        }
        let entry = entry.strip_prefix('*').unwrap_or(entry);
        let (host, at) = match entry.rsplit_once(':') {
            // One colon alone, or one after a bracket, comes before a port.
            Some((host, at)) if !host.contains(':') || host.ends_with(']') => (host, Some(at)),
            _ => (entry, None),
        };
        if at.is_none_or(|at| at.parse() == Ok(port)) {
            kept.push(host.trim_matches(['[', ']']));
        }
    }
    Some(kept.join(","))
}
