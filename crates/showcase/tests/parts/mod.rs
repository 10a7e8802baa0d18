//! What tests against real parts share: the parts' own APIs, and what the dashboards ask.

pub(crate) mod caller;
pub(crate) mod dashboards;
pub(crate) mod jaeger;
pub(crate) mod ports;
pub(crate) mod prometheus;
pub(crate) mod queries;

use std::time::Duration;

use reqwest::Client;

/// Polls `look` until it finds something. `None` after `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(limit, found).await.ok()
}

/// A client as a user would have it, but for proxies of the machine.
pub(crate) fn client() -> Client {
    let client = Client::builder()
        .user_agent("tester/1.0")
        .no_proxy()
        .timeout(Duration::from_secs(30));
    client.build().expect("a client")
}
