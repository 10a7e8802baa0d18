//! Many connections at once, each with one request under way: requests a second, and how long they take.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Error;
use crate::serve::Variant;
use crate::setup::Sampling;

/// What a crowd has seen.
pub struct Seen {
    pub a_second: f64,
    pub median: Duration,
    pub p99: Duration,
    pub requests: u64,
}

/// Asks that service over so many connections for so long. `rate`: requests a second of all together, or as many as
/// there can be. `agents`: how many different user agents there are.
pub fn crowd(
    variant: Variant,
    address: SocketAddr,
    connections: u64,
    length: Duration,
    rate: Option<f64>,
    agents: u64,
) -> Result<Seen, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let end = start + length;
        let tasks: Vec<_> = (0..connections)
            .map(|number| {
                let pause = rate.map(|rate| Duration::from_secs_f64(connections as f64 / rate));
                let place = (number, connections);
                tokio::spawn(member(variant, address, place, end, pause, agents))
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        let elapsed = start.elapsed();
        times.sort_unstable();
        let part = |part: f64| {
            times
                .get((times.len() as f64 * part) as usize)
                .copied()
                .unwrap_or_default()
        };
        Ok(Seen {
            a_second: times.len() as f64 / elapsed.as_secs_f64(),
            median: part(0.5),
            p99: part(0.99),
            requests: times.len() as u64,
        })
    })
}

/// One connection. With a pace, a request that had to wait for the one before is measured from when it was due.
async fn member(
    variant: Variant,
    address: SocketAddr,
    (number, connections): (u64, u64),
    end: Instant,
    pause: Option<Duration>,
    agents: u64,
) -> Result<Vec<Duration>, Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let end_of_answer = format!("\r\n\r\n{}", variant.answer());
    let mut times = Vec::new();
    let mut answer = [0; 1024];
    let mut due = Instant::now()
        + pause
            .unwrap_or_default()
            .mul_f64(number as f64 / connections as f64);
    let mut sent = number;
    while Instant::now() < end {
        let mut started = Instant::now();
        if let Some(pause) = pause {
            if started < due {
                tokio::time::sleep_until(due.into()).await;
                started = Instant::now();
            } else {
                started = due;
            }
            due += pause;
        }
        stream
            .write_all(&Sampling::All.request(variant.path(), address, sent, sent % agents))
            .await?;
        sent += connections;
        let mut length = 0;
        while !answer[..length].ends_with(end_of_answer.as_bytes()) {
            match stream.read(&mut answer[length..]).await? {
                0 => return Err("a server closed the connection".into()),
                read => length += read,
            }
        }
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err("a server did not answer 200".into());
        }
        times.push(started.elapsed());
    }
    Ok(times)
}
