//! Clients that ask as fast as they are answered.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What clients do.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) path: &'static str,
    pub(crate) clients: usize,
    /// Whether a connection carries more than one request.
    pub(crate) keep_alive: bool,
    /// Between an answer and the next request.
    pub(crate) pause: Duration,
}

/// Under way until [`Load::stop`], or until nobody listens any more.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    clients: JoinSet<Tally>,
}

/// What became of all requests that were sent.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers by status.
    pub(crate) answered: BTreeMap<u16, u64>,
    /// Requests that were sent and got no whole answer.
    pub(crate) unanswered: u64,
}

impl Tally {
    pub(crate) fn sent(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.unanswered
    }

    pub(crate) fn of(&self, status: u16) -> u64 {
        self.answered.get(&status).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (status, count) in other.answered {
            *self.answered.entry(status).or_default() += count;
        }
        self.unanswered += other.unanswered;
    }
}

impl Plan {
    /// So many clients that keep their connections and never rest.
    pub(crate) fn eager(path: &'static str, clients: usize) -> Self {
        Self {
            path,
            clients,
            keep_alive: true,
            pause: Duration::ZERO,
        }
    }

    /// Begins to ask the service at `url`.
    pub(crate) fn start(self, url: &str) -> Load {
        let address = url.trim_start_matches("http://").to_owned();
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            clients.spawn(client(self, address.clone(), stopped.clone()));
        }
        Load { stop, clients }
    }

    /// Asks for so long.
    pub(crate) async fn run(self, url: &str, time: Duration) -> Tally {
        let load = self.start(url);
        tokio::time::sleep(time).await;
        load.stop().await
    }
}

impl Load {
    /// Lets requests that are under way be answered.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        self.ended().await
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn ended(mut self) -> Tally {
        let mut all = Tally::default();
        while let Some(tally) = self.clients.join_next().await {
            all.add(tally.expect("a client does not panic"));
        }
        all
    }
}

async fn client(plan: Plan, address: String, stopped: watch::Receiver<bool>) -> Tally {
    let connection = if plan.keep_alive {
        "keep-alive"
    } else {
        "close"
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n",
        plan.path
    );
    let mut tally = Tally::default();
    let mut answer = Vec::new();
    while let Ok(mut stream) = TcpStream::connect(&address).await {
        let _ = stream.set_nodelay(true);
        loop {
            if *stopped.borrow() {
                return tally;
            }
            match ask(&mut stream, &request, &mut answer).await {
                Ok((status, closes)) => {
                    *tally.answered.entry(status).or_default() += 1;
                    if closes {
                        break;
                    }
                }
                Err(_) => {
                    tally.unanswered += 1;
                    break;
                }
            }
            if !plan.pause.is_zero() {
                tokio::time::sleep(plan.pause).await;
            }
        }
    }
    tally
}

/// The status of the answer, and whether it is the connection's last.
async fn ask(
    stream: &mut TcpStream,
    request: &str,
    answer: &mut Vec<u8>,
) -> io::Result<(u16, bool)> {
    answer.clear();
    stream.write_all(request.as_bytes()).await?;
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        let length = field("content-length").and_then(|(_, length)| length.parse().ok());
        if body.len() < length.unwrap_or_default() {
            continue;
        }
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let closes = field("connection").is_some_and(|(_, value)| value == "close");
        return Ok((status, closes));
    }
}
