//! What tests against real parts share: the parts' own APIs, and what the dashboards ask.

pub(crate) mod caller;
pub(crate) mod dashboards;
pub(crate) mod jaeger;
pub(crate) mod ports;
pub(crate) mod prometheus;
pub(crate) mod queries;
mod within;

use std::time::Duration;

use reqwest::Client;

pub(crate) use within::within;

/// A client as a user would have it, but for proxies of the machine.
pub(crate) fn client() -> Client {
    let client = Client::builder()
        .user_agent("tester/1.0")
        .no_proxy()
        .timeout(Duration::from_secs(30));
    client.build().expect("a client")
}
