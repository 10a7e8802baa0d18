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
    /// The number of the next request. No number is used twice, so that baggage does not repeat either.
    next: Arc<AtomicU64>,
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
            next: Arc::default(),
        })
    }

    /// Opens connections, and sends a request that is not sampled over each.
    pub fn connect(&mut self, connections: u64) -> Result<(), Error> {
        let Self {
            runtime,
            streams,
            target,
            ..
        } = self;
        let setup = Setup::Off;
        let target = Target { setup, ..*target };
        runtime.block_on(async {
            for _ in 0..connections {
                let mut stream = TcpStream::connect(target.address).await?;
                stream.set_nodelay(true)?;
                target.ask(&mut stream, 0, 0).await?;
                streams.push(stream);
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
        let first = self.next.load(Ordering::Relaxed);
        let (end, last) = match length {
            Length::Requests(count) => (None, first + count),
            Length::Time(time) => (Some(start + time), u64::MAX),
        };
        let pause = pace
            .rate
            .map(|rate| Duration::from_secs_f64(self.streams.len() as f64 / rate));
        let times = self.runtime.block_on(async {
            let mut callers = Vec::new();
            for (place, stream) in self.streams.drain(..).enumerate() {
                let caller = Caller {
                    stream,
                    target: self.target,
                    next: Arc::clone(&self.next),
                    end,
                    last,
                    pause,
                    due: start
                        + Duration::from_secs_f64(
                            place as f64 / pace.rate.unwrap_or(f64::INFINITY),
                        ),
                    agents: pace.agents,
                };
                callers.push(tokio::spawn(caller.run()));
            }
            let mut times = Vec::new();
            for caller in callers {
                let (stream, seen) = caller.await??;
                self.streams.push(stream);
                times.extend(seen);
            }
            Ok::<_, Error>(times)
        })?;
        // Each caller took a number too many before it ended.
        self.next
            .store(first + times.len() as u64, Ordering::Relaxed);
        Ok(Seen::new(times, start.elapsed()))
    }
}

impl Seen {
    fn new(mut times: Vec<Duration>, elapsed: Duration) -> Self {
        times.sort_unstable();
        let part = |part: f64| {
            times
                .get((times.len() as f64 * part) as usize)
                .copied()
                .unwrap_or_default()
        };
        Self {
            requests: times.len() as u64,
            a_second: times.len() as f64 / elapsed.as_secs_f64(),
            median: part(0.5),
            p99: part(0.99),
        }
    }
}

/// One connection.
struct Caller {
    stream: TcpStream,
    target: Target,
    next: Arc<AtomicU64>,
    end: Option<Instant>,
    last: u64,
    pause: Option<Duration>,
    due: Instant,
    agents: u64,
}

impl Caller {
    /// With a pause, a request that had to wait for the one before is measured from when it was due.
    async fn run(mut self) -> Result<(TcpStream, Vec<Duration>), Error> {
        let mut times = Vec::new();
        loop {
            let mut started = Instant::now();
            if let Some(pause) = self.pause {
                if started < self.due {
                    // Wakes up to a millisecond late, which is not the service's fault.
                    tokio::time::sleep_until(self.due.into()).await;
                    started = Instant::now();
                } else {
                    started = self.due;
                }
                self.due += pause;
            }
            if self.end.is_some_and(|end| started >= end) {
                break;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.last {
                break;
            }
            self.target
                .ask(&mut self.stream, number, number % self.agents)
                .await?;
            times.push(started.elapsed());
        }
        Ok((self.stream, times))
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
