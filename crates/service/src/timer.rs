//! Timers for hyper that do not mistake a freeze of this process for a client's silence.
//!
//! Without them HTTP/2 clients would be cut after a freeze, because their answers to pings could not be read in time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::{Instant, sleep_until};

use crate::clock::FREEZE;

/// Extends each timer that fires late by [`FREEZE`], so that what has arrived meanwhile is read first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreezeAwareTimer;

impl Timer for FreezeAwareTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(std::time::Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(FreezeAwareSleep(Box::pin(async move {
            let mut deadline = Instant::from_std(deadline);
            sleep_until(deadline).await;
            while deadline.elapsed() >= FREEZE {
                deadline = Instant::now() + FREEZE;
                sleep_until(deadline).await;
            }
        })))
    }
}

struct FreezeAwareSleep(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Sleep for FreezeAwareSleep {}

impl Future for FreezeAwareSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::support::within;

    #[tokio::test]
    async fn timer_that_is_late_waits_longer() {
        let mut sleep = FreezeAwareTimer.sleep(Duration::from_millis(10));
        // The thread that would notice the timer does not run.
        std::thread::sleep(2 * FREEZE);
        let polled = poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        within(sleep).await;
    }
}
