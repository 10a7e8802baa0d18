//! Requests over one connection or many, each connection with one request under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::Error;
use crate::serve::Variant;
use crate::setup::Setup;

/// The callers of a service.
pub struct Load {
    runtime: Runtime,
    streams: Vec<TcpStream>,
    target: Target,
    /// The number of the next request. No number is used twice, so that new baggage is new in all turns.
    next: u64,
}

#[derive(Clone, Copy)]
struct Target {
    variant: Variant,
    address: SocketAddr,
    setup: Setup,
}

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Length {
    Requests(u64),
    Time(Duration),
}

/// How the callers behave.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Requests a second of all callers together. `None`: as many as there can be.
    pub rate: Option<f64>,
    /// How many different user agents there are.
    pub agents: u64,
}

impl Pace {
    pub const FULL: Self = Self {
        rate: None,
        agents: 1,
    };
}

/// What the callers have seen.
pub struct Seen {
    pub requests: u64,
    pub a_second: f64,
    pub median: Duration,
    pub p99: Duration,
}

impl Load {
    /// For a service, without connections yet.
    pub fn new(variant: Variant, address: SocketAddr, setup: Setup) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let target = Target {
            variant,
            address,
            setup,
        };
        Ok(Self {
            runtime,
            streams: Vec::new(),
            target,
            next: 0,
        })
    }

    /// Opens connections, and sends a request that is not sampled over each.
    pub fn connect(&mut self, connections: u64) -> Result<(), Error> {
        let setup = Setup::Off;
        let target = Target {
            setup,
            ..self.target
        };
        self.runtime.block_on(async {
            for _ in 0..connections {
                let mut stream = TcpStream::connect(target.address).await?;
                stream.set_nodelay(true)?;
                target.ask(&mut stream, 0, 0).await?;
                self.streams.push(stream);
            }
            Ok(())
        })
    }

    /// Closes the connections, before the service does so because they are idle.
    pub fn close(&mut self) {
        self.streams.clear();
    }

    /// Sends requests over all connections, and waits for each answer.
    pub fn send(&mut self, length: Length, pace: Pace) -> Result<Seen, Error> {
        let start = Instant::now();
        let (time, count) = match length {
            Length::Requests(count) => (Duration::MAX, count),
            Length::Time(time) => (time, u64::MAX - self.next),
        };
        let plan = Arc::new(Plan {
            target: self.target,
            pace,
            connections: self.streams.len() as f64,
            start,
            time,
            next: AtomicU64::new(self.next),
            end: self.next + count,
        });
        let mut times = self.runtime.block_on(async {
            let callers = self.streams.drain(..).enumerate();
            let callers = callers.map(|(place, stream)| {
                tokio::spawn(Arc::clone(&plan).follow(stream, place as f64))
            });
            let mut times = Vec::new();
            for caller in callers.collect::<Vec<_>>() {
                let (stream, seen) = caller.await??;
                self.streams.push(stream);
                times.extend(seen);
            }
            Ok::<_, Error>(times)
        })?;
        let elapsed = start.elapsed();
        self.next += times.len() as u64;
        times.sort_unstable();
        let part = |part: f64| {
            let place = (times.len() as f64 * part) as usize;
            times.get(place).copied().unwrap_or_default()
        };
        Ok(Seen {
            requests: times.len() as u64,
            a_second: times.len() as f64 / elapsed.as_secs_f64(),
            median: part(0.5),
            p99: part(0.99),
        })
    }
}

/// What all callers do.
struct Plan {
    target: Target,
    pace: Pace,
    connections: f64,
    start: Instant,
    time: Duration,
    next: AtomicU64,
    end: u64,
}

impl Plan {
    /// One connection. With a rate, a request that had to wait for the one before is measured from when it was due.
    async fn follow(
        self: Arc<Self>,
        mut stream: TcpStream,
        place: f64,
    ) -> Result<(TcpStream, Vec<Duration>), Error> {
        let mut times = Vec::new();
        let mut sent = 0.0;
        while self.start.elapsed() < self.time {
            let mut started = Instant::now();
            if let Some(rate) = self.pace.rate {
                let due = (place + sent * self.connections) / rate;
                let due = self.start + Duration::from_secs_f64(due);
                if started < due {
                    // It wakes up to a millisecond late, which is not the service's fault.
                    tokio::time::sleep_until(due.into()).await;
                    started = Instant::now();
                } else {
                    started = due;
                }
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.end {
                break;
            }
            let agent = number % self.pace.agents;
            self.target.ask(&mut stream, number, agent).await?;
            times.push(started.elapsed());
            sent += 1.0;
        }
        Ok((stream, times))
    }
}

impl Target {
    async fn ask(self, stream: &mut TcpStream, number: u64, agent: u64) -> Result<(), Error> {
        let path = self.variant.path();
        let request = self.setup.request(path, self.address, number, agent);
        stream.write_all(&request).await?;
        let mut answer = [0; 1024];
        let mut length = 0;
        while !answer[..length].ends_with(self.variant.answer()) {
            match stream.read(&mut answer[length..]).await? {
                0 => return Err("a server closed the connection".into()),
                read => length += read,
            }
        }
        if answer.starts_with(b"HTTP/1.1 200 ") {
            Ok(())
        } else {
            Err("a server did not answer 200".into())
        }
    }
}
