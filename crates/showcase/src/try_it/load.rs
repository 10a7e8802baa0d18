//! Steady load on ping.

use std::{convert::Infallible, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::pings::Pings;

/// Pings a second, at most.
pub(crate) const MOST: u32 = 200;

/// Pings in flight at once. When ping is slower than the load, the load waits.
const AT_ONCE: usize = 64;

/// Sends pings at a rate that can change; 0 is none. Dropped, it stops.
pub(crate) struct Load {
    pings: Pings,
    rate: watch::Receiver<u32>,
}

impl Load {
    pub(crate) fn new(pings: Pings, rate: watch::Receiver<u32>) -> Self {
        Self { pings, rate }
    }

    /// Sends for ever.
    pub(crate) async fn run(&mut self) -> Infallible {
        let mut pings = JoinSet::new();
        loop {
            let rate = *self.rate.borrow_and_update();
            if rate == 0 {
                if self.rate.changed().await.is_err() {
                    return std::future::pending().await; // nobody is left who could change it
                }
                continue;
            }
            let mut ticks = interval(Duration::from_secs(1) / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick(), if pings.len() < AT_ONCE => {
                        pings.spawn(self.pings.one());
                    }
                    Some(_) = pings.join_next() => {}
                    _ = self.rate.changed() => break,
                }
            }
        }
    }
}
