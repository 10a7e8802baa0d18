//! Requests to ping.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use reqwest::{Client, redirect::Policy};
use serde::Serialize;
use tokio::task::JoinSet;

/// Requests in flight at once.
const AT_ONCE: usize = 16;

/// Ping itself gives up after five seconds.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends `GET /ping`.
#[derive(Clone)]
pub(crate) struct Pings {
    client: Client,
    url: String,
}

/// What came of them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Sent {
    sent: usize,
    /// How many were answered with which status. `none` is no answer.
    statuses: BTreeMap<String, usize>,
}

impl Pings {
    pub(crate) fn new(ping: SocketAddr) -> io::Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .user_agent("showcase")
            .timeout(LIMIT);
        Ok(Self {
            client: client.build().map_err(io::Error::other)?,
            url: format!("http://{ping}/ping"),
        })
    }

    /// Sends one. The status of the answer, or `none`.
    pub(crate) fn one(&self) -> impl Future<Output = String> + use<> {
        let request = self.client.get(&self.url);
        async move {
            match request.send().await {
                Ok(answer) => {
                    let status = answer.status().as_str().to_owned();
                    let _ = answer.bytes().await; // read, so that the connection can be used again
                    status
                }
                Err(_) => "none".to_owned(),
            }
        }
    }

    /// Sends so many, and returns when all are answered.
    pub(crate) async fn send(&self, count: usize) -> Sent {
        let mut sent = Sent::default();
        let mut pings = JoinSet::new();
        while sent.sent < count || !pings.is_empty() {
            if sent.sent < count && pings.len() < AT_ONCE {
                pings.spawn(self.one());
                sent.sent += 1;
            } else if let Some(Ok(status)) = pings.join_next().await {
                *sent.statuses.entry(status).or_default() += 1;
            }
        }
        sent
    }
}
