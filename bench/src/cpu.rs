//! CPU time a request of the whole process, the system's part included: all services run side by side and take turns,
//! so that whatever else the machine does falls on all of them.

use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::call::{self, Client};
use crate::child::{Program, Server};
use crate::load::{Length, Load, Pace};
use crate::machine::{self, Memory, Processors};
use crate::serve::Variant;
use crate::setup::Setup;

/// All services are started anew so often: where a process happens to lie in memory and on the processors is luck.
const STARTS: usize = 2;

/// Turns of each start.
const ROUNDS: usize = 4;

/// A turn: its spans fill whole batches of 512, at 10 % too, so that the stock batch processors keep none.
const REQUESTS: u64 = 15_360;

/// A turn is over when all of its spans have arrived, ours half a second later and fastrace's a second; or after so
/// long, if some are lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a service took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// A request, median.
    pub microseconds: f64,
    /// To the first service: the median of the ratios of turns of the same round.
    pub ratio: f64,
    /// The part of the time that is not the system's, 0 to 1.
    pub user: f64,
    pub memory: Memory,
    /// Spans that did not arrive.
    pub lost: u64,
    /// Spans that were made.
    pub spans: u64,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// One connection, its caller on the same processor as the service.
    Pinned,
    /// This many connections, everything where the scheduler puts it.
    Free(u64),
}

impl Callers {
    fn connections(self) -> u64 {
        match self {
            Self::Pinned => 1,
            Self::Free(connections) => connections,
        }
    }
}

struct Runner {
    variant: Variant,
    setup: Setup,
    receiver: Server,
    service: Server,
    load: Load,
    requests: u64,
    /// Microseconds a request.
    turns: Vec<f64>,
    /// User's and system's.
    ticks: [u64; 2],
}

impl Runner {
    fn new(
        variant: Variant,
        setup: Setup,
        receiver: Server,
        service: Server,
    ) -> Result<Self, Error> {
        let load = Load::new(variant, service.address, setup)?;
        Ok(Self {
            variant,
            setup,
            receiver,
            service,
            load,
            requests: 0,
            turns: Vec::new(),
            ticks: [0; 2],
        })
    }

    fn turn(&mut self, connections: u64) -> Result<(), Error> {
        let id = self.service.id();
        self.load.connect(connections)?;
        let (time, ticks) = (machine::cpu_time(id)?, machine::ticks(id)?);
        self.load.send(Length::Requests(REQUESTS), Pace::FULL)?;
        self.requests += REQUESTS;
        let end = Instant::now() + PATIENCE;
        while self.receiver.spans()? < self.expected() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let time = machine::cpu_time(id)? - time;
        let now = machine::ticks(id)?;
        self.load.close();
        self.turns.push(time.as_secs_f64() * 1e6 / REQUESTS as f64);
        self.ticks = [0, 1].map(|kind| self.ticks[kind] + now[kind] - ticks[kind]);
        Ok(())
    }

    /// Spans of all requests so far.
    fn expected(&self) -> u64 {
        self.variant.spans() * self.setup.sampled(self.requests)
    }
}

/// Of all these services; the first is what the others are compared with.
pub fn of_services(services: &[(Variant, Setup)], callers: Callers) -> Result<Vec<Cpu>, Error> {
    in_turns(callers, services.len(), |place, receiver| {
        let (variant, setup) = services[place];
        let service = Server::service(variant, setup, &receiver, None)?;
        Runner::new(variant, setup, receiver, service)
    })
}

/// Of pong's own binaries, everything sampled.
pub fn of_programs(programs: &[Program]) -> Result<Vec<Cpu>, Error> {
    in_turns(Callers::Pinned, programs.len(), |place, receiver| {
        let service = Server::program(&programs[place], receiver.address, None)?;
        Runner::new(Variant::Ours, Setup::All, receiver, service)
    })
}

fn in_turns(
    callers: Callers,
    count: usize,
    start: impl Fn(usize, Server) -> Result<Runner, Error>,
) -> Result<Vec<Cpu>, Error> {
    let processors = match callers {
        Callers::Pinned => Some(Processors::divided()?),
        Callers::Free(_) => None,
    };
    let receiver = || match &processors {
        Some(processors) => processors.apart(Server::receiver),
        None => Server::receiver(),
    };
    let connections = callers.connections();
    let mut all = vec![Sum::default(); count];
    for _ in 0..STARTS {
        let runners = (0..count).map(|place| start(place, receiver()?));
        let mut runners = runners.collect::<Result<Vec<_>, Error>>()?;
        for runner in &mut runners {
            runner.turn(connections)?; // warm
            runner.turns.clear();
            runner.ticks = [0; 2];
        }
        for _ in 0..ROUNDS {
            for runner in &mut runners {
                runner.turn(connections)?;
            }
        }
        let first = runners[0].turns.clone();
        for (runner, sum) in runners.into_iter().zip(&mut all) {
            sum.add(runner, &first)?;
        }
    }
    Ok(all.into_iter().map(Sum::cpu).collect())
}

/// Of one service, all its starts.
#[derive(Clone, Default)]
struct Sum {
    cpu: Cpu,
    turns: Vec<f64>,
    ratios: Vec<f64>,
    ticks: [u64; 2],
}

impl Sum {
    fn add(&mut self, runner: Runner, first: &[f64]) -> Result<(), Error> {
        let ratios = runner
            .turns
            .iter()
            .zip(first)
            .map(|(turn, first)| turn / first);
        self.ratios.extend(ratios);
        self.cpu.memory = machine::memory(runner.service.id())?;
        let spans = runner.expected();
        runner.service.stop()?;
        self.cpu.spans += spans;
        self.cpu.lost += spans.saturating_sub(runner.receiver.spans()?);
        self.turns.extend(runner.turns);
        self.ticks = [0, 1].map(|kind| self.ticks[kind] + runner.ticks[kind]);
        Ok(())
    }

    fn cpu(self) -> Cpu {
        let [user, system] = self.ticks;
        Cpu {
            microseconds: median(self.turns),
            ratio: median(self.ratios),
            user: user as f64 / (user + system) as f64,
            ..self.cpu
        }
    }
}

/// Of the clients that ask a bare pong.
pub fn of_clients(clients: &[(Client, Setup)]) -> Result<Vec<Cpu>, Error> {
    let processors = Processors::divided()?;
    let receiver = processors.apart(Server::receiver)?;
    let pong = Server::service(Variant::Bare, Setup::All, &receiver, None)?;
    let mut turns = vec![Vec::new(); clients.len()];
    for _ in 0..STARTS * ROUNDS {
        for (turns, (client, setup)) in turns.iter_mut().zip(clients) {
            let output = client
                .command(*setup, &receiver, pong.address, REQUESTS, None)?
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
