//! `OTEL_EXPORTER_OTLP_*`, general and per signal
//! ([specification](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)), and `JAEGER_ADDRESS`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::SettingError;
use crate::proxy::Proxy;
use crate::reader::Reader;
use crate::resource;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`.
    HttpProtobuf,
    /// `grpc`.
    Grpc,
}

/// A URL without credentials, which are a header instead. Displays, and debugs, without the query, where some vendors put
/// a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

/// The text is not the URL of an endpoint: it must start with `http://` or `https://` and have no user or password, which
/// belong into the header `Authorization`. The text is not shown, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL that starts with http:// or https:// and has no user or password")]
pub struct InvalidEndpoint;

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    /// The whole URL of one signal: over HTTP with its path, such as `http://localhost:4318/v1/traces`.
    fn from_str(url: &str) -> Result<Self, InvalidEndpoint> {
        let url = parsed_endpoint(url, Protocol::HttpProtobuf, false).ok_or(InvalidEndpoint)?;
        match without_credentials(url) {
            (endpoint, None) => Ok(endpoint),
            (_, Some(_)) => Err(InvalidEndpoint),
        }
    }
}

impl Endpoint {
    /// The whole URL, to connect with.
    pub fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(&self.0) else {
            return f.write_str("an endpoint that is no URL");
        };
        url.set_query(None);
        f.write_str(url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// `otlp_http` or `otlp_grpc`: how one signal is sent by OTLP.
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// `…_PROTOCOL`.
    pub protocol: Protocol,
    /// The whole URL, path included.
    pub endpoint: Endpoint,
    /// Marked sensitive, so that not even `Debug` prints a value.
    pub headers: HeaderMap,
    /// `…_TIMEOUT`, of one export with its retries.
    pub timeout: Duration,
    /// `…_COMPRESSION`: gzip, or none.
    pub gzip: bool,
    /// `…_CERTIFICATE`, `…_CLIENT_CERTIFICATE`, `…_CLIENT_KEY`.
    pub tls: Tls,
    /// The proxy between the exporter and the endpoint.
    pub proxy: Option<Proxy>,
    /// The longest request, in bytes before compression: by default 8 MiB over HTTP, and 4 MiB over gRPC, which is what
    /// receivers accept unless they are told otherwise. The specification has no variable for it.
    pub max_request_size: usize,
}

/// The files for TLS. An `https://` endpoint needs none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to trust instead of the platform's.
    pub ca_file: Option<PemFile>,
    /// The certificate of the client.
    pub cert_file: Option<PemFile>,
    /// The key of that certificate.
    pub key_file: Option<PemFile>,
}

/// The specification's, of one request with its retries.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A file that is read when the exporter is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// The setting that named it, for warnings.
    pub variable: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Signal {
    fn infix(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The variables of one option, the one that wins first.
    fn variables(self, option: &str) -> [String; 2] {
        [
            format!("OTEL_EXPORTER_OTLP_{}_{option}", self.infix()),
            format!("OTEL_EXPORTER_OTLP_{option}"),
        ]
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        })
    }
}

impl Protocol {
    fn max_request_size(self) -> usize {
        match self {
            Self::HttpProtobuf => 8 << 20,
            Self::Grpc => 4 << 20,
        }
    }
}

impl Otlp {
    /// The defaults of the specification: 10 seconds a request, no headers, no compression. No proxy.
    pub fn new(protocol: Protocol, endpoint: Endpoint) -> Self {
        Self {
            protocol,
            endpoint,
            headers: HeaderMap::new(),
            timeout: DEFAULT_TIMEOUT,
            gzip: false,
            tls: Tls::default(),
            proxy: None,
            max_request_size: protocol.max_request_size(),
        }
    }

    /// `address` is `JAEGER_ADDRESS`: `host:port` to fall back on when no endpoint is set.
    pub(crate) fn read(reader: &mut Reader<'_>, signal: Signal, address: Option<&str>) -> Self {
        let protocol = option(
            reader,
            signal,
            "PROTOCOL",
            "http/protobuf",
            |reader, name, instead| {
                reader.parsed(name, "http/protobuf or grpc", instead, |value| match value
                    .to_ascii_lowercase()
                    .as_str()
                {
                    "http/protobuf" => Some(Protocol::HttpProtobuf),
                    "grpc" => Some(Protocol::Grpc),
                    _ => None,
                })
            },
        )
        .unwrap_or(Protocol::HttpProtobuf);
        let gzip = option(
            reader,
            signal,
            "COMPRESSION",
            "none",
            |reader, name, instead| {
                reader.parsed(name, "gzip or none", instead, |value| {
                    match value.to_ascii_lowercase().as_str() {
                        "gzip" => Some(true),
                        "none" => Some(false),
                        _ => None,
                    }
                })
            },
        );
        let timeout = option(
            reader,
            signal,
            "TIMEOUT",
            "10000",
            |reader, name, instead| reader.optional_timeout(name, instead),
        );
        let mut file = |option_name: &str| {
            signal
                .variables(option_name)
                .into_iter()
                .find_map(|variable| {
                    let path = PathBuf::from(reader.text(&variable)?);
                    Some(PemFile { variable, path })
                })
        };
        let tls = Tls {
            ca_file: file("CERTIFICATE"),
            cert_file: file("CLIENT_CERTIFICATE"),
            key_file: file("CLIENT_KEY"),
        };
        let mut headers = option(reader, signal, "HEADERS", "none", headers).unwrap_or_default();
        let (endpoint, credentials) = endpoint(reader, signal, protocol, address);
        // A header that is set wins.
        if let Some(credentials) = credentials {
            headers.entry(AUTHORIZATION).or_insert(credentials);
        }
        let mut proxy = Proxy::read(reader, endpoint.url());
        if protocol == Protocol::Grpc {
            proxy = proxy.and_then(|proxy| proxy.for_grpc(reader));
        }
        Self {
            headers,
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            gzip: gzip.unwrap_or(false),
            tls,
            proxy,
            ..Self::new(protocol, endpoint)
        }
    }
}

/// The signal's own variable, or else the general one.
fn option<T>(
    reader: &mut Reader<'_>,
    signal: Signal,
    name: &str,
    default: &str,
    read: impl Fn(&mut Reader<'_>, &str, &str) -> Option<T>,
) -> Option<T> {
    let [own, general] = signal.variables(name);
    read(
        reader,
        &own,
        &format!("{general}, or its default {default}"),
    )
    .or_else(|| read(reader, &general, default))
}

fn endpoint(
    reader: &mut Reader<'_>,
    signal: Signal,
    protocol: Protocol,
    address: Option<&str>,
) -> (Endpoint, Option<HeaderValue>) {
    let insecure = option(reader, signal, "INSECURE", "false", |reader, name, _| {
        reader.text(name)?;
        Some(reader.boolean(name))
    })
    .unwrap_or(false);
    let wanted = match protocol {
        Protocol::HttpProtobuf => "a URL that starts with http:// or https://",
        Protocol::Grpc => "a URL that starts with http:// or https://, or host:port",
    };
    let [own, general] = signal.variables("ENDPOINT");
    let default_address = match protocol {
        Protocol::HttpProtobuf => "localhost:4318",
        Protocol::Grpc => "localhost:4317",
    };
    let instead = format!("http://{}", address.unwrap_or(default_address));
    // The general variable is read for every signal, and warned of once: `JAEGER_ADDRESS` is for traces alone.
    let general_instead = match address {
        Some(_) => format!("{instead} for traces, http://{default_address} for the rest"),
        None => instead.clone(),
    };

    // A path means nothing to gRPC: the exporter would leave it out, and so does the start-up line.
    let parse = |value: &str| {
        let mut url = parsed_endpoint(value, protocol, insecure)?;
        if protocol == Protocol::Grpc {
            url.set_path("");
        }
        Some(url)
    };
    if let Some(url) = endpoint_of(
        reader,
        &own,
        wanted,
        &format!("{general}, or {instead}"),
        parse,
    ) {
        return without_credentials(url);
    }
    let path = match protocol {
        Protocol::HttpProtobuf => signal.path(),
        Protocol::Grpc => "",
    };
    match endpoint_of(reader, &general, wanted, &general_instead, parse) {
        None => (Endpoint(format!("{instead}{path}")), None),
        Some(mut url) => {
            let path = format!("{}{path}", url.path().trim_end_matches('/'));
            url.set_path(&path);
            without_credentials(url)
        }
    }
}

/// Moves user and password from the URL to the value of the header `Authorization`, by
/// [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617), so that no crate below can print them with the URL.
fn without_credentials(mut url: Url) -> (Endpoint, Option<HeaderValue>) {
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (decoded(url.username()), url.password().map(decoded));
    if user.is_empty() && password.is_none() {
        return (Endpoint(url.into()), None);
    }
    // Both fail only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let pair = [&user[..], b":", &password.unwrap_or_default()].concat();
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok();
    if let Some(value) = &mut value {
        value.set_sensitive(true);
    }
    (Endpoint(url.into()), value)
}

/// A URL may hold a password or a token; one that might is not shown in the warning.
fn endpoint_of(
    reader: &mut Reader<'_>,
    name: &str,
    wanted: &str,
    instead: &str,
    parse: impl FnOnce(&str) -> Option<Url>,
) -> Option<Url> {
    let value = reader.text(name)?;
    if let Some(url) = parse(&value) {
        return Some(url);
    }
    if reader.is_warned_of(name) {
        return None;
    }
    let not_understood = |_: &str| None;
    if value.contains(['@', '?']) {
        reader.parsed_secret(name, wanted, instead, not_understood)
    } else {
        reader.parsed(name, wanted, instead, not_understood)
    }
}

fn parsed_endpoint(value: &str, protocol: Protocol, insecure: bool) -> Option<Url> {
    let with_scheme = match protocol {
        Protocol::Grpc if !value.contains("://") => {
            let scheme = if insecure { "http" } else { "https" };
            format!("{scheme}://{value}")
        }
        _ => value.to_owned(),
    };
    let url = Url::parse(&with_scheme).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// `name=value` pairs, percent-encoded.
fn headers(reader: &mut Reader<'_>, name: &str, instead: &str) -> Option<HeaderMap> {
    const WANTED: &str = "name=value pairs separated by commas, special characters percent-encoded";
    reader.parsed_secret(name, WANTED, instead, |value| {
        let headers = resource::pairs(value)?.into_iter().map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        headers.collect()
    })
}

/// `JAEGER_ADDRESS`, the service's own setting.
pub(crate) fn jaeger_address(reader: &Reader<'_>) -> Result<Option<String>, SettingError> {
    const NAME: &str = "JAEGER_ADDRESS";
    const WANTED: &str = "host:port of an OTLP receiver, such as localhost:4318";
    let Some(value) = reader.own(NAME, WANTED)? else {
        return Ok(None);
    };
    let (host, port) = value.rsplit_once(':').unwrap_or((&value, ""));
    let port_is_one =
        port.parse::<u16>().is_ok_and(|port| port > 0) && port.bytes().all(|b| b.is_ascii_digit());
    let url = Url::parse(&format!("http://{value}"));
    let only_an_address = url.is_ok_and(|url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    });
    if host.is_empty()
        || !port_is_one
        || !only_an_address
        || value.ends_with('/')
        || value.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(SettingError {
            variable: NAME,
            value: value.into(),
            wanted: WANTED,
        });
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, InvalidEndpoint};

    #[test]
    fn endpoint_made_in_code_is_a_url_without_credentials() {
        let endpoint: Endpoint = "https://otlp.example.com/v1/traces?token=s3cret"
            .parse()
            .unwrap();
        assert_eq!(
            endpoint.url(),
            "https://otlp.example.com/v1/traces?token=s3cret"
        );
        assert_eq!(endpoint.to_string(), "https://otlp.example.com/v1/traces");
        for wrong in [
            "",
            "localhost:4318",
            "ftp://localhost",
            "http://",
            "http://user@localhost:4318",
            "http://:s3cret@localhost:4318",
        ] {
            assert_eq!(wrong.parse::<Endpoint>(), Err(InvalidEndpoint), "{wrong}");
        }
    }
}
