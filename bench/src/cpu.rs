//! CPU time a request of the whole process, the system's part included: all services run side by side and take turns,
//! so that whatever else the machine does falls on all of them. The ratio is that of the medians.

use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::call::{self, Client};
use crate::child::{Program, Server};
use crate::load::Load;
use crate::machine::{self, Processors};
use crate::serve::Variant;
use crate::setup::Sampling;

/// All services are started anew so often: where a process happens to lie in memory and on the processors is luck.
const STARTS: usize = 3;

/// Turns of each start.
const ROUNDS: usize = 9;

/// A turn: its spans fill whole batches of 512, at 10 % too, so that the stock batch processors keep none.
const REQUESTS: u64 = 7_680;

/// A turn is over when all of its spans have arrived, ours half a second later; or after so long, if some are lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// Microseconds a request, median; the memory that the process then holds, in MiB; and how many spans did not arrive,
/// of how many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub microseconds: f64,
    pub resident: f64,
    pub lost: u64,
    pub spans: u64,
}

struct Runner {
    sampling: Sampling,
    /// Of a sampled request.
    spans: u64,
    receiver: Server,
    service: Server,
    load: Load,
    requests: u64,
    turns: Vec<f64>,
}

impl Runner {
    fn new(
        processors: &Processors,
        sampling: Sampling,
        spans: u64,
        start: impl FnOnce(&Server) -> Result<Server, Error>,
    ) -> Result<Self, Error> {
        let receiver = processors.apart(Server::receiver)?;
        let service = start(&receiver)?;
        let load = Load::new(service.address, sampling)?;
        Ok(Self {
            sampling,
            spans,
            receiver,
            service,
            load,
            requests: 0,
            turns: Vec::new(),
        })
    }

    fn turn(&mut self) -> Result<(), Error> {
        let before = machine::cpu_time(self.service.id())?;
        self.load.send(REQUESTS)?;
        self.requests += REQUESTS;
        let end = Instant::now() + PATIENCE;
        while self.receiver.spans()? < self.expected() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let time = machine::cpu_time(self.service.id())? - before;
        self.turns.push(time.as_secs_f64() * 1e6 / REQUESTS as f64);
        Ok(())
    }

    /// Spans of all requests so far.
    fn expected(&self) -> u64 {
        self.spans * self.sampling.sampled(self.requests)
    }
}

/// Of all these services.
pub fn of_services(services: &[(Variant, Sampling)]) -> Result<Vec<Cpu>, Error> {
    in_turns(|processors| {
        let runners = services.iter().map(|&(variant, sampling)| {
            Runner::new(processors, sampling, variant.spans(), |receiver| {
                Server::service(variant, sampling, receiver, None)
            })
        });
        runners.collect()
    })
}

/// Of pong's own binaries, everything sampled.
pub fn of_programs(programs: &[Program]) -> Result<Vec<Cpu>, Error> {
    in_turns(|processors| {
        let runners = programs.iter().map(|program| {
            Runner::new(
                processors,
                Sampling::All,
                Variant::Ours.spans(),
                |receiver| Server::program(program, receiver.address, None),
            )
        });
        runners.collect()
    })
}

fn in_turns(start: impl Fn(&Processors) -> Result<Vec<Runner>, Error>) -> Result<Vec<Cpu>, Error> {
    let processors = Processors::divided()?;
    let mut all: Vec<(Vec<f64>, Cpu)> = Vec::new();
    for _ in 0..STARTS {
        let mut runners = start(&processors)?;
        for runner in &mut runners {
            runner.turn()?; // warm
            runner.turns.clear();
        }
        for _ in 0..ROUNDS {
            for runner in &mut runners {
                runner.turn()?;
            }
        }
        all.resize_with(runners.len(), Default::default);
        for (runner, (turns, cpu)) in runners.into_iter().zip(&mut all) {
            cpu.resident = machine::resident(runner.service.id())?;
            let spans = runner.expected();
            runner.service.stop()?;
            cpu.spans += spans;
            cpu.lost += spans.saturating_sub(runner.receiver.spans()?);
            turns.extend(runner.turns);
        }
    }
    let cpu = |(turns, cpu)| Cpu {
        microseconds: median(turns),
        ..cpu
    };
    Ok(all.into_iter().map(cpu).collect())
}

/// Of the clients that ask a bare pong.
pub fn of_clients(clients: &[(Client, Sampling)]) -> Result<Vec<Cpu>, Error> {
    let processors = Processors::divided()?;
    let receiver = processors.apart(Server::receiver)?;
    let pong = Server::service(Variant::Bare, Sampling::All, &receiver, None)?;
    let mut turns = vec![Vec::new(); clients.len()];
    for _ in 0..STARTS * ROUNDS {
        for (turns, (client, sampling)) in turns.iter_mut().zip(clients) {
            let output = client
                .command(*sampling, &receiver, pong.address, REQUESTS, None)?
                .output()?;
            let text = String::from_utf8(output.stdout)?;
            let milliseconds = text
                .lines()
                .find_map(|line| line.strip_prefix(call::CPU_TIME));
            let milliseconds: f64 = milliseconds.ok_or("a client has not finished")?.parse()?;
            turns.push(milliseconds * 1e3 / REQUESTS as f64);
        }
    }
    let cpu = |turns| Cpu {
        microseconds: median(turns),
        ..Cpu::default()
    };
    Ok(turns.into_iter().map(cpu).collect())
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns[turns.len() / 2]
}
