//! Ping's settings, read once from the environment.

use std::net::SocketAddr;

use reqwest::Url;
use service::{Lookup, SettingError};

pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:8081";
pub(crate) const DEFAULT_PONG_ENDPOINT: &str = "127.0.0.1:8082";

/// The settings of ping.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ADDRESS`: where to listen.
    pub address: SocketAddr,
    /// `PONG_ENDPOINT`: where pong is; `/pong` is appended to its path.
    pub pong_endpoint: Url,
    /// `OTEL_*`, `JAEGER_ADDRESS` and `RUST_LOG`.
    pub telemetry: telemetry::Settings,
}

impl Settings {
    /// Reads the settings through `env`.
    ///
    /// # Errors
    ///
    /// The first of the service's own variables that holds something else than is wanted.
    pub fn from_env(env: Lookup<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            address: service::address(env, DEFAULT_ADDRESS)?,
            pong_endpoint: service::setting(
                env,
                "PONG_ENDPOINT",
                DEFAULT_PONG_ENDPOINT,
                "host:port, for example 127.0.0.1:8082, or an http(s) URL without user, query and fragment",
                pong_endpoint,
            )?,
            telemetry: telemetry::Settings::from_env(env).map_err(|wrong| SettingError {
                variable: wrong.variable,
                value: wrong.value,
                wanted: wrong.wanted,
            })?,
        })
    }
}

/// `host:port` would pass for a URL whose scheme is `host`, so it is told apart first.
fn pong_endpoint(value: &str) -> Option<Url> {
    let is_url = value.starts_with("http://") || value.starts_with("https://");
    let url = if is_url {
        Url::parse(value).ok()?
    } else {
        let (host, port) = value.rsplit_once(':')?;
        let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        (is_host && port.parse::<u16>().is_ok())
            .then(|| Url::parse(&format!("http://{value}")).ok())??
    };
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    // Nothing can listen on port 0.
    (is_bare && url.port() != Some(0)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pong_endpoint_is_a_host_and_port_or_a_url() {
        for (value, url) in [
            ("127.0.0.1:8082", "http://127.0.0.1:8082/"),
            ("pong:8082", "http://pong:8082/"),
            ("localhost:80", "http://localhost/"),
            ("[::1]:8082", "http://[::1]:8082/"),
            ("http://pong:8082", "http://pong:8082/"),
            ("https://pong.example/inner", "https://pong.example/inner"),
        ] {
            assert_eq!(
                pong_endpoint(value).as_ref().map(Url::as_str),
                Some(url),
                "{value}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [
            ":::",
            ":8082",
            "pong",
            "pong:",
            "pong:http",
            "pong:65536",
            "pong:0",
            "[::1]:0",
            "http://pong:0",
            "https://pong:0/inner",
            "pong:8082/x",
            "user@pong:8082",
            "http://",
            "http://user:secret@pong:8082",
            "http://pong?x=1",
            "http://pong#x",
            "ftp://pong:21",
            "::1:8082",
            "",
        ] {
            assert_eq!(pong_endpoint(value), None, "{value}");
        }
    }

    #[test]
    fn a_wrong_endpoint_names_the_variable_the_value_and_what_is_wanted() {
        let error = Settings::from_env(&|name| (name == "PONG_ENDPOINT").then(|| ":::".into()))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("PONG_ENDPOINT")
                && error.contains("\":::\"")
                && error.contains("host:port"),
            "{error}"
        );
    }
}
